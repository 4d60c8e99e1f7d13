from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from msa_bench.evaluation.statistics import (
    agresti_min,
    bounded_difference,
    holm,
    mean_interval,
    paired_difference,
    paired_ratio,
    stratified_interval,
    wilson,
)


def ids(values: Sequence[float]) -> list[str]:
    return [str(place) for place in range(len(values))]


@pytest.mark.parametrize(("successes", "n"), [(0, 3), (3, 3), (1, 3), (17, 40), (499, 500)])
def test_wilson_agrees_with_scipy(successes: int, n: int) -> None:
    expected = stats.binomtest(successes, n).proportion_ci(method="wilson")
    assert wilson(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize("n", [1, 50, 400])
def test_wilsons_interval_of_none_or_all_ends_there(n: int) -> None:
    assert wilson(0, n)[0] == 0.0
    assert wilson(n, n)[1] == 1.0  # unrounded: 400 of 400 had 0.9999999999999998, below its own mean


def test_binary_scores_get_wilson_and_fractions_a_bootstrap() -> None:
    assert mean_interval([0, 1, 1], ids([0, 1, 1])).method == "Wilson"
    assert mean_interval([0, 0.5, 1], ids([0, 1, 1])).method == "bootstrap"


def test_the_bootstrap_agrees_with_scipy() -> None:
    values = np.random.default_rng(1).beta(2, 3, 60)
    ours = mean_interval(values.tolist(), ids(values.tolist()))
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.004)


def test_the_order_of_the_samples_changes_nothing() -> None:
    random = np.random.default_rng(3)
    values, questions = random.random(40), [f"q{place % 13}" for place in range(40)]
    order = random.permutation(40)
    shuffled = mean_interval(values[order].tolist(), [questions[place] for place in order])
    assert shuffled == mean_interval(values.tolist(), questions)


def test_repeats_of_a_question_are_resampled_together() -> None:
    values = np.random.default_rng(4).integers(0, 2, 30).astype(float).tolist()
    once = mean_interval([*values, 0.5], ids([*values, 0.5]))
    fourfold = mean_interval([*values, 0.5] * 4, ids([*values, 0.5]) * 4)
    assert fourfold.method == "bootstrap by question"
    assert (fourfold.low, fourfold.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize("n", [1, 4])
def test_fractions_that_are_all_alike_have_no_interval(n: int) -> None:
    alike = mean_interval([0.25] * n, ids([0.25] * n))
    assert (alike.mean, alike.low, alike.high) == (0.25, None, None)


def test_the_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    random, hits = np.random.default_rng(5), 0
    for _ in range(300):
        values = random.beta(2, 2, 40).tolist()
        interval = mean_interval(values, ids(values), resamples=400)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= 0.5 <= interval.high
    assert 0.90 <= hits / 300 <= 0.98


def test_the_stratified_bootstrap_has_the_textbook_variance() -> None:
    random = np.random.default_rng(6)
    strata = [random.normal(place, 1 + place, 5) for place in range(4)]
    interval = stratified_interval([(values.tolist(), ids(values.tolist())) for values in strata])
    error = np.sqrt(sum(values.var(ddof=1) / 5 for values in strata)) / 4
    assert interval.mean == pytest.approx(np.mean([values.mean() for values in strata]))
    assert interval.low is not None
    assert interval.high is not None
    assert (interval.high - interval.low) / 2 == pytest.approx(1.96 * error, rel=0.05)


def test_strata_without_variation_do_not_claim_certainty() -> None:
    interval = stratified_interval([([1.0] * 3, ids([1.0] * 3))] * 8)
    assert (interval.low, interval.high) == pytest.approx(wilson(24, 24))
    assert interval.method == "Wilson over all samples"


def test_the_sign_flip_test_agrees_with_scipy() -> None:
    random = np.random.default_rng(7)
    first, second = random.random(12) + 0.15, random.random(12)
    ours = paired_difference(first.tolist(), second.tolist(), ids(first.tolist()), resamples=20_000)
    theirs = stats.permutation_test((first - second,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert ours.p == pytest.approx(theirs.pvalue, abs=0.01)
    assert ours.mean == pytest.approx(float(np.mean(first - second)))


def test_the_sign_flip_test_agrees_with_the_closed_form() -> None:
    # Of the 2^6 signs of six equal differences two are as extreme as all alike.
    assert paired_difference([1.0] * 6, [0.0] * 6, ids([1.0] * 6)).p == pytest.approx(2 / 64, abs=0.006)


def test_equal_systems_have_p_one_and_no_p_is_zero() -> None:
    assert paired_difference([0.5] * 9, [0.5] * 9, ids([0.5] * 9)).p == 1
    assert paired_difference([1.0] * 99, [0.0] * 99, ids([1.0] * 99), resamples=999).p == 1 / 1000


def test_the_paired_interval_covers_the_true_difference_about_as_often_as_it_says() -> None:
    random, hits, rejected = np.random.default_rng(8), 0, 0
    for _ in range(300):
        hardness = random.random(40)
        first = np.clip(hardness + random.normal(0.1, 0.2, 40), -1, 2)
        second = np.clip(hardness + random.normal(0.0, 0.2, 40), -1, 2)
        difference = paired_difference(first.tolist(), second.tolist(), ids(first.tolist()), resamples=400)
        hits += difference.low <= 0.1 <= difference.high
        same = np.clip(hardness + random.normal(0.0, 0.2, 40), -1, 2)
        rejected += paired_difference(same.tolist(), second.tolist(), ids(same.tolist()), resamples=400).p <= 0.05
    assert 0.89 <= hits / 300 <= 0.98
    assert 0.02 <= rejected / 300 <= 0.09


def test_wilsons_interval_covers_the_true_share_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(9)
    covered = [low <= 0.3 <= high for low, high in (wilson(int(k), 30) for k in random.binomial(30, 0.3, 2000))]
    assert 0.93 <= np.mean(covered) <= 0.98


def test_the_clustered_bootstrap_covers_where_one_that_ignores_repeats_does_not() -> None:
    random, clustered, naive = np.random.default_rng(10), 0, 0
    for _ in range(200):
        values = np.repeat(random.beta(2, 2, 30), 5).tolist()
        questions = [f"q{place // 5}" for place in range(150)]
        for names, together in ((questions, True), (ids(values), False)):
            interval = mean_interval(values, names, resamples=400)
            assert interval.low is not None
            assert interval.high is not None
            hit = interval.low <= 0.5 <= interval.high
            clustered, naive = clustered + (hit and together), naive + (hit and not together)
    assert 0.89 <= clustered / 200 <= 0.99
    assert naive / 200 < 0.75


def test_holm_agrees_with_a_worked_example_and_with_the_step_down_definition() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    random = np.random.default_rng(11)
    for _ in range(50):
        p = random.random(6)
        rejected, level = set(), random.random()
        for rank, place in enumerate(np.argsort(p)):
            if p[place] > level / (6 - rank):
                break
            rejected.add(int(place))
        assert {place for place, adjusted in enumerate(holm(p.tolist())) if adjusted <= level} == rejected


def test_holm_keeps_the_chance_of_any_false_alarm() -> None:
    random = np.random.default_rng(12)
    alarms = [min(holm(random.random(5).tolist())) <= 0.05 for _ in range(4000)]
    assert 0.035 <= np.mean(alarms) <= 0.06


def test_a_paired_ratio_agrees_with_scipys_bootstrap_of_the_ratio() -> None:
    random = np.random.default_rng(13)
    short = random.beta(4, 2, 60)
    long = short * random.uniform(0.7, 1.1, 60)
    ours = paired_ratio([(long.tolist(), short.tolist(), ids(long.tolist()))])
    theirs = stats.bootstrap(
        (long, short), lambda a, b: a.mean() / b.mean(), paired=True, vectorized=False, n_resamples=4000,
        method="percentile", rng=np.random.default_rng(14),
    ).confidence_interval  # fmt: skip
    assert ours.mean == pytest.approx(long.mean() / short.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.005)


def test_a_paired_ratio_covers_the_true_one_about_as_often_as_it_says() -> None:
    random, hits = np.random.default_rng(15), 0
    for _ in range(300):
        ability = random.beta(3, 2, 60)
        short, long = (random.binomial(1, share * ability).astype(float) for share in (1.0, 0.8))
        interval = paired_ratio([(long.tolist(), short.tolist(), ids(long.tolist()))], resamples=400)
        assert interval.low is not None
        assert interval.high is not None
        hits += interval.low <= 0.8 <= interval.high
    assert 0.90 <= hits / 300 <= 0.98


def test_a_paired_ratio_over_strata_is_of_the_means_of_their_means() -> None:
    random = np.random.default_rng(16)
    strata = [(random.beta(2, 3, n), random.beta(4, 2, n)) for n in (30, 90)]
    ours = paired_ratio([(first.tolist(), second.tolist(), ids(first.tolist())) for first, second in strata])
    means = [
        sum(pair[:, places].mean(axis=1) for pair, places in zip(map(np.array, strata), picks, strict=True))
        for picks in ([random.integers(0, len(first), len(first)) for first, _ in strata] for _ in range(4000))
    ]
    low, high = np.quantile([first / second for first, second in means], [0.025, 0.975])
    assert ours.mean == pytest.approx(sum(a.mean() for a, _ in strata) / sum(b.mean() for _, b in strata))
    assert (ours.low, ours.high) == pytest.approx((low, high), abs=0.01)
    assert ours.n == 120


def test_a_ratio_over_nothing_or_without_bounds_is_said() -> None:
    with pytest.raises(ValueError, match="above 0"):
        paired_ratio([([0.0, 1.0], [0.0, 0.0], ["a", "b"])])
    assert paired_ratio([([0.0, 1.0], [0.0, 1.0], ["a", "b"])]).method == "none (ratio unbounded)"
    assert paired_ratio([([0.5] * 3, [1.0] * 3, ["a", "b", "c"])]).low is None


def test_a_bounded_difference_stays_honest_where_nothing_or_everything_differs() -> None:
    for n, reach in ((5, 1.96 / 7), (40, 1.96 / 42)):
        same = bounded_difference([1.0] * n, [1.0] * n, ids(range(n)))
        assert (same.mean, same.low, same.high) == pytest.approx((0.0, -reach, reach), abs=1e-4)
    all_lost = bounded_difference([0.0] * 5, [1.0] * 5, ids(range(5)))
    assert (all_lost.mean, all_lost.low) == (-1.0, -1.0)
    assert all_lost.high == pytest.approx(-5 / 7 + 1.96 * np.sqrt(6 - 25 / 7) / 7, abs=1e-4)


def test_a_bounded_difference_is_in_the_unit_of_its_scores() -> None:
    shares = bounded_difference([0.2, 0.8, 1.0], [0.4, 0.4, 1.0], ids(range(3)))
    grades = bounded_difference([1.0, 4.0, 5.0], [2.0, 2.0, 5.0], ids(range(3)), span=5.0)
    assert [grades.mean, grades.low, grades.high] == pytest.approx([5 * shares.mean, 5 * shares.low, 5 * shares.high])


def test_bounded_intervals_cover_the_true_difference_about_as_often_as_they_say() -> None:
    random, hits = np.random.default_rng(7), 0
    for _ in range(2000):
        drawn = random.choice([-1.0, 0.0, 1.0], size=20, p=[0.15, 0.8, 0.05])
        low, high = agresti_min(float(drawn.sum()), float((drawn**2).sum()), 20)
        hits += low <= -0.1 <= high
    assert 0.93 <= hits / 2000 <= 0.99
