"""The gate: has a run got worse than its reference by more than is tolerated?

The mean paired difference, run minus reference over the same questions, comes with a 95% interval. If all of it lies
below minus the tolerance the run has regressed; if all of it lies above, it passes; otherwise the questions are too few
to tell. The rule knows no fourth case, so a lucky small run is never taken for a good one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from msa_bench.errors import UserError
from msa_bench.evaluation.finished import Run
from msa_bench.evaluation.judge.grades import span_of
from msa_bench.evaluation.reference import read_reference, require_comparable, row_scores
from msa_bench.evaluation.statistics import agresti_min, bounded_difference

Verdict = Literal["pass", "regressed", "inconclusive"]
MOST_SAMPLES = 1_000_000


def judge(low: float, high: float, tolerance: float) -> Verdict:
    """The gate's rule for an interval of the difference, in the unit of the tolerance."""
    if high < -tolerance:
        return "regressed"
    return "pass" if low > -tolerance else "inconclusive"


def samples_to_decide(total: float, squares: float, n: int, tolerance: float) -> int | None:
    """How many samples would decide if they differed as the `n` seen did; None if not even a million would.

    `total` is the sum of the differences and `squares` that of their squares, both in shares of the score's range.
    """

    def decided(samples: int) -> bool:
        grown = samples / n
        return judge(*agresti_min(total * grown, squares * grown, samples), tolerance) != "inconclusive"

    low, high = n, n
    while not decided(high):
        low, high = high, 2 * high
        if high > MOST_SAMPLES:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if decided(middle) else (middle, high)
    return high


def run_gate(
    run: Run, reference_file: Path, tolerance_points: float | None = None, accepted: Collection[str] = ()
) -> dict[str, Any]:
    """The verdict on `run`, as JSON values; a `UserError` where it and the reference are not comparable.

    A point is a hundredth of the score's range. Every system and variant of the reference is judged by itself, and
    the verdict is the worst of them.
    """
    reference = read_reference(reference_file)
    require_comparable(run, reference, reference_file, accepted)
    points = reference["tolerance_points"] if tolerance_points is None else tolerance_points
    require_tolerance(points)
    rows = [
        _row(name, _same_questions(run, name, scores, reference["score"]), scores, reference["score"], points)
        for name, scores in reference["rows"].items()
    ]
    found = {row["verdict"] for row in rows}
    verdict = next(one for one in ("regressed", "inconclusive", "pass") if one in found)
    return {
        "verdict": verdict,
        "run": str(run.directory),
        "reference": str(reference_file),
        "task": reference["task"],
        "score": reference["score"],
        "tolerance_points": points,
        "accepted": sorted(accepted),
        "reference_commit": (reference.get("made", {}).get("git") or {}).get("commit"),
        "run_commit": (run.record.get("git") or {}).get("commit"),
        "rows": rows,
    }


def require_tolerance(points: float) -> None:
    """A `UserError` for a tolerance that no difference could be measured against."""
    if not 0 < points < 100:
        raise UserError(f"A tolerance of {points:g} points is none; it lies between 0 and 100, such as 5.")


def _same_questions(run: Run, name: str, reference: Mapping[str, float], score: str) -> dict[str, float]:
    if name not in run.rows:
        raise UserError(f"{run.directory} has no answers of {name}, which the reference has; run that system too.")
    scores = row_scores(run, name, score)
    missing = sorted(reference.keys() ^ scores.keys())
    if missing:
        raise UserError(
            f"{run.directory} and the reference differ in what {name} was scored on: {missing[0]} has {score} in only "
            "one of them; run the same questions."
        )
    return scores


def _row(
    name: str, ours: Mapping[str, float], reference: Mapping[str, float], score: str, points: float
) -> dict[str, Any]:
    samples, span = sorted(reference), span_of(score)
    pairs = [(ours[sample], reference[sample]) for sample in samples]
    found = bounded_difference([one for one, _ in pairs], [other for _, other in pairs], samples, span)
    verdict = judge(found.low / span, found.high / span, points / 100)
    steps = [(one - other) / span for one, other in pairs]
    more = None
    if verdict == "inconclusive":
        more = samples_to_decide(sum(steps), sum(step * step for step in steps), found.n, points / 100)
    return {
        "name": name,
        "verdict": verdict,
        "reference": sum(reference.values()) / len(samples),
        "run": sum(ours.values()) / len(samples),
        "difference_points": 100 * found.mean / span,
        "low_points": 100 * found.low / span,
        "high_points": 100 * found.high / span,
        "p": found.p,
        "n": found.n,
        "samples_to_decide": more,
        "worse": [sample for sample, (one, other) in zip(samples, pairs, strict=True) if one < other],
        "better": [sample for sample, (one, other) in zip(samples, pairs, strict=True) if one > other],
    }
