from __future__ import annotations

import pytest
import torch
from torch import Tensor

from msa_bench.model.pooling import chunk_means, chunk_places

LENGTHS = torch.tensor([9, 4, 1, 12, 130])
CPU = torch.device("cpu")


def by_hand(x: Tensor, size: int) -> Tensor:
    real = [document[:, :length] for document, length in zip(x, LENGTHS.tolist(), strict=True)]
    return torch.stack([chunk.mean(1) for document in real for chunk in document.split(size, dim=1)])


@pytest.mark.parametrize("size", [4, 100])
def test_chunks_are_averaged_over_their_own_tokens(size: int) -> None:
    x = torch.randn(5, 3, 130, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(chunk_means(LENGTHS, 130, size, CPU)(x), by_hand(x, size))


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
