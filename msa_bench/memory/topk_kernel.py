"""The k best documents in two Triton kernels: the best of every block, best first, and then the merging of these lists.

A general top-k over millions of 64-bit numbers reads them once for every few bits of the number, and one over the few
thousand that the blocks leave is a dozen small launches until documents and scores are unpacked.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from msa_bench.memory.topk import Best

MOST = 128
"""The largest k: the best are found one after another, of a block and of all."""

MOST_LISTS = 4096
"""The most lists merged: one program holds what is next in each."""

BLOCK = 4096
_WARPS = 8

_LESS_THAN_ANY = tl.constexpr(-(1 << 63))


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(scores, out, documents, first, blocks, k, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    block, row = tl.program_id(0), tl.program_id(1).to(tl.int64)
    place = block * BLOCK + tl.arange(0, BLOCK)
    real = place < documents
    bits = tl.load(scores + row * documents + place, mask=real, other=0.0).to(tl.int32, bitcast=True)
    ordered = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(tl.int64)
    packed = (ordered << 32) | (0xFFFFFFFF - (first + place.to(tl.int64)))
    packed = tl.where(real, packed, _LESS_THAN_ANY)
    at = out + (row * blocks + block) * k
    for found in range(k):
        best = tl.max(packed, axis=0)
        tl.store(at + found, best)
        packed = tl.where(packed == best, _LESS_THAN_ANY, packed)


@triton.jit  # type: ignore[untyped-decorator]
def _merge_kernel(packed, ids, scores, lists, k, LISTS: tl.constexpr):  # type: ignore[no-untyped-def]  # noqa: N803
    row = tl.program_id(0).to(tl.int64)
    number = tl.arange(0, LISTS)
    at = packed + row * lists * k
    place = number * k
    heads = tl.load(at + place, mask=number < lists, other=_LESS_THAN_ANY)
    for found in range(k):
        best = tl.max(heads, axis=0)
        ordered = (best >> 32).to(tl.int32)
        score = tl.where(ordered < 0, ordered ^ 0x7FFFFFFF, ordered).to(tl.float32, bitcast=True)
        document = 0xFFFFFFFF - (best & 0xFFFFFFFF)
        tl.store(ids + row * k + found, tl.where(score > float("-inf"), document, -1))
        tl.store(scores + row * k + found, score)
        # A list moves by one at most each time, so none ends before the last. Only those of which nothing real is left
        # ever move together.
        taken = (heads == best) & (number < lists)
        place += taken.to(tl.int32)
        heads = tl.load(at + place, mask=taken & (found + 1 < k), other=heads)


def best_of_blocks(scores: Tensor, k: int, first: int = 0) -> Tensor:
    """The `k` best of every block of `scores` float32 `[batch, documents]`, packed as `msa_bench.memory.topk` packs
    them, int64 `[batch, blocks, k]`, best first; less than any packed number where a block has fewer."""
    rows, documents = scores.shape
    blocks = triton.cdiv(documents, BLOCK)
    out = torch.empty(rows, blocks, k, dtype=torch.int64, device=scores.device)
    if rows and blocks:
        _kernel[(blocks, rows)](scores.contiguous(), out, documents, first, blocks, k, BLOCK=BLOCK, num_warps=_WARPS)
    return out


def best_of_lists(packed: Tensor) -> Best:
    """The k best of at most `MOST_LISTS` lists of packed documents, int64 `[batch, lists, k]`, each best first."""
    rows, lists, k = packed.shape
    ids = torch.empty(rows, k, dtype=torch.int64, device=packed.device)
    scores = torch.empty(rows, k, dtype=torch.float32, device=packed.device)
    if rows:
        width = triton.next_power_of_2(lists)
        # Up to 256 lists need one warp, which waits for no other.
        warps = min(max(width // 256, 1), 8)
        _merge_kernel[(rows,)](packed.contiguous(), ids, scores, lists, k, LISTS=width, num_warps=warps)
    return Best(ids, scores)
