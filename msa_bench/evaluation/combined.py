"""Intervals of what is made from independent means, by recovery from their own intervals (MOVER).

Zou and Donner (2008) for sums and differences, Donner and Zou (2012) for ratios. They need no more than each run's mean
and interval, so means over tasks and ratios of them can be had from summaries. Where two runs answered the same
questions and their answers are there, `paired` has the narrower interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval; no bounds where there is none."""

    mean: float
    low: float | None = None
    high: float | None = None


def mean_of(parts: Sequence[Estimate]) -> Estimate:
    """The mean of independent means."""
    mean, below, above = sum(part.mean for part in parts) / len(parts), 0.0, 0.0
    for part in parts:
        if part.low is None or part.high is None:
            return Estimate(mean)
        below += (part.mean - part.low) ** 2
        above += (part.high - part.mean) ** 2
    return Estimate(mean, mean - sqrt(below) / len(parts), mean + sqrt(above) / len(parts))


def difference_of(first: Estimate, second: Estimate) -> Estimate:
    """`first` minus `second`."""
    mean = first.mean - second.mean
    if first.low is None or first.high is None or second.low is None or second.high is None:
        return Estimate(mean)
    below = sqrt((first.mean - first.low) ** 2 + (second.high - second.mean) ** 2)
    above = sqrt((first.high - first.mean) ** 2 + (second.mean - second.low) ** 2)
    return Estimate(mean, mean - below, mean + above)


def ratio_of(first: Estimate, second: Estimate) -> Estimate:
    """`first` over `second`, both of them not negative; no bounds where the second may be 0."""
    a, b = first.mean, second.mean
    if first.low is None or first.high is None or second.low is None or second.high is None or second.low <= 0:
        return Estimate(a / b)
    product = a * b
    low = product - sqrt(max(product**2 - first.low * second.high * (2 * a - first.low) * (2 * b - second.high), 0.0))
    high = product + sqrt(max(product**2 - first.high * second.low * (2 * a - first.high) * (2 * b - second.low), 0.0))
    return Estimate(a / b, low / (second.high * (2 * b - second.high)), high / (second.low * (2 * b - second.low)))


def gain_of(ratio: Estimate) -> Estimate:
    """By which share the first of a ratio is above the second: the ratio less 1."""
    if ratio.low is None or ratio.high is None:
        return Estimate(ratio.mean - 1)
    return Estimate(ratio.mean - 1, ratio.low - 1, ratio.high - 1)


def loss_of(ratio: Estimate) -> Estimate:
    """Which share of the second of a ratio is lost in the first: 1 less the ratio."""
    gain = gain_of(ratio)
    if gain.low is None or gain.high is None:
        return Estimate(-gain.mean)
    return Estimate(-gain.mean, -gain.high, -gain.low)
