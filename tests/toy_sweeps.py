"""Grids of toys, and what tests of executors have other processes do."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import toys

from msa_bench.contracts import Task
from msa_bench.errors import UserError
from msa_bench.evaluation.config import RunConfig
from msa_bench.evaluation.runner import run
from msa_bench.sweeps.grid import Cell, cells, read_sweep


class Encoder(toys.Echo):
    """An echo that encodes a memory, which one of its switches changes."""

    ablations = {"voice": "loud or quiet", "pitch": "high or low"}  # noqa: RUF012 (as a class of another package has it)

    @staticmethod
    def encoding(chosen: dict[str, str]) -> str:
        if chosen.get("pitch") == "odd":
            raise UserError("--ablate pitch=odd is not known.")
        return f"pitch={chosen['pitch']}" if "pitch" in chosen else ""


FACTORIES: dict[str, Any] = {"encoder": Encoder, "echo": toys.Echo, "ranked": toys.Ranked}


def grid(tmp_path: Path, blocks: str, top: str = "") -> list[Cell]:
    file = tmp_path / "sweep.yaml"
    file.write_text(f"out: there\n{top}grid:\n{blocks}")
    return cells(read_sweep(file), lambda name: toys.ToyTask(), FACTORIES.__getitem__, f" in {file}")


def answered(config: RunConfig) -> None:
    """Run a toy."""
    task: Task = toys.ToyTask()
    run(config, task, {name: FACTORIES[name] for name in config.system}, toys.count_words)
    (config.directory() / "accuracy.png").touch()


def troubled(config: RunConfig) -> None:
    """Fail for seed 2 with a sentence, for seed 3 with a bug, for seed 4 by being killed; run the others."""
    if config.seed == 2:
        raise UserError("seed 2 is refused")
    if config.seed == 3:
        raise ZeroDivisionError("seed 3\nis a bug")
    if config.seed == 4:
        os._exit(9)
    answered(config)


def slow(config: RunConfig) -> None:
    """Say when it began, and that it ended."""
    directory = config.directory()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "began").write_text(str(time.monotonic()))
    time.sleep(0.5)
    (directory / "ended").write_text(f"{time.monotonic()} {os.environ.get('OMP_NUM_THREADS')}")
