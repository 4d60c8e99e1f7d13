"""Routing keys of earlier batches, as further negatives for the router (cross-batch memory, Wang et al. 2020).

A batch holds hundreds of documents, a memory of a million tokens thousands, and a router that tells hundreds apart
meets its first real lookalikes there. Keys change slowly, so those of the last batches stand in for documents nobody
has to read again; no gradient reaches them. Every sample is compared with all and learns from its hardest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from msa_bench.memory.keys import RoutingKeys
from msa_bench.switches import has_triton

HARDEST = 64
"""Remembered chunks a sample learns from."""

AT_ONCE = 1 << 26
"""Scores computed at a time, about; more would not fit beside a training step."""


class Remembered:
    """The last `chunks` routing keys of every router layer, in a ring; a place that never held one is all zeros."""

    def __init__(self, chunks: int, layers: int, width: int, device: torch.device, dtype: torch.dtype) -> None:
        self.keys = torch.zeros(layers, chunks, width, device=device, dtype=dtype)
        self.next = torch.zeros(layers, dtype=torch.int64, device=device)

    def forget(self) -> None:
        """Empty the ring."""
        self.keys.zero_()
        self.next.zero_()

    def scores(self, layer: int, queries: Tensor, routes: Tensor) -> Tensor:
        """Scores `[samples, HARDEST]`, in float32, of the remembered chunks closest to each sample, with a gradient for
        `queries` `[samples, tokens, width]`, of which `routes` `[samples, tokens]` count; minus infinity where there
        are fewer.
        """
        keys = self.keys[layer].to(queries.dtype)
        empty = ~keys.any(1)
        with torch.no_grad():
            every = fused_scores if queries.is_cuda and has_triton() else sliced_scores
            best = every(queries, routes, keys)
            hardest = best.masked_fill(empty, float("-inf")).topk(min(HARDEST, len(keys)), dim=1).indices
        again = torch.bmm(queries.float(), keys[hardest].float().transpose(1, 2))
        return _best_token(again, routes).masked_fill(empty[hardest], float("-inf"))

    @torch.no_grad()
    def add(self, layer: int, keys: Tensor, real: Tensor) -> None:
        """Remember those of `keys` `[places, width]` that are `real` `[places]`, in place of the oldest."""
        kept = (keys * real[:, None])[-self.keys.shape[1] :].to(self.keys.dtype)
        places = (self.next[layer] + torch.arange(len(kept), device=kept.device)) % self.keys.shape[1]
        self.keys[layer].index_copy_(0, places, kept)
        self.next[layer] = (self.next[layer] + len(kept)) % self.keys.shape[1]


def sliced_scores(queries: Tensor, routes: Tensor, keys: Tensor) -> Tensor:
    """Scores `[samples, chunks]` of `keys` `[chunks, width]`: the best of the tokens that route, of `queries`
    `[samples, tokens, width]`; a few samples at a time."""
    rows = max(1, AT_ONCE // (len(keys) * queries.shape[1]))
    return torch.cat([
        _best_token(queries[start : start + rows] @ keys.T, routes[start : start + rows])
        for start in range(0, len(queries), rows)
    ])  # fmt: skip


def fused_scores(queries: Tensor, routes: Tensor, keys: Tensor) -> Tensor:
    """`sliced_scores` by the kernel of a memory, which never writes the products of single tokens; a sample of which no
    token routes scores by its first."""
    from msa_bench.memory.kernels import best_chunk_scores

    some = queries.gather(1, routes.int().argmax(1)[:, None, None].expand(-1, 1, queries.shape[2]))
    each = torch.arange(len(keys), device=keys.device)
    return best_chunk_scores(
        torch.where(routes[:, :, None], queries, some), RoutingKeys(keys[:, None]), each, len(keys)
    )


def _best_token(products: Tensor, routes: Tensor) -> Tensor:
    """`[samples, chunks]` from products `[samples, tokens, chunks]`: the best token that routes."""
    return products.masked_fill(~routes[:, :, None], float("-inf")).amax(1)
