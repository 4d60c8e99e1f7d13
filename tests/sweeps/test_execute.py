from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import toy_sweeps as work
from toy_sweeps import grid

from msa_bench.errors import UserError
from msa_bench.sweeps.execute import Done, execute, only_sweep
from msa_bench.sweeps.executors import Executor, InProcess, Processes, Ray
from msa_bench.sweeps.grid import Cell
from msa_bench.sweeps.plan import make_plan
from msa_bench.sweeps.results import results, row_name

SEEDS = "  - {task: toy, length: 1K, system: echo, samples: 2, seed: [1, 2, 3, 5]}\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))


def done(cells: list[Cell], executor: Executor, keep_banks: bool = False) -> tuple[dict[str, str], list[Done]]:
    told: list[Done] = []
    try:
        return execute(make_plan(cells, [], "cpu"), executor, keep_banks, told.append), told
    finally:
        executor.close()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_fails_takes_no_other_one_with_it(tmp_path: Path, workers: int) -> None:
    cells = grid(tmp_path, SEEDS)
    executor = InProcess(work.troubled) if workers == 1 else Processes(work.troubled, workers)
    failures, told = done(cells, executor)
    assert failures == {
        "toy-1K-echo-s2": "seed 2 is refused",
        "toy-1K-echo-s3": "ZeroDivisionError: seed 3 is a bug",
    }
    assert sorted(one.step.cell.name for one in told) == sorted(cell.name for cell in cells)
    assert [len(one.left) for one in told] == [3, 2, 1, 0]
    assert {row["seed"] for row in results(cells)} == {1, 5}
    again, told = done(cells, InProcess(work.answered))
    assert (again, len(told)) == ({}, 2)


@pytest.mark.slow
def test_a_worker_that_is_killed_ends_the_sweep_with_a_sentence(tmp_path: Path) -> None:
    cells = grid(tmp_path, SEEDS.replace("[1, 2, 3, 5]", "[1, 4]"))
    with pytest.raises(UserError, match="worker process of the sweep was killed"):
        done(cells, Processes(work.troubled, 2))


def test_runs_that_share_a_memory_wait_for_it_and_others_do_not(tmp_path: Path) -> None:
    block = "  - {task: toy, length: [1K, 2K], system: encoder, ablate: [none, {voice: [loud, quiet]}]}\n"
    cells = grid(tmp_path, block)
    bank = cells[0].config.bank
    assert bank is not None
    failures, _ = done(cells, Processes(work.slow, 2))
    assert failures == {}
    began = {cell.name: float((cell.config.directory() / "began").read_text()) for cell in cells}
    ended = {cell.name: (cell.config.directory() / "ended").read_text().split() for cell in cells}
    for length in ("1K", "2K"):
        first, *rest = sorted((name for name in began if f"-{length}-" in name), key=began.__getitem__)
        assert all(began[name] >= float(ended[first][0]) for name in rest)
    assert began["toy-2K-encoder-s42"] < float(ended["toy-1K-encoder-s42"][0]), "both memories at once"


def test_a_bank_is_removed_when_its_last_run_is_finished_unless_it_is_kept(tmp_path: Path) -> None:
    block = "  - {task: toy, length: 1K, system: encoder, ablate: [none, {voice: loud}]}\n"
    cells = grid(tmp_path, block)
    bank = cells[0].config.bank
    assert bank is not None

    def encodes(config: Any) -> None:
        config.bank.mkdir(parents=True, exist_ok=True)
        if config.ablate and not fixed:
            raise UserError("not yet")

    fixed = False
    assert len(done(cells, InProcess(encodes))[0]) == 1
    assert bank.exists(), "a run still wants it"
    fixed = True
    assert done(cells, InProcess(encodes), keep_banks=True)[0] == {}
    assert bank.exists()
    assert done(cells, InProcess(encodes))[0] == {}
    assert not bank.exists()


def test_a_directory_is_one_sweeps_at_a_time(tmp_path: Path) -> None:
    with (
        only_sweep(tmp_path / "o"),
        pytest.raises(UserError, match="Another sweep is running in"),
        only_sweep(tmp_path / "o"),
    ):
        pass
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), only_sweep(tmp_path / "file"):
        pass


@pytest.mark.slow
def test_workers_do_not_outlive_a_sweep_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal, time, toy_sweeps as work\n"
        "from pathlib import Path\n"
        "from msa_bench.evaluation.config import RunConfig\n"
        "from msa_bench.sweeps.executors import Processes\n"
        "if __name__ == '__main__':\n"
        "    pool = Processes(work.slow, 2)\n"
        "    for i in range(2): pool.submit(RunConfig(task='t', out=Path(str(i))))\n"
        "    while not all(Path(str(i), 'began').exists() for i in range(2)): time.sleep(0.01)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    assert subprocess.run([sys.executable, str(script)], timeout=60).returncode == -signal.SIGKILL
    time.sleep(1.0)
    assert not list(tmp_path.glob("?/ended"))


def test_rows_are_of_every_system_variant_and_ablation(tmp_path: Path) -> None:
    cells = grid(tmp_path, "  - {task: toy, system: [echo, ranked], ablate: [none, {voice: loud}], samples: 2}\n")
    assert done(cells, InProcess(work.answered))[0] == {}
    rows = results([*cells, replace(cells[0], name="not-run", config=cells[0].config.model_copy(
        update={"out": tmp_path / "none"}))])  # fmt: skip
    assert [row_name(row) for row in rows] == ["echo", "echo voice=loud", "ranked k=5", "ranked k=10"]
    for row in rows:
        assert (row["column"], row["score"], row["n"]) == ("toy", "string_match_all", 4)
        assert row["low"] <= row["mean"] <= row["high"]
    json.dumps(rows, allow_nan=False)


@pytest.mark.slow
def test_a_local_ray_cluster_does_the_runs(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'msa-bench[ray]'")
    cells = grid(tmp_path, SEEDS)
    executor = Ray(work.troubled, 2)
    assert executor.slots == 2
    failures, told = done(cells, executor)
    assert sorted(failures) == ["toy-1K-echo-s2", "toy-1K-echo-s3"]
    assert failures["toy-1K-echo-s2"] == "seed 2 is refused"
    assert len(told) == 4
    assert {row["seed"] for row in results(cells)} == {1, 5}
