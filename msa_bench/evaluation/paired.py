"""Two systems over the same tasks: the ratio of their means, paired by question where their answers were kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msa_bench.evaluation.combined import Estimate, mean_of, ratio_of
from msa_bench.evaluation.files import SAMPLES
from msa_bench.evaluation.finished import DOCUMENTS, Run, pair_lines, read_run, value_of
from msa_bench.evaluation.measured import Point
from msa_bench.evaluation.samples import row_name
from msa_bench.evaluation.statistics import paired_ratio


@dataclass(frozen=True)
class Ratio:
    """A ratio of means over tasks; `samples` are the questions of the task with the fewest, `interval` says how its
    bounds were had, and `differs` names the tasks of which one system was asked more than the other."""

    value: Estimate
    samples: int
    interval: str
    differs: Sequence[str]


@dataclass(frozen=True)
class Paired:
    """`first` and `second` `[answers]` on the questions in `clusters` `[answers]`, entry by entry."""

    first: Sequence[float]
    second: Sequence[float]
    clusters: Sequence[str]


def ratio_of_points(first: Sequence[Point], second: Sequence[Point]) -> Ratio | None:
    """The mean of the `first` points over that of the `second`, both of the same tasks in the same order.

    Paired by question if that can be done for every task, else of independent means, whose interval is wider. None
    where the mean of the second is 0.
    """
    if not any(point.value.mean for point in second):
        return None
    pairs = [paired_scores(one, other) for one, other in zip(first, second, strict=True)]
    known = [pair for pair in pairs if pair is not None]
    if len(known) == len(pairs) and any(any(pair.second) for pair in known):
        found = paired_ratio([(pair.first, pair.second, pair.clusters) for pair in known])
        fewest = min(len(set(pair.clusters)) for pair in known)
        return Ratio(Estimate(found.mean, found.low, found.high), fewest, "the interval is paired by question", [])
    differs = [
        f"{one.task} with {one.samples} questions against {two.samples}"
        for one, two in zip(first, second, strict=True)
        if one.samples != two.samples
    ]
    value = ratio_of(mean_of([one.value for one in first]), mean_of([one.value for one in second]))
    fewest = min(point.samples for point in (*first, *second))
    return Ratio(value, fewest, "the interval is of independent means", differs)


def paired_scores(first: Point, second: Point) -> Paired | None:
    """Both points' scores on the questions that both were asked over the same documents.

    None where the answers of one were not kept, where the documents differ, or where each was asked something that the
    other was not; for then the points are better compared by all that each was asked.
    """
    if first.score != second.score or not (answers_kept(first) and answers_kept(second)):
        return None
    runs = [read_run(Path(point.source)) for point in (first, second)]
    if _documents(runs[0]) != _documents(runs[1]):
        return None
    rows = [
        run.rows.get(row_name(point.system, point.variant), ())
        for run, point in zip(runs, (first, second), strict=True)
    ]
    pairs = pair_lines(*rows)
    scored = [pair for pair in pairs if all(first.score in line["scores"] for line in pair)]
    if not scored or len(pairs) < min(map(len, rows)):
        return None
    ours, theirs = ([value_of(pair[side], first.score, runs[side].directory) for pair in scored] for side in (0, 1))
    return Paired(ours, theirs, [str(one["sample_id"]) for one, _ in scored])


def answers_kept(point: Point) -> bool:
    """Whether the answers that a point is the mean of are there, and not its summary alone."""
    return (Path(point.source) / SAMPLES).exists()


def _documents(run: Run) -> dict[str | None, object]:
    return {subtask: entry[DOCUMENTS] for subtask, entry in run.data.items()}
