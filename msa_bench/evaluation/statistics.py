"""Intervals and paired tests for scores, seeded, so that the same scores always give the same numbers.

Resampling draws how often each distinct value occurs (a multinomial) instead of drawing the values one by one. The
distribution is the same, it costs little for scores with few distinct values, and the order of the samples is no
part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
LEVEL = 0.95
SEED = 0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over `n` values with its 95% interval; no bounds where the data give none. `method` says how."""

    mean: float
    low: float | None
    high: float | None
    method: str
    n: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A mean paired difference with its 95% interval and the two-sided p-value of the sign-flip test."""

    mean: float
    low: float
    high: float
    p: float
    n: int


def mean_interval(values: Sequence[float], clusters: Sequence[str], resamples: int = RESAMPLES) -> Interval:
    """The mean of `values` with Wilson's interval if all are 0 or 1 and independent, else a percentile bootstrap.

    Values with the same entry in `clusters` answer the same question and are resampled together.
    """
    scores, repeated = np.asarray(values, float), len(set(clusters)) < len(clusters)
    mean, n = float(np.mean(np.sort(scores))), len(scores)
    if np.isin(scores, (0.0, 1.0)).all() and not repeated:
        return Interval(mean, *wilson(int(scores.sum()), n), "Wilson", n)
    totals = _totals(scores, clusters)
    if len(_kinds(totals)[0]) < 2:
        # Resampling what is all alike would claim certainty, and fractions have no Wilson interval to fall back on.
        return Interval(mean, None, None, "none (no variation)", n)
    low, high = _percentiles(_resampled_means(totals, len(totals), resamples, np.random.default_rng(SEED)))
    return Interval(mean, low, high, "bootstrap by question" if repeated else "bootstrap", n)


def stratified_interval(
    strata: Sequence[tuple[Sequence[float], Sequence[str]]], resamples: int = RESAMPLES
) -> Interval:
    """The mean of the strata's means, each stratum given as values and clusters, with a bootstrap within the strata.

    A stratum of n questions is resampled by n - 1 draws, which makes the variance unbiased for the handful of samples
    a quick run has (McCarthy and Snowden 1985). Where no stratum varies the bootstrap would claim certainty; strata of
    equal size then fall back on the interval of the pooled values, which is the wider one.
    """
    if len(strata) == 1:
        return mean_interval(*strata[0], resamples)
    totals = [_totals(np.asarray(values, float), clusters) for values, clusters in strata]
    mean = float(np.mean([total[:, 0].sum() / total[:, 1].sum() for total in totals]))
    n = sum(len(values) for values, _ in strata)
    if all(len(_kinds(total)[0]) == 1 for total in totals):
        if len({len(values) for values, _ in strata}) > 1:
            return Interval(mean, None, None, "none (no variation)", n)
        pooled = mean_interval(
            [value for values, _ in strata for value in values],
            [f"{place}/{cluster}" for place, (_, clusters) in enumerate(strata) for cluster in clusters],
            resamples,
        )
        return Interval(mean, pooled.low, pooled.high, f"{pooled.method} over all samples", n)
    random = np.random.default_rng(SEED)
    means = [_resampled_means(total, max(len(total) - 1, 1), resamples, random) for total in totals]
    return Interval(mean, *_percentiles(np.mean(means, axis=0)), "bootstrap stratified by subtask", n)


def paired_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[str], resamples: int = RESAMPLES
) -> Difference:
    """How much larger `first` is than `second` on the same samples, resampled and sign-flipped by question.

    The p-value is (c + 1) / (B + 1) for c of B sign flips at least as extreme as what was seen, so it is never 0
    (Phipson and Smyth 2010).
    """
    differences = np.asarray(first, float) - np.asarray(second, float)
    totals = _totals(differences, clusters)
    random = np.random.default_rng(SEED)
    low, high = _percentiles(_resampled_means(totals, len(totals), resamples, random))
    sizes, counts = np.unique(np.abs(totals[:, 0]), return_counts=True)
    flipped = (2 * random.binomial(counts, 0.5, size=(resamples, len(counts))) - counts) @ sizes
    extreme = int((np.abs(flipped) >= abs(totals[:, 0].sum()) - 1e-9).sum())
    return Difference(float(np.mean(np.sort(differences))), low, high, (extreme + 1) / (resamples + 1), len(totals))


def bounded_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[str], span: float = 1.0
) -> Difference:
    """`paired_difference` of scores from 0 to `span`, with an interval that stays honest for a handful of samples.

    Agresti and Min (2005) add half a pair to each of the four ways in which two systems can be right or wrong before
    they take Wald's interval. Written with sums of d and d squared it holds for shares as well as for 0 and 1. Where no
    answer differs, five samples give 28 points either way and forty give 5; the bootstrap would claim certainty.
    """
    tested = paired_difference(first, second, clusters)
    differences = question_means(np.asarray(first, float) - np.asarray(second, float), clusters) / span
    low, high = agresti_min(float(differences.sum()), float((differences**2).sum()), len(differences))
    return Difference(tested.mean, low * span, high * span, tested.p, tested.n)


def agresti_min(total: float, squares: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The interval of a mean paired difference from the sum of `n` differences in -1 to 1 and that of their squares."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    # One pair more than was seen differs, half of it either way, and one agrees.
    shrunk = total / (n + 2)
    reach = z * sqrt(max(squares + 1 - total * total / (n + 2), 0.0)) / (n + 2)
    return max(-1.0, shrunk - reach), min(1.0, shrunk + reach)


def question_means(values: Floats, clusters: Sequence[str]) -> Floats:
    """The mean of each cluster, in the order of the clusters' names, `[clusters]`."""
    totals = _totals(values, clusters)
    means: Floats = totals[:, 0] / totals[:, 1]
    return means


def paired_ratio(
    strata: Sequence[tuple[Sequence[float], Sequence[float], Sequence[str]]], resamples: int = RESAMPLES
) -> Interval:
    """The mean of the strata's first means over that of their second ones; a stratum is (first, second, clusters).

    Both scores of a stratum are of the same questions, and the bootstrap resamples questions with both. No interval
    where a resample has a second mean of 0, for then the ratio has no bound; a `ValueError` where the second scores are
    all 0, for then there is no ratio.
    """
    random = np.random.default_rng(SEED)
    sums, resampled, n, varies = np.zeros(2), np.zeros((resamples, 2)), 0, False
    for first, second, clusters in strata:
        pairs = np.stack([question_means(np.asarray(values, float), clusters) for values in (first, second)], axis=1)
        kinds, counts = _kinds(pairs)
        sums += pairs.mean(axis=0)
        resampled += random.multinomial(len(pairs), counts / len(pairs), size=resamples) @ kinds / len(pairs)
        n, varies = n + len(pairs), varies or len(kinds) > 1
    if not sums[1] > 0:
        raise ValueError("a ratio needs a second score above 0")
    ratio = float(sums[0] / sums[1])
    if not varies or not (resampled[:, 1] > 0).all():
        return Interval(ratio, None, None, "none (ratio unbounded)" if varies else "none (no variation)", n)
    return Interval(ratio, *_percentiles(resampled[:, 0] / resampled[:, 1]), "bootstrap of the ratio by question", n)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values adjusted for being read together, in the order given (Holm 1979)."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def wilson(successes: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval of a proportion (1927), without continuity correction; of none or all it ends there."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    reach = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = (centre - reach) / scale if successes > 0 else 0.0
    high = (centre + reach) / scale if successes < n else 1.0
    return low, high


def _totals(values: Floats, clusters: Sequence[str]) -> Floats:
    """Sum and size of each cluster, `[clusters, 2]`, in an order that the order of the samples does not change."""
    names, place = np.unique(np.asarray(clusters), return_inverse=True)
    order = np.lexsort((values, place))
    sums = np.bincount(place[order], weights=values[order], minlength=len(names))
    return np.stack([sums, np.bincount(place, minlength=len(names)).astype(float)], axis=1)


def _kinds(totals: Floats) -> tuple[Floats, NDArray[np.intp]]:
    """The distinct rows of `totals`, sorted, and how often each occurs."""
    return np.unique(totals, axis=0, return_counts=True)


def _resampled_means(totals: Floats, draws: int, resamples: int, random: np.random.Generator) -> Floats:
    """Means of `draws` clusters taken with replacement, `[resamples]`."""
    kinds, counts = _kinds(totals)
    picks = random.multinomial(draws, counts / counts.sum(), size=resamples)
    means: Floats = (picks @ kinds[:, 0]) / (picks @ kinds[:, 1])
    return means


def _percentiles(means: Floats) -> tuple[float, float]:
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
