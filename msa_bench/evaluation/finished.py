"""A run directory as it is read afterwards: its record and its answers, with the judge's grades where there are any."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msa_bench.errors import UserError
from msa_bench.evaluation.files import JUDGEMENTS, RECORD, SAMPLES, read_object
from msa_bench.evaluation.judge.grades import span_of, with_grades
from msa_bench.evaluation.samples import row_name
from msa_bench.evaluation.store import parse_samples

DOCUMENTS = "documents_fingerprint"
DATA_HASHES = (DOCUMENTS, "questions_sha256")
"""What a record says of a subtask's data; equal hashes mean the same questions over the same documents."""

Line = Mapping[str, Any]


@dataclass(frozen=True)
class Run:
    """A run that was read from `directory`. `rows` holds the lines of every system and variant by the row's name."""

    directory: Path
    record: Mapping[str, Any]
    rows: Mapping[str, Sequence[Line]]

    @property
    def finished(self) -> bool:
        """Whether every answer is there."""
        return bool(self.record["status"] == "finished")

    @property
    def main_score(self) -> str:
        return str(self.record["main_score"])

    @property
    def data(self) -> dict[str | None, Mapping[str, Any]]:
        """What the record says of the data, by subtask."""
        return {entry["subtask"]: entry for entry in self.record["datasets"]}


def read_run(directory: Path) -> Run:
    """The run in `directory`; a `UserError` if there is none, or what is there is no run's."""
    if not directory.is_dir():
        raise UserError(f"There is no directory {directory}; give the directory of a run.")
    record = read_object(directory / RECORD, f"{directory} is not the directory of a run")
    missing = [key for key in ("task", "main_score", "status", "config", "systems", "datasets") if key not in record]
    if missing:
        raise UserError(f"{directory / RECORD} is no record of a run: it lacks {', '.join(missing)}.")
    try:
        lines = _lines(directory / SAMPLES)
    except OSError as error:
        raise UserError(f"{directory} holds no answers: {SAMPLES} cannot be read ({error.strerror}).") from error
    grades = directory / JUDGEMENTS
    rows: dict[str, list[Line]] = {}
    for line in with_grades(lines, _lines(grades) if grades.exists() else []):
        try:
            rows.setdefault(row_name(line["system"], line["variant"]), []).append(line)
        except KeyError as error:
            raise UserError(f"A line of {directory / SAMPLES} has no {error.args[0]}; run it again.") from error
    if not rows:
        raise UserError(f"{directory} holds no answers yet; run it first.")
    return Run(directory, record, rows)


def pair_lines(first: Sequence[Line], second: Sequence[Line]) -> list[tuple[Line, Line]]:
    """The lines of two rows that answer the same question in the same repeat, in the order of the first.

    A question is the same if its id, its text and the answers expected are.
    """
    others = {_asked(line): line for line in second}
    return [(line, others[_asked(line)]) for line in first if _asked(line) in others]


def value_of(line: Line, score: str, run: Path) -> float:
    """A line's `score`; a `UserError` where it is no number or none between 0 and the score's span."""
    value = line["scores"][score]
    where = f"The {score} of {line['sample_id']} by {row_name(line['system'], line['variant'])} in {run}"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{where} is not a number but {'NaN' if value is None else value}; run it again.")
    if not 0 <= value <= span_of(score):
        raise UserError(f"{where} is {value:g}; only scores from 0 to {span_of(score):g} can be compared.")
    return float(value)


def _asked(line: Line) -> tuple[object, ...]:
    return line["sample_id"], line["repeat"], line["question"], tuple(line["gold"])


def _lines(file: Path) -> list[dict[str, Any]]:
    whole = file.read_bytes()
    # A run that is still going may be in the middle of a line.
    return list(parse_samples(whole[: whole.rfind(b"\n") + 1], file))
