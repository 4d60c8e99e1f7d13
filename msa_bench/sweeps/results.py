"""What a sweep found: a row for each system, variant, ablation and seed, a column for each task and length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msa_bench.evaluation import samples
from msa_bench.evaluation.files import SUMMARY
from msa_bench.evaluation.store import read_json
from msa_bench.lengths import format_length
from msa_bench.sweeps.grid import Cell


def results(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """The main score of every row of every run of `cells` that has a summary, as JSON values.

    `mean`, `low` and `high` are of all its subtasks, the interval of 95%; None where the score does not apply.
    """
    rows = []
    for cell in cells:
        file = cell.config.directory() / SUMMARY
        if not file.exists():
            continue
        summary = read_json(file)
        score = summary["main_score"]
        for row in summary["rows"]:
            found = row["overall"].get(score) or {}
            rows.append(
                {
                    "run": cell.name,
                    "column": column(cell),
                    "task": cell.config.task,
                    "length_tokens": cell.config.length,
                    "system": cell.system,
                    "variant": row["variant"],
                    "ablate": dict(cell.config.ablate),
                    "seed": cell.config.seed,
                    "score": score,
                    "n": row["n"],
                    **{key: found.get(key) for key in ("mean", "low", "high")},
                }
            )
    return rows


def column(cell: Cell) -> str:
    """The task, or its one subtask, and the length: `niah 16K`."""
    what = cell.config.subtask[0] if len(cell.config.subtask) == 1 else cell.config.task
    return what if cell.config.length is None else f"{what} {format_length(cell.config.length)}"


def row_name(row: dict[str, Any]) -> str:
    """The system with its variant and ablation: `msa interleave=off`."""
    switches = [f"{key}={value}" for key, value in row["ablate"].items()]
    return " ".join((samples.row_name(row["system"], row["variant"]), *switches))
