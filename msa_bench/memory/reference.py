"""Routing as it is defined, head by head, in float32: what the fast paths are checked and timed against.

The similarities of every head, token and chunk are there before they are reduced, in slices of 16,384 chunks. That is
the algorithm of the released engine, and the general path for the reductions a checkpoint may ask for.
"""

from __future__ import annotations

import torch
from torch import Tensor

from msa_bench.memory.keys import RoutingKeys
from msa_bench.model.config import MSAConfig, Reduction

SLICE_CHUNKS = 16_384

_NOTHING = float("-inf")


def per_head_scores(queries: Tensor, routes: Tensor, keys: RoutingKeys, msa: MSAConfig) -> Tensor:
    """Scores `[batch, chunks]` of scaled `queries` `[batch, heads, tokens, head_dim]`, of which `routes` bool
    `[batch, tokens]` take part; minus infinity in a row where none does."""
    slices = (keys[start : start + SLICE_CHUNKS] for start in range(0, len(keys), SLICE_CHUNKS))
    scores = torch.cat([_slice(queries, routes, part.floats(), msa) for part in slices], dim=1)
    return scores.masked_fill(~routes.any(1)[:, None], _NOTHING)


def _slice(queries: Tensor, routes: Tensor, keys: Tensor, msa: MSAConfig) -> Tensor:
    batch, heads, tokens, size = queries.shape
    grouped = queries.view(batch, keys.shape[1], heads // keys.shape[1], tokens, size)
    maps = torch.einsum("bgrtd,cgd->bgrtc", grouped.float(), keys).flatten(1, 2)
    per_token = maps.amax(1) if msa.head_reduce == "max" else maps.mean(1)
    if msa.query_reduce == "max":
        return per_token.masked_fill(~routes[:, :, None], _NOTHING).amax(1)
    return (per_token * routes[:, :, None]).sum(1) / routes.sum(1).clamp(min=1)[:, None]


def reduce_chunks(scores: Tensor, offsets: Tensor, how: Reduction) -> Tensor:
    """Document scores `[batch, documents]` from chunk scores `[chunks, batch]`; documents begin at the chunks `offsets`
    int64 `[documents + 1]`, and none is without a chunk."""
    return torch.segment_reduce(scores, how, offsets=offsets, axis=0, unsafe=True).T
