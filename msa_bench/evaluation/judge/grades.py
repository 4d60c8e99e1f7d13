"""The judge's grades of answers, and when they make a score."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from msa_bench.evaluation.samples import sample_key

SCORE = "judge"
MOST_MISSING = 0.02
"""Above this share of missing grades a run has no judge score: what is missing may not be like the rest."""

HIGHEST = 5.0
"""The best grade; the worst is 0."""

Line = Mapping[str, Any]


def span_of(score: str) -> float:
    """The highest value of any `score`, a judge's or another; the lowest is 0."""
    return HIGHEST if score == SCORE else 1.0


def with_grades(lines: Iterable[Line], entries: Iterable[Line]) -> list[Line]:
    """`lines` with the score `judge`, 0 to 5, where there is a grade: the mean of an answer's grades.

    None of them gets one if more than 2% of the answers have no grade.
    """
    means = {sample_key(entry): mean_grade(entry["grades"]) for entry in entries}
    if not means or missing_share(means.values()) > MOST_MISSING:
        return list(lines)
    return [
        line if (mean := means.get(sample_key(line))) is None else {**line, "scores": {**line["scores"], SCORE: mean}}
        for line in lines
    ]


def known_grades(grades: Iterable[int | None]) -> list[int]:
    """The grades without those that the judge did not give."""
    return [grade for grade in grades if grade is not None]


def mean_grade(grades: Iterable[int | None]) -> float | None:
    """The mean of the grades that are known; None if none is."""
    known = known_grades(grades)
    return fmean(known) if known else None


def missing_share(means: Iterable[float | None]) -> float:
    """The share of answers without a grade."""
    return fmean(mean is None for mean in means)
