import pickle
from itertools import pairwise

import pytest

from tasks.permutation import Permutation


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 10, 99, 100, 101, 4096])
def test_every_number_is_hit_once_and_the_inverse_leads_back(size: int) -> None:
    permutation = Permutation(size, seed=7)
    images = [permutation(index) for index in range(size)]
    assert sorted(images) == list(range(size))
    assert [permutation.inverse(image) for image in images] == list(range(size))


def test_seeds_give_different_orders_and_the_same_seed_the_same() -> None:
    orders = [[Permutation(1000, seed)(index) for index in range(1000)] for seed in (1, 2, 1)]
    assert orders[0] == orders[2]
    assert sum(a == b for a, b in zip(orders[0], orders[1], strict=True)) < 20


def test_neighbours_are_scattered() -> None:
    permutation = Permutation(10_000, seed=3)
    places = [permutation(index) for index in range(10_000)]
    jumps = sorted(abs(a - b) for a, b in pairwise(places))
    assert 2_000 < jumps[len(jumps) // 2] < 4_000  # the median distance of two random places is 0.29 of the range


def test_a_large_range_needs_no_table() -> None:
    permutation = Permutation(10**12, seed=1)
    assert permutation.inverse(permutation(123_456_789_012)) == 123_456_789_012
    assert len(pickle.dumps(permutation)) < 1_000


def test_an_index_outside_the_range_is_refused() -> None:
    for index in (-1, 10):
        with pytest.raises(IndexError):
            Permutation(10, seed=1)(index)
        with pytest.raises(IndexError):
            Permutation(10, seed=1).inverse(index)
