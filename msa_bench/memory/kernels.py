"""Routing on a GPU in one Triton kernel: each key is read once for the whole batch of queries.

Chunks stand against the tokens of some rows as in a matrix product, and all that follows happens before anything is
written: scales of 8-bit keys, the maximum over a row's tokens, and the maximum over a document's chunks, which is an
atomic one because a document may reach over two blocks. Rows too many for the registers take a program of their own
each; programs of one block of chunks run side by side, so that its keys come from the cache for all but the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from msa_bench.memory.keys import RoutingKeys, quantised

COLUMNS = 256
"""Tokens, of one row or several, that a program multiplies at once."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """How a program cuts its work: `chunks` by `features` of the keys at a time."""

    chunks: int
    features: int
    warps: int
    stages: int


NARROW, WIDE, WIDE_BYTES, FLOATS = (
    Tiles(64, 128, 4, 4),
    Tiles(128, 64, 8, 3),
    Tiles(128, 128, 8, 3),
    Tiles(64, 32, 4, 2),
)
"""For few columns (bound by memory: much in flight), for many (bound by the matrix units) with keys of 16 and of 8
bits, and for float32; each fits the shared memory of a Hopper. All but the last are the fastest, or as good as it, of
those tried on an H200."""

WIDE_FROM = 128
"""Columns from which the matrix units, not the memory, are the bound."""


@triton.jit  # type: ignore[untyped-decorator]
def _kernel(  # type: ignore[no-untyped-def]
    queries,
    query_scales,
    keys,
    key_scales,
    document,
    out,
    chunks,
    rows,
    documents,
    groups,
    FEATURES: tl.constexpr,  # noqa: N803
    ROWS: tl.constexpr,  # noqa: N803
    TILES: tl.constexpr,  # noqa: N803
    TOKENS: tl.constexpr,  # noqa: N803
    CHUNKS: tl.constexpr,  # noqa: N803
    STEP: tl.constexpr,  # noqa: N803
    SCALED_KEYS: tl.constexpr,  # noqa: N803
    SCALED_QUERIES: tl.constexpr,  # noqa: N803
    PRECISION: tl.constexpr,  # noqa: N803
    SUMS: tl.constexpr,  # noqa: N803
):
    group, block = tl.program_id(0) % groups, tl.program_id(0) // groups
    chunk = block * CHUNKS + tl.arange(0, CHUNKS)
    real = chunk < chunks
    row = group * ROWS + tl.arange(0, ROWS)
    column = tl.arange(0, ROWS * TOKENS)
    # A row's tokens are `TILES * TOKENS` lines of `queries`; rows beyond the last repeat it and are not written.
    line = tl.minimum(group * ROWS + column // TOKENS, rows - 1) * TILES * TOKENS + column % TOKENS
    feature = tl.arange(0, STEP)
    key_at = keys + chunk[:, None].to(tl.int64) * FEATURES + feature[None, :]
    best = tl.full((CHUNKS, ROWS), float("-inf"), tl.float32)
    for tile in range(TILES):
        query_at = queries + (line + tile * TOKENS)[None, :] * FEATURES + feature[:, None]
        sums = tl.zeros((CHUNKS, ROWS * TOKENS), SUMS)
        for start in range(0, FEATURES, STEP):
            if FEATURES % STEP == 0:
                k = tl.load(key_at + start, mask=real[:, None], other=0.0)
                q = tl.load(query_at + start)
            else:
                inside = feature < FEATURES - start
                k = tl.load(key_at + start, mask=real[:, None] & inside[None, :], other=0.0)
                q = tl.load(query_at + start, mask=inside[:, None], other=0.0)
            sums = tl.dot(k.to(q.dtype), q, sums, input_precision=PRECISION, out_dtype=SUMS)
        products = sums.to(tl.float32)
        if SCALED_QUERIES:
            products *= tl.load(query_scales + line + tile * TOKENS)[None, :]
        best = tl.maximum(best, tl.max(tl.reshape(products, (CHUNKS, ROWS, TOKENS)), axis=2))
    if SCALED_KEYS:
        best *= tl.load(key_scales + chunk, mask=real, other=0.0)[:, None]
    owner = tl.load(document + chunk, mask=real, other=0)
    place = out + row[None, :].to(tl.int64) * documents + owner[:, None]
    tl.atomic_max(place, best, mask=real[:, None] & (row < rows)[None, :], sem="relaxed")


@triton.jit  # type: ignore[untyped-decorator]
def _join_kernel(  # type: ignore[no-untyped-def]
    queries,
    places,
    out,
    row_stride,
    head_stride,
    token_stride,
    tokens,
    heads,
    group,
    size,
    GROUP: tl.constexpr,  # noqa: N803
    SIZE: tl.constexpr,  # noqa: N803
    COSINE: tl.constexpr,  # noqa: N803
):
    line, kv_head = tl.program_id(0), tl.program_id(1)
    row, place = line // tokens, tl.load(places + line)
    head, feature = tl.arange(0, GROUP), tl.arange(0, SIZE)
    inside = (head < group)[:, None] & (feature < size)[None, :]
    at = row.to(tl.int64) * row_stride + (kv_head * group + head)[:, None] * head_stride + place * token_stride
    q = tl.load(queries + at + feature[None, :], mask=inside, other=0.0).to(tl.float32)
    if COSINE:
        q /= tl.maximum(tl.sqrt(tl.sum(q * q, axis=1)), 1e-12)[:, None]
    else:
        q /= tl.sqrt(size.to(tl.float32))
    # Rounded as the queries are before their heads are added up elsewhere.
    q = q.to(queries.dtype.element_ty).to(tl.float32)
    found = tl.sum(q, axis=0) / heads
    width = tl.num_programs(1) * size
    tl.store(out + line.to(tl.int64) * width + kv_head * size + feature, found, mask=feature < size)


def joined_queries(queries: Tensor, places: Tensor, kv_heads: int, cosine: bool) -> Tensor:
    """`join_heads` of `scaled_queries` of `msa_bench.memory.routing` at the `places` int64 `[batch, tokens]` of
    `queries` `[batch, heads, any, head_dim]`, in one launch: `[batch, tokens, kv_heads * head_dim]`."""
    batch, heads, _, size = queries.shape
    if queries.stride(3) != 1:
        queries = queries.contiguous()
    tokens = places.shape[1]
    out = torch.empty(batch, tokens, kv_heads * size, device=queries.device, dtype=queries.dtype)
    _join_kernel[(batch * tokens, kv_heads)](
        queries,
        places.contiguous(),
        out,
        *queries.stride()[:3],
        tokens,
        heads,
        heads // kv_heads,
        size,
        GROUP=triton.next_power_of_2(heads // kv_heads),
        SIZE=triton.next_power_of_2(size),
        COSINE=cosine,
        num_warps=1,
    )
    return out


def best_chunk_scores(
    queries: Tensor, keys: RoutingKeys, document: Tensor, documents: int, tiles: Tiles | None = None
) -> Tensor:
    """Scores float32 `[batch, documents]` of joined `queries` `[batch, tokens, features]`: the best token's dot product
    with the best chunk of each document. `document` int64 `[chunks]` is whose each chunk is."""
    rows, tokens, features = queries.shape
    out = torch.full((rows, documents), float("-inf"), device=queries.device)
    if not len(keys):
        return out
    width = min(max(16, triton.next_power_of_2(tokens)), COLUMNS)
    steps = triton.cdiv(tokens, width)
    at_once = min(COLUMNS // width, triton.next_power_of_2(rows))
    lines = _filled(queries, steps * width)
    scales = None
    if keys.values.element_size() == 1:
        # Keys of 8 bits are multiplied as they are: made wider first, they take half as long again.
        lines, scales = quantised(lines, keys.values.dtype)
    chosen = tiles or _tiles(lines, at_once * width >= WIDE_FROM)
    step = min(chosen.features, max(32, triton.next_power_of_2(features)))  # bytes are multiplied 32 at a time
    groups = triton.cdiv(rows, at_once)
    _kernel[(groups * triton.cdiv(len(keys), chosen.chunks),)](
        lines,
        lines if scales is None else scales,
        keys.values,
        keys.values if keys.scales is None else keys.scales,
        document,
        out,
        len(keys),
        rows,
        documents,
        groups,
        FEATURES=features,
        ROWS=at_once,
        TILES=steps,
        TOKENS=width,
        CHUNKS=chosen.chunks,
        STEP=step,
        SCALED_KEYS=keys.scales is not None,
        SCALED_QUERIES=scales is not None,
        PRECISION="ieee" if lines.dtype == torch.float32 else "tf32",
        SUMS=tl.int32 if lines.dtype == torch.int8 else tl.float32,
        num_warps=chosen.warps,
        num_stages=chosen.stages,
    )
    return out


def _tiles(lines: Tensor, wide: bool) -> Tiles:
    if lines.element_size() == 4:
        return FLOATS
    if not wide:
        return NARROW
    return WIDE_BYTES if lines.element_size() == 1 else WIDE


def _filled(queries: Tensor, tokens: int) -> Tensor:
    """`queries` with the first token of each row repeated up to `tokens`, which changes no maximum."""
    missing = tokens - queries.shape[1]
    if missing:
        queries = torch.cat((queries, queries[:, :1].expand(-1, missing, -1)), dim=1)
    return queries.contiguous()
