from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from msa_bench.memory.topk import best, merged, ranked, unpacked

SCORES = st.lists(
    st.sampled_from([float("-inf"), -3.5, -(2.0**-100), 0.0, 2.0**-100, 0.25, 7.0]), min_size=1, max_size=30
)


def by_hand(scores: list[float], k: int) -> list[int]:
    real = [number for number, score in enumerate(scores) if score > float("-inf")]
    return sorted(real, key=lambda number: (-scores[number], number))[:k]


@given(SCORES, st.integers(1, 40))
def test_the_best_come_first_and_the_lower_of_equals(scores: list[float], k: int) -> None:
    found = best(torch.tensor([scores]), k)
    assert found.rows()[0].tolist() == by_hand(scores, k)
    real = found.ids[0] >= 0
    assert found.scores[0, real].tolist() == [scores[number] for number in found.ids[0, real].tolist()]


@given(SCORES, st.integers(1, 8), st.integers(0, 30))
def test_the_best_of_parts_are_the_best_of_the_whole(scores: list[float], k: int, cut: int) -> None:
    whole, cut = torch.tensor([scores]), min(cut, len(scores))
    parts = [ranked(whole[:, :cut], k), ranked(whole[:, cut:], k, first=cut)]
    assert unpacked(merged(torch.cat(parts, dim=1), k)).rows()[0].tolist() == by_hand(scores, k)


def test_ids_up_to_the_largest_are_kept() -> None:
    first = 2**32 - 2
    assert unpacked(ranked(torch.tensor([[1.0, 2.0]]), 2, first)).ids.tolist() == [[first + 1, first]]
