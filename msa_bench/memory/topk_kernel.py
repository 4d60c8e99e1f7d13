"""The best of every block of documents in one Triton kernel, which leaves a few thousand numbers to a general top-k.

A general top-k over millions of 64-bit numbers reads them once for every few bits of the number.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

MOST = 128
"""The largest k: a block's best are found one after another."""

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


def best_of_blocks(scores: Tensor, k: int, first: int = 0) -> Tensor:
    """The `k` best of every block of `scores` float32 `[batch, documents]`, packed as `msa_bench.memory.topk` packs
    them, int64 `[batch, blocks * k]` in no order; less than any packed number where a block has fewer."""
    rows, documents = scores.shape
    blocks = triton.cdiv(documents, BLOCK)
    out = torch.empty(rows, blocks * k, dtype=torch.int64, device=scores.device)
    if rows and blocks:
        _kernel[(blocks, rows)](scores.contiguous(), out, documents, first, blocks, k, BLOCK=BLOCK, num_warps=_WARPS)
    return out
