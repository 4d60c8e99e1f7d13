"""The training forward of the released model over packed samples (paper section 3.5).

A row packs a template head, documents and then a query with its answer. Every document, and the head with the query,
is read by itself; in a router layer the query also attends the pooled chunks of the documents its routing tokens score
highest. Chunks never cross documents, whatever their lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.model.config import MSAConfig, Similarity
from msa_bench.model.decoder import Decoder, DecoderLayer

Pool = Callable[[Tensor, Sequence[int]], Tensor]
"""Consecutive tokens `[tokens, heads, head_dim]` and the lengths they are cut into, to one mean per piece."""

_Chunks = tuple[Tensor, Tensor]
"""Keys and values, each `[heads, chunks, head_dim]`."""


def chunk_means(tokens: Tensor, sizes: Sequence[int]) -> Tensor:
    """The mean of each piece, `[pieces, heads, head_dim]` (a `Pool`)."""
    return torch.stack([piece.mean(0) for piece in torch.split(tokens, list(sizes))])


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Packed samples, all int64 `[rows, width]`, padded on the right.

    `roles` is positive in documents (numbered from 1 in every row), 0 where a token routes, -2 in the template head and
    the chat frame and -1 elsewhere; `real` is 0 in padding; `labels` is `IGNORED` where nothing is predicted.
    """

    input_ids: Tensor
    roles: Tensor
    positions: Tensor
    real: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class PackedForward:
    """`logits` `[rows, width, vocabulary]`; per router layer, `scores` `[rows, most documents + 1]` by document number
    (minus infinity where a row has no such document) and the numbers `selected` in each row, ascending."""

    logits: Tensor
    scores: dict[int, Tensor]
    selected: dict[int, list[list[int]]]


@dataclass(frozen=True, slots=True)
class _Row:
    """Where the parts of one row are: token indices."""

    index: int
    head: Tensor
    documents: list[Tensor]
    query: Tensor
    routes: Tensor

    def chunk_sizes(self, size: int) -> list[list[int]]:
        return [[len(piece) for piece in torch.split(document, size)] for document in self.documents]


def packed_forward(
    decoder: Decoder, batch: PackedBatch, similarity: Similarity, pool_routing_keys: Pool = chunk_means
) -> PackedForward:
    """Logits and document scores of `batch`, differentiable; a `UserError` names a row that is not packed as said."""
    if decoder.config.msa is None:
        raise ValueError("a packed forward needs a decoder with memory attention")
    attend = _PackedPass(decoder.config.msa, batch, similarity, pool_routing_keys)
    hidden = decoder.run(batch.input_ids, batch.positions, attend)
    return PackedForward(decoder.logits(hidden), attend.scores, attend.selected)


@dataclass
class _PackedPass:
    """Attention of packed rows, part by part (an `Attend`)."""

    msa: MSAConfig
    batch: PackedBatch
    similarity: Similarity
    pool_routing_keys: Pool
    rows: list[_Row] = field(init=False)
    scores: dict[int, Tensor] = field(default_factory=dict)
    selected: dict[int, list[list[int]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = zip(self.batch.roles, self.batch.real.bool(), strict=True)
        self.rows = [_parse(index, roles, real) for index, (roles, real) in enumerate(parts)]

    def __call__(self, layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        attention = layer.self_attn
        # Heads are repeated before pooling, as in the released code: the order of a sum shows in its last bits.
        share = attention.heads // attention.kv_heads
        routing_keys = attention.routing_key(normed, k) if attention.routes else k
        k, v, routing_keys = (x.repeat_interleave(share, dim=1) for x in (k, v, routing_keys))
        if attention.routes:
            chunks = self._recall(layer.index, attention.routing_query(normed, q), routing_keys, k, v)
        else:
            chunks = [(k[0, :, :0], v[0, :, :0])] * len(self.rows)
        out = torch.zeros_like(q)
        for row, (chunk_keys, chunk_values) in zip(self.rows, chunks, strict=True):
            rq, rk, rv = q[row.index], k[row.index], v[row.index]
            for own in row.documents:
                out[row.index, :, own] = _attention(rq[:, own], rk[:, own], rv[:, own], _causal(len(own), 0, 0))
            own = torch.cat((row.head, row.query))
            keys = torch.cat((rk[:, row.head], chunk_keys, rk[:, row.query]), dim=1)
            values = torch.cat((rv[:, row.head], chunk_values, rv[:, row.query]), dim=1)
            visible = _causal(len(own), len(row.head), chunk_keys.shape[1]).to(q.device)
            out[row.index, :, own] = _attention(rq[:, own], keys, values, visible)
        return out

    def _recall(self, layer: int, queries: Tensor, routing_keys: Tensor, k: Tensor, v: Tensor) -> list[_Chunks]:
        """Per row, the chunks of the documents selected for it, in ascending order of their numbers."""
        keys, values = self._pooled(k, chunk_means), self._pooled(v, chunk_means)
        pooled = self._pooled(routing_keys, self.pool_routing_keys)
        most = max(len(row.documents) for row in self.rows)
        scores = queries.new_full((len(self.rows), most + 1), float("-inf"))
        chosen: list[list[int]] = []
        recalled: list[_Chunks] = []
        for row in self.rows:
            counts = [len(sizes) for sizes in row.chunk_sizes(self.msa.chunk_tokens)]
            scores[row.index, 1 : 1 + len(counts)] = self._score(
                queries[row.index][:, row.routes], pooled[row.index], counts
            )
            best = sorted(scores[row.index].topk(min(self.msa.top_k, len(counts))).indices.tolist())
            recalled.append((_pick(keys[row.index], counts, best), _pick(values[row.index], counts, best)))
            chosen.append(best)
        self.scores[layer], self.selected[layer] = scores, chosen
        return recalled

    def _pooled(self, x: Tensor, pool: Pool) -> list[Tensor]:
        """Per row, chunk means `[heads, chunks, head_dim]` of `x` `[rows, heads, tokens, head_dim]`."""
        tokens = torch.cat([x[row.index].transpose(0, 1)[torch.cat(row.documents)] for row in self.rows])
        sizes = [list(chain(*row.chunk_sizes(self.msa.chunk_tokens))) for row in self.rows]
        means = pool(tokens.contiguous(), list(chain(*sizes))).transpose(0, 1)
        return list(torch.split(means, [len(one) for one in sizes], dim=1))

    def _score(self, queries: Tensor, keys: Tensor, counts: list[int]) -> Tensor:
        """Scores `[documents]` from `queries` `[heads, tokens, head_dim]` and `keys` `[heads, chunks, head_dim]`."""
        if self.similarity == "cosine":
            queries, keys = F.normalize(queries, dim=-1), F.normalize(keys, dim=-1)
        each = keys @ queries.transpose(1, 2)
        if self.similarity == "dot":
            each = each * queries.shape[-1] ** -0.5
        per_token = each.mean(0) if self.msa.head_reduce == "mean" else each.amax(0)
        per_chunk = per_token.mean(1) if self.msa.query_reduce == "mean" else per_token.amax(1)
        pieces = torch.split(per_chunk, counts)
        return torch.stack([piece.mean() if self.msa.chunk_reduce == "mean" else piece.max() for piece in pieces])


def _parse(index: int, roles: Tensor, real: Tensor) -> _Row:
    places = torch.arange(len(roles), device=roles.device)
    count = int(roles.max())
    documents = [places[roles == number] for number in range(1, count + 1)]
    if count < 1 or any(len(own) == 0 for own in documents):
        raise UserError(f"Row {index} of the packed batch must hold documents numbered from 1 without a gap.")
    first, last = int(documents[0][0]), int(documents[-1][-1])
    query = places[(places > last) & real]
    routes = places[(places > last) & real & (roles == 0)]
    if first + sum(map(len, documents)) != last + 1 or len(routes) == 0:
        raise UserError(f"Row {index} of the packed batch must be a template head, documents in order, then a query.")
    return _Row(index, places[:first], documents, query, routes)


def _pick(chunks: Tensor, counts: Sequence[int], numbers: Sequence[int]) -> Tensor:
    """Chunks of the documents `numbers` (from 1), where document n has `counts[n - 1]` of them."""
    pieces = torch.split(chunks, list(counts), dim=1)
    return torch.cat([pieces[number - 1] for number in numbers], dim=1)


def _causal(tokens: int, head: int, chunks: int) -> Tensor:
    """Which columns `[head | chunks | the rest]` each of `tokens` sees: the past, and chunks from the query only."""
    past = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    recalled = (torch.arange(tokens) >= head)[:, None].expand(-1, chunks)
    return torch.cat((past[:, :head], recalled, past[:, head:]), dim=1)


def _attention(q: Tensor, k: Tensor, v: Tensor, visible: Tensor) -> Tensor:
    """Attention written out, `[heads, tokens, head_dim]`, so that its rounding does not depend on a kernel's blocks."""
    scores = q @ k.transpose(1, 2) * q.shape[-1] ** -0.5
    weights = scores.masked_fill(~visible.to(q.device), float("-inf")).softmax(-1)
    attended: Tensor = (v.transpose(1, 2) @ weights.transpose(1, 2)).transpose(1, 2)
    return attended
