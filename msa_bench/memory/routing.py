"""Which documents a query attends: scores of all documents of a bank, and the k best (paper section 3.3, eq. 3).

The score of a chunk is the mean over heads, then the maximum over the routing tokens, of the similarity between the
routing query and the chunk's routing key; a document scores as its best chunk. The mean over heads is linear, so with
`Q[t, g] = sum of q[t, h] over the heads h of group g, divided by all heads`, a chunk costs one dot product of length
`kv_heads * head_dim` per routing token: routing is a matrix product with a maximum after it. Other reductions, which a
checkpoint may ask for, keep every head's similarities until they are reduced.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.model.config import MSAConfig, Reduction

CHUNKS_AT_ONCE = 65_536
"""Chunks scored per slice, which bounds the memory of the similarities."""

_NOTHING = float("-inf")


def document_scores(queries: Tensor, routes: Tensor, keys: Tensor, offsets: Tensor, msa: MSAConfig) -> Tensor:
    """Scores `[batch, documents]` in float32.

    `queries` `[batch, heads, tokens, head_dim]` are the routing queries as projected, `routes` bool `[batch, tokens]`
    says which tokens route, `keys` `[chunks, kv_heads, head_dim]` are the bank's routing keys (already of unit length
    where the similarity is cosine) and `offsets` int64 `[documents + 1]` the first chunk of each document. A row in
    which no token routes scores minus infinity everywhere.
    """
    return reduce_chunks(chunk_scores(queries, routes, keys, msa), offsets, msa.chunk_reduce)


def chunk_scores(queries: Tensor, routes: Tensor, keys: Tensor, msa: MSAConfig) -> Tensor:
    """Scores `[batch, chunks]` of every chunk; arguments as for `document_scores`."""
    queries = scaled_queries(queries, msa)
    slices = [keys[start : start + CHUNKS_AT_ONCE] for start in range(0, len(keys), CHUNKS_AT_ONCE)]
    if msa.head_reduce == "mean":
        joined = join_heads(queries, keys.shape[1])
        scores = [_reduce_tokens(_products(joined, part.flatten(1)), routes, msa.query_reduce) for part in slices]
    else:
        scores = [_per_head(queries, routes, part, msa) for part in slices]
    return torch.cat(scores, dim=1).masked_fill(~routes.any(1)[:, None], _NOTHING)


def scaled_queries(queries: Tensor, msa: MSAConfig) -> Tensor:
    """Queries whose plain dot product with the bank's keys is the similarity: of unit length for cosine, else divided
    by the square root of the head size."""
    if msa.similarity == "cosine":
        return F.normalize(queries.float(), dim=-1).to(queries.dtype)
    scaled: Tensor = queries / queries.shape[-1] ** 0.5
    return scaled


def join_heads(queries: Tensor, kv_heads: int) -> Tensor:
    """`Q` of the identity above: `[batch, tokens, kv_heads * head_dim]` from `[batch, heads, tokens, head_dim]`."""
    batch, heads, tokens, size = queries.shape
    groups = queries.view(batch, kv_heads, heads // kv_heads, tokens, size).float().sum(2) / heads
    return groups.transpose(1, 2).reshape(batch, tokens, kv_heads * size).to(queries.dtype)


def reduce_chunks(scores: Tensor, offsets: Tensor, how: Reduction) -> Tensor:
    """Document scores `[batch, documents]` from chunk scores `[batch, chunks]`; no document is without a chunk."""
    counts = offsets.diff()
    document = torch.repeat_interleave(torch.arange(len(counts), device=scores.device), counts)
    reduced = scores.new_full((scores.shape[0], len(counts)), _NOTHING)
    index = document.expand(scores.shape[0], -1)
    return reduced.scatter_reduce(1, index, scores, "amax" if how == "max" else "mean", include_self=False)


def select(scores: Tensor, k: int) -> list[Tensor]:
    """Per row, the ids of the at most `k` best documents, best first; documents at minus infinity are never chosen."""
    best = scores.topk(min(k, scores.shape[1]), dim=1)
    return [ids[values > _NOTHING] for ids, values in zip(best.indices, best.values, strict=True)]


def _products(queries: Tensor, keys: Tensor) -> Tensor:
    """Dot products `[batch, tokens, chunks]` in float32: rounded to bfloat16, documents far apart would tie."""
    if queries.is_cuda and queries.dtype != torch.float32:
        flat: Tensor = torch.mm(queries.flatten(0, 1), keys.T, out_dtype=torch.float32)
        return flat.view(*queries.shape[:2], -1)
    return queries.float() @ keys.float().T


def _per_head(queries: Tensor, routes: Tensor, keys: Tensor, msa: MSAConfig) -> Tensor:
    batch, heads, tokens, size = queries.shape
    grouped = queries.view(batch, keys.shape[1], heads // keys.shape[1], tokens, size)
    similarity = torch.einsum("bgrtd,cgd->bgrtc", grouped.float(), keys.float()).flatten(1, 2)
    per_token = similarity.amax(1) if msa.head_reduce == "max" else similarity.mean(1)
    return _reduce_tokens(per_token, routes, msa.query_reduce)


def _reduce_tokens(similarity: Tensor, routes: Tensor, how: Reduction) -> Tensor:
    similarity = similarity.float()
    if how == "max":
        return similarity.masked_fill(~routes[:, :, None], _NOTHING).amax(1)
    return (similarity * routes[:, :, None]).sum(1) / routes.sum(1).clamp(min=1)[:, None]
