"""The k best documents of every row, the same on any device and over any number of processes.

A score and its document are packed into one number that sorts by score and, among equals, by the lower document. No two
are equal, so the k largest are one set in one order however they are found, and the best of several lists are the best
of their union.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from msa_bench.switches import has_triton

NONE = -0x7F800001 << 32
"""No document: packed at minus infinity."""

_LOW = 0xFFFFFFFF
_NOTHING = float("-inf")


@dataclass(frozen=True, slots=True)
class Best:
    """Documents of each row, best first: `ids` int64 `[batch, k]`, -1 for none, and `scores` float32 `[batch, k]`."""

    ids: Tensor
    scores: Tensor

    def rows(self) -> list[Tensor]:
        """The ids of each row without the empty places."""
        return [ids[ids >= 0] for ids in self.ids]


def ranked(scores: Tensor, k: int, first: int = 0) -> Tensor:
    """The at most `k` best of `scores` float32 `[batch, documents]`, packed, best first: int64 `[batch, k]`.

    Documents are numbered from `first`, below 2^32 in all.
    """
    blocks = _blocks(scores, k, first)
    if blocks is not None:
        return merged(blocks.flatten(1), k)
    bits = scores.contiguous().view(torch.int32)
    # The bits of a float sort as the float does once those of the negative ones are turned around.
    ordered = torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()
    documents = torch.arange(first, first + scores.shape[1], device=scores.device)
    packed = (ordered << 32) | (_LOW - documents)
    return packed.topk(min(k, scores.shape[1]), dim=1).values


def merged(packed: Tensor, k: int) -> Tensor:
    """The at most `k` best of lists of packed documents set side by side, int64 `[batch, any]`."""
    return packed.topk(min(k, packed.shape[1]), dim=1).values


def unpacked(packed: Tensor) -> Best:
    """The documents and scores of `packed` `[batch, k]`; one at minus infinity is none."""
    ordered = (packed >> 32).int()
    scores = torch.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).view(torch.float32)
    ids = _LOW - (packed & _LOW)
    return Best(torch.where(scores > _NOTHING, ids, -1), scores)


def best_of(lists: Tensor) -> Best:
    """The k best of lists of packed documents, int64 `[batch, lists, k]`, each best first as `ranked` gives them."""
    if lists.is_cuda and has_triton():
        from msa_bench.memory.topk_kernel import MOST, MOST_LISTS, best_of_lists

        if lists.shape[1] <= MOST_LISTS and lists.shape[2] <= MOST:
            return best_of_lists(lists)
    return unpacked(merged(lists.flatten(1), lists.shape[2]))


def best(scores: Tensor, k: int) -> Best:
    """The at most `k` best documents of each row of `scores` float32 `[batch, documents]`."""
    blocks = _blocks(scores, k)
    return unpacked(ranked(scores, k)) if blocks is None else best_of(blocks)


def _blocks(scores: Tensor, k: int, first: int = 0) -> Tensor | None:
    """The best of every block, int64 `[batch, blocks, k]`, where it pays to find them first."""
    if scores.is_cuda and has_triton():
        from msa_bench.memory.topk_kernel import BLOCK, MOST, best_of_blocks

        if k <= MOST and scores.shape[1] > BLOCK:
            return best_of_blocks(scores, k, first)
    return None
