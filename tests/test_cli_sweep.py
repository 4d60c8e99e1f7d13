from __future__ import annotations

import json
import re
import signal
import time
from pathlib import Path

import pytest
import tiny
from conftest import Command
from test_cli_run import sample_keys, start, summary

GRID = """\
out: s
samples: 3
grid:
  - {task: toy, length: [1K], system: [toy-echo, toy-ranked], ablate: [none, {voice: loud}], seed: [1, 2]}
"""
RUNS = 2 * 2 + 2
ANSWERS = 2 * 3 * (2 * 2 + 2 * 2)


@pytest.fixture
def file(command: Command) -> Path:
    Path("grid.yaml").write_text(GRID)
    return Path("grid.yaml")


def answers(out: Path) -> int:
    return sum(file.read_bytes().count(b"\n") for file in out.glob("runs/*/samples.jsonl"))


def test_a_dry_run_prints_the_grid_and_leaves_nothing(command: Command, file: Path) -> None:
    status, out, _ = command("sweep", "grid.yaml", "--dry-run")
    assert status == 0
    assert out.count("toy-1K-toy-echo-voice=loud-s2 ") == 1
    assert f"{RUNS} runs, 0 of them finished" in out
    assert "not measured: toy-echo, toy-ranked; --measure measures them" in out
    assert not Path("s").exists()


def test_a_sweep_makes_ordinary_runs_and_ends_with_one_table(command: Command, file: Path) -> None:
    status, out, err = command("sweep", "grid.yaml")
    assert status == 0, err
    assert f"[{RUNS}/{RUNS}] " in err
    names = {run.name for run in Path("s/runs").iterdir()}
    assert len(names) == RUNS
    rows = [line.split() for line in out.splitlines() if re.search(r"\[0\.\d\d, [01]\.\d\d\]", line)]
    assert [row[:2] for row in rows] == [["toy-echo", "1"], ["toy-echo", "2"]] + [["toy-echo", "voice=loud"]] * 2 + [
        ["toy-ranked", "k=5"],
        ["toy-ranked", "k=10"],
    ] * 2
    run = Path("s/runs/toy-1K-toy-echo-voice=loud-s2")
    files = {"run.json", "samples.jsonl", "summary.json", "accuracy.png", "accuracy.svg"}
    assert {one.name for one in run.iterdir()} - {".lock"} == files
    same = ("--task", "toy", "--length", "1K", "--system", "toy-echo", "--ablate", "voice=loud", "--seed", "2")
    assert command("run", *same, "--samples", "3", "--out", str(run))[0] == 0, "`run` itself continues it"
    assert len(sample_keys(run)) == 6

    status, out, _ = command("sweep", "grid.yaml", "--dry-run", "--json")
    plan = json.loads(out)
    assert (plan["pending"], len(plan["runs"])) == (0, RUNS)
    status, again, err = command("sweep", "grid.yaml", "--json")
    assert status == 0
    assert len(json.loads(again)["rows"]) == 2 * 2 + 2 * 2
    assert f"{RUNS} runs, {RUNS} of them finished" in err


def test_the_minutes_of_a_grown_grid_come_from_its_own_runs(command: Command, file: Path) -> None:
    assert command("sweep", "grid.yaml")[0] == 0
    file.write_text(GRID.replace("[1K]", "[1K, 1M]"))
    status, out, _ = command("sweep", "grid.yaml", "--dry-run")
    assert status == 0
    assert f"{RUNS * 2} runs, {RUNS} of them finished" in out
    assert "measured in s/runs (" in out
    assert "at least" not in out


def test_systems_are_measured_when_asked_for(command: Command, file: Path) -> None:
    status, out, err = command("sweep", "grid.yaml", "--dry-run", "--measure")
    assert status == 0, err
    assert "measured in s/measure (" in out
    assert not Path("s/runs").exists()


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        (GRID.replace("toy-ranked", "toy-rankd"), (), "no system named 'toy-rankd'; did you mean toy-ranked"),
        (GRID.replace("task: toy", "task: toi"), (), "no task named 'toi'; did you mean toy"),
        (GRID.replace("samples", "sampels"), (), "named 'sampels'; did you mean samples"),
        (GRID, ("--executor", "rai"), "no executor named 'rai'; did you mean ray"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(
    command: Command, text: str, options: tuple[str, ...], said: str
) -> None:
    Path("grid.yaml").write_text(text)
    status, out, err = command("sweep", "grid.yaml", *options)
    assert (status, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
    assert not Path("s").exists()


def test_other_settings_in_the_same_directory_are_refused_before_anything_runs(command: Command, file: Path) -> None:
    assert command("sweep", "grid.yaml")[0] == 0
    file.write_text(GRID.replace("samples: 3", "samples: 4"))
    status, _, err = command("sweep", "grid.yaml")
    assert status == 2
    assert "holds a run with samples = 3, not 4" in err


@pytest.mark.slow
def test_a_sweep_killed_twice_ends_with_the_same_tables(command: Command, file: Path, toys_registered: Path) -> None:
    status, expected, err = command("sweep", "grid.yaml", "--out", "whole")
    assert status == 0, err
    kept = 0
    for wanted in (10, 25):
        process = start(toys_registered, "sweep", "grid.yaml", "--out", "killed", TOY_SECONDS="0.03")
        deadline = time.monotonic() + 60
        while (found := answers(Path("killed"))) < wanted and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert wanted <= found < ANSWERS
        assert kept <= found, "nothing was lost"
        kept = found
    status, out, err = command("sweep", "grid.yaml", "--out", "killed")
    assert status == 0, err
    assert f"{RUNS} runs, 0 of them" not in err
    assert out.replace("killed", "whole") == expected
    for run in Path("whole/runs").iterdir():
        continued = Path("killed/runs") / run.name
        assert summary(continued) == summary(run)
        keys = sample_keys(continued)
        assert len(keys) == len(set(keys))
    assert answers(Path("killed")) == answers(Path("whole")) == ANSWERS


@pytest.mark.slow
def test_ctrl_c_says_how_to_continue(command: Command, file: Path, toys_registered: Path) -> None:
    process = start(toys_registered, "sweep", "grid.yaml", TOY_SECONDS="0.1")
    deadline = time.monotonic() + 60
    while answers(Path("s")) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "the same command continues the sweep in s" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_one_memory_is_encoded_for_all_ablations_that_allow_it(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import msa_bench.cli.run

    monkeypatch.setattr(msa_bench.cli.run, "token_counter", lambda model: tiny.tokenizer().count)
    checkpoint = tiny.write_checkpoint(tmp_path / "model", released={"router_layer_idx": "2,3"})
    Path("ablate.yaml").write_text(
        f"out: s\nmodel: {checkpoint}\ndevice: cpu\nsamples: 2\nmax_answer_tokens: 4\ngrid:\n"
        "  - task: niah\n    subtask: niah_single_2\n    length: 8K\n"
        "    ablate: [none, {interleave: off}, {routing: [untrained, random, oracle]}, {chunk: 16}, {rounds: 1}]\n"
    )
    status, _, err = command("sweep", "ablate.yaml", "--keep-banks")
    assert status == 0, err
    reused = {}
    for run in Path("s/runs").iterdir():
        (index,) = json.loads((run / "run.json").read_text())["indexes"]
        reused[run.name.removeprefix("niah_single_2-8K-msa-").removesuffix("-s42")] = index["reused"]
    assert [name for name in reused if not reused[name] and "=" in name].count("chunk=16") == 1
    assert sorted(reused.values()) == [False] * 3 + [True] * 4
    assert not reused["routing=untrained"]
    assert len(list(Path("s/banks").iterdir())) == 3
    assert command("sweep", "ablate.yaml")[0] == 0
    assert not any("=" not in bank.name for bank in Path("s/banks").iterdir()), "removed once nobody wants it"
    oracle = json.loads(Path("s/runs/niah_single_2-8K-msa-routing=oracle-s42/run.json").read_text())
    assert any("oracle" in note for note in oracle["systems"]["msa"]["notes"])
