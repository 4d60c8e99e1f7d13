"""A finished run as read from its directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msa_bench.errors import UserError
from msa_bench.lengths import format_length


@dataclass(frozen=True)
class StoredRun:
    """`run.json` and `summary.json` of one run directory."""

    record: Mapping[str, Any]
    summary: Mapping[str, Any]

    @property
    def title(self) -> str:
        """The task and, where it has one, the length: `niah 16K`."""
        length = self.summary["length_tokens"]
        return str(self.record["task"]) + ("" if length is None else f" {format_length(length)}")

    @property
    def main_score(self) -> str:
        return str(self.summary["main_score"])

    @property
    def subtasks(self) -> Sequence[str | None]:
        """The subtasks in the task's order."""
        return list(self.record["subtasks"])

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The summary's rows in the order the systems were asked for."""
        order = list(self.record["systems"])
        return sorted(self.summary["rows"], key=lambda row: order.index(row["system"]))


def load_run(directory: Path) -> StoredRun:
    """The run stored in `directory`; a `UserError` if it holds none that is finished."""
    try:
        record, summary = (
            json.loads((directory / name).read_text(encoding="utf-8")) for name in ("run.json", "summary.json")
        )
    except FileNotFoundError as error:
        raise UserError(f"{directory} holds no finished run; there is no {Path(error.filename).name} in it.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"The run in {directory} cannot be read; run it again with another --out.") from error
    return StoredRun(record, summary)


def scores_by_subtask(row: Mapping[str, Any], score: str) -> dict[str | None, Mapping[str, Any]]:
    """The intervals of one score by subtask, without the subtasks that do not have it."""
    return {cell["subtask"]: cell["scores"][score] for cell in row["subtasks"] if score in cell["scores"]}


def short_names(subtasks: Sequence[str | None]) -> list[str]:
    """Subtasks without the words all of them begin with: `single_1` for `niah_single_1`."""
    names = [subtask or "all" for subtask in subtasks]
    words = [name.split("_") for name in names]
    while len(words) > 1 and all(len(one) > 1 for one in words) and len({one[0] for one in words}) == 1:
        words = [one[1:] for one in words]
    return ["_".join(one) for one in words]


def hardware(record: Mapping[str, Any]) -> str:
    """The machine in a few words, GPUs first."""
    machine = record["hardware"]
    gpus = [f"{gpu['name']} ({gpu['memory_bytes'] / 2**30:.0f} GiB)" for gpu in machine["gpus"]]
    cpu = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 2**30:.0f} GiB"
    return ", ".join([*gpus, cpu])


def sample_counts(run: StoredRun) -> str:
    """`3 samples per subtask`, or `3-5 samples per subtask` where they differ."""
    counts = {cell["n"] for row in run.rows for cell in row["subtasks"]}
    number = "-".join(str(count) for count in sorted({min(counts), max(counts)}))
    return f"{number} sample{'' if number == '1' else 's'}{' per subtask' if len(run.subtasks) > 1 else ''}"


def interval_methods(run: StoredRun, score: str) -> list[str]:
    """How the intervals of `score` were made, most used first."""
    methods = [one["method"] for one in _intervals(run, score)]
    return sorted(set(methods), key=lambda method: (-methods.count(method), method))


def _intervals(run: StoredRun, score: str) -> Iterator[Mapping[str, Any]]:
    for row in run.rows:
        yield from scores_by_subtask(row, score).values()
        if score in row["overall"]:
            yield row["overall"][score]
