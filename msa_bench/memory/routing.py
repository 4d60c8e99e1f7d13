"""Which documents a query attends: scores of all documents of a bank, and the k best (paper section 3.3, eq. 3).

The score of a chunk is the mean over heads, then the maximum over the routing tokens, of the similarity between the
routing query and the chunk's routing key; a document scores as its best chunk. The mean over heads is linear, so with
`Q[t, g] = sum of q[t, h] over the heads h of group g, divided by all heads`, a chunk costs one dot product of length
`kv_heads * head_dim` per routing token: routing is a matrix product with a maximum after it. On a GPU one kernel does
all of it (`msa_bench.memory.kernels`). Other reductions, which a checkpoint may ask for, keep every head's similarities
until they are reduced (`msa_bench.memory.reference`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.memory.keys import RoutingKeys, quantised
from msa_bench.memory.reference import per_head_scores, reduce_chunks
from msa_bench.memory.topk import best
from msa_bench.model.config import MSAConfig
from msa_bench.model.upload import upload
from msa_bench.switches import has_triton

CHUNKS_AT_ONCE = {"cpu": 16_384, "cuda": 262_144}
PRODUCTS_AT_ONCE = {"cpu": 2**22, "cuda": 2**28}
"""At most so many chunks are scored in a slice, and so many of their products with routing tokens held: on a CPU few
enough to be in its cache still when the best token is looked for."""

Path = Literal["auto", "torch", "triton", "reference"]

_NOTHING = float("-inf")


@dataclass(frozen=True, slots=True)
class Spans:
    """Whose the chunks of a bank are: `document` int64 `[chunks]`, of `documents`, the longest of `most` chunks;
    `offsets` int64 `[documents + 1]` are their first chunks. Both on the device of the keys."""

    offsets: Tensor
    document: Tensor
    most: int

    @property
    def documents(self) -> int:
        """How many documents there are."""
        return len(self.offsets) - 1

    @classmethod
    def of(cls, offsets: Tensor, device: torch.device) -> Spans:
        """The spans of `offsets` (on the CPU, so that nobody waits for a GPU)."""
        counts = offsets.diff()
        document = torch.repeat_interleave(torch.arange(len(counts)), counts)
        return cls(upload(offsets, device), upload(document, device), int(counts.max()) if len(counts) else 0)


@dataclass(frozen=True, slots=True)
class Routing:
    """How a batch of prompts routes, the same in every layer: `routes` bool `[batch, tokens]` on the CPU says which
    tokens do. `packed` int64 `[batch, most]` are their places, a row's first one repeated to the end."""

    routes: Tensor
    packed: Tensor
    spans: Spans
    msa: MSAConfig
    path: Path = "auto"

    @classmethod
    def of(cls, routes: Tensor, spans: Spans, msa: MSAConfig, path: Path = "auto") -> Routing:
        """The routing of prompts whose tokens route where `routes` (on the CPU) says so."""
        counts = routes.sum(1)
        order = routes.int().sort(dim=1, descending=True, stable=True).indices[:, : max(int(counts.max()), 1)]
        real = torch.arange(order.shape[1]) < counts[:, None]
        return cls(routes, upload(torch.where(real, order, order[:, :1]), spans.offsets.device), spans, msa, path)

    def scores(self, queries: Tensor, keys: RoutingKeys) -> Tensor:
        """Scores `[batch, documents]` in float32 of `queries` `[batch, heads, tokens, head_dim]`, the routing queries
        as projected; minus infinity in a row of which no token routes. `keys` are of unit length where the similarity
        is cosine."""
        msa, spans = self.msa, self.spans
        if self.path == "reference" or (msa.head_reduce, msa.query_reduce) != ("mean", "max"):
            routes = upload(self.routes, queries.device)
            chunks = per_head_scores(scaled_queries(queries, msa), routes, keys, msa)
            return reduce_chunks(chunks.T.contiguous(), spans.offsets, msa.chunk_reduce)
        if msa.chunk_reduce == "max" and self._kernel(keys):
            from msa_bench.memory.kernels import best_chunk_scores, joined_queries

            joined = joined_queries(queries, self.packed, keys.values.shape[1], msa.similarity == "cosine")
            found = best_chunk_scores(joined, keys, spans.document, spans.documents)
        else:
            index = self.packed[:, None, :, None].expand(-1, queries.shape[1], -1, queries.shape[3])
            joined = join_heads(scaled_queries(queries.gather(2, index), msa), keys.values.shape[1])
            chunks = torch.cat([_best_tokens(part, joined) for part in _slices(keys, joined.shape[:2].numel())])
            found = reduce_chunks(chunks, spans.offsets, msa.chunk_reduce)
        silent = ~self.routes.any(1)
        return found.masked_fill(upload(silent, found.device)[:, None], _NOTHING) if bool(silent.any()) else found

    def rescored(self, queries: Tensor, keys: Tensor, index: Tensor, visible: Tensor) -> Tensor:
        """Scores `[batch, documents]` by the definition, minus infinity for all but the documents whose chunks `index`
        int64 `[batch, columns]` are, as far as `visible`; `keys` `[batch, columns, kv_heads, head_dim]` are theirs."""
        scaled, routes = scaled_queries(queries.float(), self.msa), upload(self.routes, queries.device)
        rows = [
            per_head_scores(scaled[row : row + 1], routes[row : row + 1], RoutingKeys(keys[row]), self.msa)
            for row in range(len(keys))
        ]
        # What is not visible goes to a column of its own, which is dropped.
        place = torch.where(visible, self.spans.document[index], self.spans.documents)
        found = torch.full((len(keys), self.spans.documents + 1), _NOTHING, device=keys.device)
        how = "amax" if self.msa.chunk_reduce == "max" else "mean"
        return found.scatter_reduce(1, place, torch.cat(rows), how, include_self=False)[:, :-1]

    def _kernel(self, keys: RoutingKeys) -> bool:
        return self.path == "triton" or (self.path == "auto" and keys.values.is_cuda and has_triton())


def document_scores(
    queries: Tensor, routes: Tensor, keys: Tensor | RoutingKeys, offsets: Tensor, msa: MSAConfig, path: Path = "auto"
) -> Tensor:
    """Scores `[batch, documents]` in float32, as `Routing.scores` gives them, of a bank whose documents begin at the
    chunks `offsets` int64 `[documents + 1]`. `routes` is bool `[batch, tokens]`; `path` forces a way of computing."""
    stored = keys if isinstance(keys, RoutingKeys) else RoutingKeys(keys)
    spans = Spans.of(offsets.cpu(), stored.values.device)
    return Routing.of(routes.cpu(), spans, msa, path).scores(queries, stored)


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


def select(scores: Tensor, k: int) -> list[Tensor]:
    """Per row, the ids of the at most `k` best documents, best first; documents at minus infinity are never chosen."""
    return best(scores, k).rows()


def _best_tokens(keys: RoutingKeys, queries: Tensor) -> Tensor:
    """Scores `[chunks, batch]` of joined `queries` `[batch, tokens, features]`: the best token's dot product."""
    values, flat = keys.values.flatten(1), queries.flatten(0, 1)
    if values.dtype == torch.int8 and not queries.is_cuda and _multiplies_bytes():
        # One scale for all tokens of a row, so that the best of them is found among whole numbers.
        rounded, sizes = quantised(queries.flatten(1), torch.int8)
        whole = torch._int_mm(values, rounded.view(flat.shape).T)
        chunks = whole.view(len(keys), *queries.shape[:2]).amax(2) * sizes
    else:
        chunks = _products(values, flat).view(len(keys), *queries.shape[:2]).amax(2)
    return chunks if keys.scales is None else chunks * keys.scales[:, None]


def _products(keys: Tensor, queries: Tensor) -> Tensor:
    """Dot products `[chunks, queries]` in float32: rounded to bfloat16, documents far apart would tie."""
    if queries.is_cuda and keys.dtype == queries.dtype != torch.float32:
        return torch.mm(keys, queries.T, out_dtype=torch.float32)
    return keys.float() @ queries.float().T


def _slices(keys: RoutingKeys, columns: int) -> list[RoutingKeys]:
    kind = keys.values.device.type
    size = max(1, min(CHUNKS_AT_ONCE[kind], PRODUCTS_AT_ONCE[kind] // columns))
    return [keys[start : start + size] for start in range(0, len(keys), size)]


@cache
def _multiplies_bytes() -> bool:
    """Whether the CPU multiplies 8-bit numbers faster than floats."""
    return torch.cpu._is_vnni_supported()
