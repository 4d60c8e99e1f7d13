"""The order a sweep is run in and what it will take: cheap memories first, and the runs that share one together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from msa_bench.evaluation.files import RECORD, SUMMARY
from msa_bench.evaluation.record import refuse_other_settings
from msa_bench.evaluation.store import read_json
from msa_bench.sweeps.grid import Cell
from msa_bench.sweeps.rates import Estimate, Rate, estimate

FIGURE = "accuracy.png"


@dataclass(frozen=True, slots=True)
class Step:
    """One run in its place. `finished` ones are not run again; the first of a group `encodes` its memory."""

    cell: Cell
    estimate: Estimate
    encodes: bool
    finished: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """All runs of a sweep in the order they are started, finished ones included."""

    steps: tuple[Step, ...]

    @property
    def pending(self) -> list[Step]:
        """The steps still to be run."""
        return [step for step in self.steps if not step.finished]

    @property
    def seconds(self) -> float:
        """What the pending runs will take one after the other, as far as it is known."""
        return sum(step.estimate.seconds or 0.0 for step in self.pending)

    @property
    def unknown(self) -> list[str]:
        """Systems of which no rate is known."""
        return sorted({step.cell.system for step in self.pending if step.estimate.seconds is None})

    @property
    def memory_bytes(self) -> int:
        """The most memory one of the pending runs will take."""
        return max((step.estimate.memory_bytes or 0 for step in self.pending), default=0)

    @property
    def disk_bytes(self) -> int:
        """The largest of the banks that are saved; one is removed when all its runs are finished."""
        return max((step.estimate.disk_bytes for step in self.pending if step.cell.config.bank), default=0)

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON values: a row for each run, and totals."""
        rows = [
            {
                "run": step.cell.name,
                "task": step.cell.config.task,
                "length_tokens": step.cell.config.length,
                "system": step.cell.system,
                "ablate": step.cell.config.ablate,
                "seed": step.cell.config.seed,
                "questions": step.cell.questions,
                "encodes": step.encodes,
                "bank": str(step.cell.config.bank) if step.cell.config.bank else None,
                "tokens": step.estimate.tokens,
                "seconds": step.estimate.seconds,
                "memory_bytes": step.estimate.memory_bytes,
                "finished": step.finished,
                "basis": step.estimate.basis,
            }
            for step in self.steps
        ]
        return {
            "runs": rows,
            "pending": len(self.pending),
            "tokens": sum(step.estimate.tokens for step in self.pending),
            "seconds": self.seconds,
            "memory_bytes": self.memory_bytes,
            "disk_bytes": self.disk_bytes,
            "not_measured": self.unknown,
        }


def make_plan(cells: Sequence[Cell], rates: Sequence[Rate], device: str) -> Plan:
    """The plan for `cells` by the measured `rates` on a `device` (`cpu` or `cuda`).

    A `UserError` for a directory that holds a run of other settings, before anything is begun.
    """
    finished = {cell.name: is_finished(cell) for cell in cells}
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(cell.group, []).append(cell)
    ordered = []
    for members in groups.values():
        # What an earlier sitting encoded is there as long as runs are left that want it.
        encoded = any(finished[cell.name] for cell in members) and members[0].config.bank is not None
        steps = [Step(cell, estimate(cell, False, rates, device), False, finished[cell.name]) for cell in members]
        steps.sort(key=lambda step: (not step.finished, _cost(step)))
        if not encoded:
            # Without a bank to share a group is a single run.
            steps[0] = replace(steps[0], estimate=estimate(steps[0].cell, True, rates, device), encodes=True)
        ordered.append(steps)
    ordered.sort(key=lambda steps: sum(map(_cost, steps)))
    return Plan(tuple(step for steps in ordered for step in steps))


def is_finished(cell: Cell) -> bool:
    """Whether the run of `cell` is complete, with its summary and figure and the grades it asks for; a `UserError` if
    its directory holds another run."""
    directory = cell.config.directory()
    if not (directory / RECORD).exists():
        return False
    record = read_json(directory / RECORD)
    refuse_other_settings(directory, record, cell.config)
    judged = cell.config.judge_model is None or "judge" in record
    files = all((directory / name).exists() for name in (SUMMARY, FIGURE))
    return record.get("status") == "finished" and judged and files


def _cost(step: Step) -> float:
    """Seconds, or a guess that only orders runs where nothing was measured: 1,000 tokens or one answer a second."""
    expected = step.estimate
    return step.cell.questions + expected.tokens / 1000 if expected.seconds is None else expected.seconds
