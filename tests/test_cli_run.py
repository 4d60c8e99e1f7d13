from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import toys
from conftest import Command, write_distribution

from msa_bench.evaluation import store
from msa_bench.evaluation.config import RunConfig

TESTS = Path(__file__).parent
TOY_COMMAND = """
import msa_bench.cli.run, toys
from msa_bench.cli import main
msa_bench.cli.run.token_counter = lambda model: toys.count_words
main()
"""
TOY = ("run", "--task", "toy", "--system", "toy-echo", "--system", "toy-ranked", "--length", "1K", "--samples", "4")


def start(site: Path, *arguments: str, **environment: str) -> subprocess.Popen[str]:
    """The command in a process that Ctrl-C reaches, also where these tests run in the background, which ignores it."""
    return subprocess.Popen(
        [sys.executable, "-c", TOY_COMMAND, *arguments],
        env=os.environ | {"PYTHONPATH": f"{site}{os.pathsep}{TESTS}", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )


def wait_for_samples(out: Path, number: int) -> int:
    file, deadline = out / "samples.jsonl", time.monotonic() + 60
    while time.monotonic() < deadline:
        if file.exists() and (found := file.read_bytes().count(b"\n")) >= number:
            return found
        time.sleep(0.01)
    raise AssertionError(f"no {number} samples came")


def summary(out: Path) -> dict[str, Any]:
    found = json.loads((out / "summary.json").read_text())
    return {key: value for key, value in found.items() if key != "timings"}


def sample_keys(out: Path) -> list[tuple[Any, ...]]:
    lines = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    return [(line["system"], line["variant"], line["sample_id"], line["repeat"]) for line in lines]


def test_a_run_ends_with_a_table_a_figure_and_its_files(command: Command) -> None:
    status, out, _ = command(*TOY, "--out", "r")
    assert status == 0
    for part in ("toy 1K: string_match_all", "toy-ranked", "k=10", "hardware:", "untrained routing", "results: r"):
        assert part in out
    files = {"run.json", "samples.jsonl", "summary.json", "accuracy.png", "accuracy.svg"}
    assert files <= {file.name for file in Path("r").iterdir()}


def test_json_puts_one_object_on_stdout_and_the_table_on_stderr(command: Command) -> None:
    status, out, err = command(*TOY, "--out", "r", "--json")
    assert status == 0
    assert json.loads(out) == json.loads(Path("r/summary.json").read_text())
    assert "string_match_all" in err


def test_a_configuration_file_is_run_and_an_option_wins(command: Command) -> None:
    Path("c.yaml").write_text("task: toy\nsystem: [toy-echo]\nsubtask: toy_one\nsamples: 2\nout: here\n")
    assert command("run", "--config", "c.yaml", "--samples", "3")[0] == 0
    assert len(sample_keys(Path("here"))) == 3


def test_without_out_a_run_has_a_directory_of_its_own(command: Command) -> None:
    assert command(*TOY)[0] == 0
    (place,) = Path("results/runs").iterdir()
    assert place.name.startswith("toy-1K-")
    assert command(*TOY, "--seed", "1")[0] == 0
    assert len(list(Path("results/runs").iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (("--task", "toi"), "no task named 'toi'; did you mean toy"),
        (("--system", "toy-eko"), "no system named 'toy-eko'; did you mean toy-echo"),
        (("--subtask", "toy_two"), "no subtask of toy named 'toy_two'; did you mean toy_one"),
        (("--ablate", "voise=loud"), "named 'voise'; did you mean voice"),
        (("--ablate", "voice"), "'voice' is not KEY=VALUE"),
        (("--length", "12X"), "'12X' is not a length"),
        (("--length", "0"), "A length of 0 tokens"),
        (("--samples", "0"), "samples cannot be 0"),
        (("--config", "none.yaml"), "none.yaml cannot be read"),
    ],
)
def test_bad_input_gets_one_sentence_and_leaves_nothing(command: Command, options: tuple[str, ...], hint: str) -> None:
    status, out, err = command(*TOY, *options)
    assert (status, out) == (2, "")
    assert hint in err
    assert err.count("\n") == 1
    assert not Path("results").exists() or not list(Path("results/runs").iterdir())


def test_another_configuration_of_the_same_directory_is_refused(command: Command) -> None:
    command(*TOY, "--out", "r")
    status, _, err = command(*TOY, "--out", "r", "--seed", "43")
    assert status == 2
    assert "r holds a run with seed = 42, not 43" in err


def test_a_setting_left_out_of_the_continued_run_is_refused_too(command: Command) -> None:
    command(*TOY, "--out", "r", "--budget", "host=1GB")
    status, _, err = command(*TOY, "--out", "r")
    assert status == 2
    assert 'r holds a run with budget = "host=1GB", not null' in err


def test_a_full_disk_is_said_with_what_is_kept(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    write, written = os.write, []

    def full_after_two(descriptor: int, data: bytes) -> int:
        if b'"sample_id"' in data:
            written.append(data)
            if len(written) > 2:
                raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data)

    with monkeypatch.context() as patch:
        patch.setattr(store.os, "write", full_after_two)
        status, _, err = command(*TOY, "--out", "r")
    assert status == 2
    assert "No space is left for r; the 2 answers in r/samples.jsonl are kept" in err
    assert err.count("\n") == 1
    assert command(*TOY, "--out", "r")[0] == 0
    assert len(sample_keys(Path("r"))) == len(set(sample_keys(Path("r")))) == 24


def test_a_killed_run_continues_without_repeating_a_sample(command: Command, toys_registered: Path) -> None:
    process = start(toys_registered, *TOY, "--out", "killed", TOY_SECONDS="0.1")
    wait_for_samples(Path("killed"), 6)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    kept = sample_keys(Path("killed"))
    assert 6 <= len(kept) < 24
    with Path("killed/samples.jsonl").open("a") as file:
        file.write('{"sample_id": "toy_one/q')

    assert command(*TOY, "--out", "killed")[0] == 0
    assert command(*TOY, "--out", "whole")[0] == 0
    keys = sample_keys(Path("killed"))
    assert keys[: len(kept)] == kept
    assert len(keys) == len(set(keys)) == 24
    assert summary(Path("killed")) == summary(Path("whole"))


def test_ctrl_c_says_how_to_continue(command: Command, toys_registered: Path) -> None:
    process = start(toys_registered, *TOY, "--out", "r", TOY_SECONDS="0.1")
    wait_for_samples(Path("r"), 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert "the same command continues the run in r" in err
    assert "Traceback" not in err
    assert json.loads(Path("r/run.json").read_text())["status"] == "interrupted"


def test_a_task_and_a_system_of_another_package_run_from_the_console(command: Command, tmp_path: Path) -> None:
    package = tmp_path / "elsewhere"
    source = (TESTS / "toys.py").read_text()
    write_distribution(
        package,
        "boxes",
        "[msa_bench.tasks]\nboxes = boxes:ToyTask\n[msa_bench.systems]\nbox-reader = boxes:Echo\n",
    )
    (package / "boxes.py").write_text(source.replace("request.count_tokens", "count_words"))
    done = subprocess.run(
        [Path(sys.executable).with_name("msa-bench"), "run", "--task", "boxes", "--system", "box-reader", "--json"],
        env=os.environ | {"PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["samples"] == 10


def test_tasks_and_systems_are_listed_with_their_parts(command: Command) -> None:
    _, out, _ = command("tasks")
    assert "toy" in out
    assert "toy_pair" in out
    assert toys.ToyTask.description.split()[0] in out
    _, out, _ = command("systems")
    assert "toy-echo" in out
    assert "voice: loud or quiet" in out


def test_the_help_states_the_defaults_there_are(command: Command) -> None:
    _, out, _ = command("run", "--help")
    shown = " ".join(out.replace("│", " ").split())
    options = {part.split()[0]: part for part in shown.split(" --")[1:]}
    for name in ("model", "samples", "seed", "doc_tokens", "max_answer_tokens", "batch_size", "device", "dtype"):
        default = RunConfig.model_fields[name].default
        assert f"[default: ({default})]" in options[name.replace("_", "-")]


def test_the_command_line_starts_without_the_heavy_libraries() -> None:
    code = (
        "import sys, msa_bench.cli; sys.exit(bool({'torch', 'transformers', 'numpy', 'matplotlib'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
