"""Run directories as a report takes them: finished or not, however damaged, and never silently less than is there."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msa_bench.errors import UserError
from msa_bench.evaluation.files import JUDGEMENTS, RECORD, SAMPLES, SUMMARY, read_object
from msa_bench.evaluation.judge.grades import with_grades
from msa_bench.lengths import format_length

Line = Mapping[str, Any]

_NEEDED = {"sample_id": str, "system": str, "scores": dict, "question": str, "answer": str}


@dataclass(frozen=True, eq=False)
class Run:
    """One run directory: its record and its samples, the judge's grades among their scores."""

    name: str
    record: Mapping[str, Any]
    lines: Sequence[Line]
    finished: bool

    @property
    def config(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.record["config"]
        return found

    @property
    def task(self) -> str:
        return str(self.record["task"])

    @property
    def length(self) -> int | None:
        """The memory's length in tokens; None where the task has its own."""
        length = self.config.get("length")
        return None if length is None else int(length)

    @property
    def seed(self) -> int:
        return int(self.config.get("seed", 0))

    @property
    def main_score(self) -> str:
        return str(self.record["main_score"])

    def ablations(self, system: str) -> dict[str, str]:
        """The switches that were set in `system`; an older record does not say which system took which."""
        recorded = self.record.get("ablations")
        own = recorded.get(system) if isinstance(recorded, Mapping) else None
        return dict(self.config.get("ablate") or {}) if own is None else dict(own)


def find_runs(directories: Iterable[Path]) -> list[Path]:
    """The run directories at or below `directories`, each once; a `UserError` if there is none."""
    asked = list(directories)
    found: dict[Path, Path] = {}
    for directory in asked:
        if not directory.is_dir():
            raise UserError(f"{directory} is not a directory; give one that holds results of msa-bench run.")
        for name in (RECORD, SAMPLES):
            for file in sorted(directory.rglob(name)):
                found.setdefault(file.parent.resolve(), file.parent)
    if not found:
        places = ", ".join(map(str, asked))
        raise UserError(f"There is no run in {places}; msa-bench run leaves one, a directory with {RECORD} in it.")
    return sorted(found.values())


def read_runs(directories: Sequence[Path]) -> tuple[list[Run], list[str]]:
    """The runs, and a remark for everything in `directories` that is left out or incomplete.

    A `UserError` if nothing is left to report.
    """
    runs: list[Run] = []
    remarks: list[str] = []
    for directory in directories:
        try:
            run = _read(directory, remarks)
        except UserError as error:
            remarks.append(f"Left out: {error}")
            continue
        if not run.lines:
            remarks.append(f"Left out: {run.name} has no sample yet.")
        else:
            runs.append(run)
    runs = _without_copies(runs, remarks)
    if not runs:
        raise UserError(" ".join(["There is no run that can be reported.", *remarks]))
    return runs, remarks


def length_name(length: int | None) -> str:
    """`16K`, or `whole` for a task's own bank."""
    return "whole" if length is None else format_length(length)


def _read(directory: Path, remarks: list[str]) -> Run:
    name = str(directory)
    record = read_object(directory / RECORD, f"{directory} does not say what was run")
    sound = isinstance(record.get("config"), Mapping) and isinstance(record.get("systems"), Mapping)
    if not sound or not {"task", "main_score"} <= record.keys():
        raise UserError(f"{directory / RECORD} is not the record of a benchmark run.")
    lines = _clean(_lines(directory / SAMPLES, remarks), name, remarks)
    if (directory / JUDGEMENTS).exists():
        try:
            lines = with_grades(lines, list(_objects(directory / JUDGEMENTS, remarks)))
        except (KeyError, TypeError) as error:
            raise UserError(f"{directory / JUDGEMENTS} does not hold a judge's grades.") from error
    # A run without a status comes from a version that wrote the summary last.
    finished = record.get("status", "finished") == "finished" and (directory / SUMMARY).exists()
    if not finished:
        remarks.append(f"Unfinished: {name} has {len(lines):,} samples so far; all of them are counted.")
    return Run(name, record, lines, finished)


def _objects(file: Path, remarks: list[str]) -> Iterator[dict[str, Any]]:
    """The objects of a file with one a line; lines that are none are remarked on, a half-written last one is not."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{file} cannot be read ({(error.strerror or 'unknown reason').lower()}).") from error
    lines = data.splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            content = json.loads(line)
        except ValueError:
            content = None
        if isinstance(content, dict):
            yield content
        elif number < len(lines) or data.endswith(b"\n"):
            remarks.append(f"Left out: line {number} of {file} is not a JSON object.")


def _lines(file: Path, remarks: list[str]) -> Iterator[dict[str, Any]]:
    if not file.exists():
        return
    for number, line in enumerate(_objects(file, remarks), start=1):
        if all(isinstance(line.get(key), kind) for key, kind in _NEEDED.items()):
            yield {"variant": None, "subtask": None, "repeat": 0, "depth": None} | line
        else:
            wrong = next(key for key, kind in _NEEDED.items() if not isinstance(line.get(key), kind))
            remarks.append(f"Left out: sample {number} of {file} has no usable {wrong}.")


def _clean(lines: Iterable[Line], name: str, remarks: list[str]) -> list[Line]:
    """The samples without scores that are no numbers; NaN is stored as null."""
    bad: Counter[str] = Counter()
    first: dict[str, str] = {}
    kept = []
    for line in lines:
        wrong = [score for score, value in line["scores"].items() if not _is_number(value)]
        for score in wrong:
            bad[score] += 1
            first.setdefault(score, line["sample_id"])
        if wrong:
            line = {**line, "scores": {key: value for key, value in line["scores"].items() if key not in wrong}}
        kept.append(line)
    for score, count in bad.items():
        remarks.append(
            f"Not a number: {score} of {count} sample{'s' * (count > 1)} of {name}, first {first[score]}; these scores "
            "are in no mean."
        )
    return kept


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _without_copies(runs: Iterable[Run], remarks: list[str]) -> list[Run]:
    """Of a directory and its copy (same settings, same second of starting) the one with more samples."""
    kept: dict[object, Run] = {}
    for run in runs:
        started = run.record.get("started")
        key = (run.record.get("config_sha256"), started) if started else id(run)
        other = kept.get(key)
        if other is not None:
            run, less = (run, other) if len(run.lines) > len(other.lines) else (other, run)
            remarks.append(f"Left out: {less.name} is a copy of {run.name}.")
        kept[key] = run
    return list(kept.values())
