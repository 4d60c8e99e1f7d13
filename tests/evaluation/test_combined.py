from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from msa_bench.evaluation.combined import Estimate, difference_of, gain_of, loss_of, mean_of, ratio_of

A, B = Estimate(0.8, 0.7, 0.85), Estimate(0.5, 0.45, 0.6)


def test_a_difference_adds_the_reaches_that_work_together() -> None:
    found = difference_of(A, B)
    assert (found.low, found.high) == pytest.approx((0.3 - sqrt(0.1**2 + 0.1**2), 0.3 + sqrt(0.05**2 + 0.05**2)))


def test_the_mean_of_means_is_narrower_than_each() -> None:
    found = mean_of([A, A, A, A])
    assert (found.mean, found.low, found.high) == pytest.approx((0.8, 0.75, 0.825))


def test_a_ratio_covers_what_simulation_covers() -> None:
    random, draws = np.random.default_rng(0), 200_000
    a, b = random.normal(0.8, 0.02, draws), random.normal(0.5, 0.02, draws)
    low, high = np.quantile(a / b, [0.025, 0.975])
    found = ratio_of(Estimate(0.8, 0.8 - 0.0392, 0.8 + 0.0392), Estimate(0.5, 0.5 - 0.0392, 0.5 + 0.0392))
    assert (found.low, found.high) == pytest.approx((low, high), rel=0.01)


def test_a_gain_and_a_loss_are_the_ratio_seen_from_either_side() -> None:
    gain, loss = gain_of(ratio_of(A, B)), loss_of(ratio_of(B, A))
    assert (gain.mean, loss.mean) == pytest.approx((0.6, 0.375))
    assert gain.low is not None
    assert loss.low is not None
    assert loss.high is not None
    assert 0 < gain.low < 0.6
    assert loss.low < 0.375 < loss.high


def test_what_has_no_interval_gives_none() -> None:
    bare = Estimate(0.5)
    for found in (difference_of(A, bare), ratio_of(A, bare), mean_of([A, bare]), ratio_of(A, Estimate(0.1, 0.0, 0.2))):
        assert (found.low, found.high) == (None, None)
