from __future__ import annotations

import pytest
import torch
from torch import Tensor

from msa_bench.model.pooling import chunk_means, chunk_places, part_places

LENGTHS = torch.tensor([9, 4, 1, 12, 130])
CPU = torch.device("cpu")


def by_hand(x: Tensor, size: int) -> Tensor:
    real = [document[:, :length] for document, length in zip(x, LENGTHS.tolist(), strict=True)]
    return torch.stack([chunk.mean(1) for document in real for chunk in document.split(size, dim=1)])


@pytest.mark.parametrize("size", [4, 100])
def test_chunks_are_averaged_over_their_own_tokens(size: int) -> None:
    x = torch.randn(5, 3, 130, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(chunk_means(LENGTHS, 130, size, CPU)(x), by_hand(x, size))


def test_the_parts_of_a_chunk_repeat_its_last_where_it_is_short() -> None:
    # With a mean for every 2 tokens the documents have 5, 2, 1, 6 and 65 of them, and in chunks of 4 two each.
    assert part_places(LENGTHS, 2, 2)[:14].tolist() == [0, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9, 10, 11]
    assert part_places(LENGTHS, 4, 1).tolist() == list(range(3 + 1 + 1 + 3 + 33))
    assert part_places(torch.tensor([9, 1]), 2, 8).tolist() == [0, 1, 2, 3, 4, 4, 4, 4, *[5] * 8]


@pytest.mark.parametrize("size", [4, 64, 100])
@pytest.mark.parametrize("features", [8, 100])
def test_the_kernel_gives_the_same_means(size: int, features: int) -> None:
    pytest.importorskip("triton")
    from msa_bench.model.pooling_kernel import means

    x = torch.randn(5, 130, 3, features, generator=torch.Generator().manual_seed(1))
    x[torch.arange(130) >= LENGTHS[:, None]] = float("nan")  # a GPU's padding is whatever the layers made of it
    heads_first = x.transpose(1, 2)
    for laid_out in (heads_first, heads_first.contiguous()):
        torch.testing.assert_close(means(laid_out, chunk_places(LENGTHS, size)), by_hand(heads_first, size))
