"""Chunk means in one Triton kernel."""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

TOKENS = FEATURES = 64
"""Tokens and features a program reads at once."""


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    x,
    chunks,
    out,
    document_stride,
    head_stride,
    token_stride,
    features,
    TOKENS: tl.constexpr,  # noqa: N803
    FEATURES: tl.constexpr,  # noqa: N803
):
    chunk, count = tl.program_id(0), tl.num_programs(0)
    head, heads = tl.program_id(1), tl.num_programs(1)
    document, first = tl.load(chunks + chunk), tl.load(chunks + count + chunk)
    tokens = tl.load(chunks + 2 * count + chunk)
    feature = tl.program_id(2) * FEATURES + tl.arange(0, FEATURES)
    inside = feature < features
    at = x + document.to(tl.int64) * document_stride + head * head_stride + feature[None, :]
    sums = tl.zeros((FEATURES,), tl.float32)
    for start in range(0, tokens, TOKENS):
        token = start + tl.arange(0, TOKENS)
        real = (token < tokens)[:, None] & inside[None, :]
        values = tl.load(at + (first + token)[:, None] * token_stride, mask=real, other=0.0)
        sums += tl.sum(values.to(tl.float32), axis=0)
    place = out + (chunk.to(tl.int64) * heads + head) * features + feature
    tl.store(place, sums / tokens, mask=inside)


def means(x: Tensor, chunks: Tensor) -> Tensor:
    """Means `[chunks, heads, features]` over the tokens of `x` `[documents, heads, tokens, features]`.

    `chunks` int32 `[3, chunks]` holds the document of each chunk, its first token and its number of tokens.
    """
    if x.stride(3) != 1:
        x = x.contiguous()
    _, heads, _, features = x.shape
    count = chunks.shape[1]
    out = torch.empty(count, heads, features, device=x.device, dtype=x.dtype)
    _kernel[(count, heads, triton.cdiv(features, FEATURES))](
        x, chunks, out, *x.stride()[:3], features, TOKENS=TOKENS, FEATURES=FEATURES
    )
    return out
