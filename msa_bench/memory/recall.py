"""Routing a batch of prompts into a memory bank, layer by layer, with each question's own view of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from msa_bench.memory.bank import MemoryBank, keys_of
from msa_bench.memory.routing import Routing
from msa_bench.memory.topk import Best, best
from msa_bench.model.decoder import DecoderLayer
from msa_bench.model.passes import Context
from msa_bench.model.upload import upload

SHORTLIST = 4
"""Documents scored again with exact keys, for each that is selected."""


class BankRecall:
    """A `Recall` over a bank for one prefill.

    `routes` is bool `[batch, tokens]` on the CPU, left-padded like the prompts; `hidden` names, per row, the documents
    it must not see. Afterwards `selections` holds the chosen ids per layer and row, best first, and `ranking` orders
    documents by their score averaged over the router layers. Until one of them is asked for, nobody waits for a GPU.
    """

    def __init__(self, bank: MemoryBank, routes: Tensor, hidden: Sequence[Collection[int]], top_k: int) -> None:
        self.bank, self.routes, self.top_k = bank, routes, top_k
        self.routing = Routing.of(routes, bank.key_spans, bank.msa)
        self.hidden = self.places(hidden)
        self.best: dict[int, Best] = {}
        self._sum: Tensor | None = None

    def __call__(self, layer: DecoderLayer, queries: Tensor) -> Context:
        return self.bank.fetch(layer.index, self.route(layer.index, queries).ids)

    def route(self, layer: int, queries: Tensor) -> Best:
        """The documents of one layer for routing queries `[batch, heads, tokens, head_dim]`."""
        scores = self.settled(layer, self.scores(layer, queries))
        if self.bank.placement.keeps_exact:
            scores, self.best[layer] = self._rescored(layer, queries, scores)
        else:
            self.best[layer] = self.bank.best(scores, self.top_k)
        self._sum = scores if self._sum is None else self._sum + scores
        return self.best[layer]

    def scores(self, layer: int, queries: Tensor) -> Tensor:
        """Scores `[batch, documents]` of one layer, minus infinity for hidden documents."""
        return self.masked(self.routing.scores(queries, self.bank.stored_keys(layer)))

    def masked(self, scores: Tensor) -> Tensor:
        """`scores` `[batch, documents]` themselves, at minus infinity for hidden documents now."""
        scores[self.hidden] = float("-inf")
        return scores

    def settled(self, layer: int, scores: Tensor) -> Tensor:
        """The last word on `scores` `[batch, documents]` before the best are taken, hidden ones at minus infinity: none
        here. Ablations of routing override it (`msa_bench.generation.forced`)."""
        return scores

    def places(self, documents: Sequence[Collection[int]]) -> tuple[Tensor, Tensor]:
        """Rows and columns, in scores of this part of the bank, of the `documents` named for each row."""
        held = range(self.bank.first_document, self.bank.first_document + self.bank.documents)
        places = [(row, number - held.start) for row, ids in enumerate(documents) for number in ids if number in held]
        rows, columns = torch.tensor(places, dtype=torch.int64).view(-1, 2).unbind(1)
        return upload(rows, self.bank.device), upload(columns, self.bank.device)

    def _rescored(self, layer: int, queries: Tensor, scores: Tensor) -> tuple[Tensor, Best]:
        """`scores` made exact for a shortlist, and the best of that: 8 bits confuse near neighbours, not far ones."""
        short = best(scores, SHORTLIST * self.top_k).ids
        index, visible = self.bank.chunks_of(short)
        each = self.bank.msa.keys_per_chunk
        index, visible = keys_of(index, each), visible.repeat_interleave(each, 1)
        exact = self.routing.rescored(queries, self.bank.exact_keys(layer, index), index.to(scores.device), visible)
        exact = self.settled(layer, exact)
        return torch.where(exact > float("-inf"), exact, scores), self.bank.best(exact, self.top_k)

    @property
    def selections(self) -> dict[int, list[Tensor]]:
        """Per layer, the ids chosen for each row, best first."""
        return {layer: found.rows() for layer, found in self.best.items()}

    def candidates(self, row: int) -> list[int]:
        """Every document some layer chose for `row`."""
        chosen = [selection[row] for selection in self.selections.values()]
        return sorted(set(torch.cat(chosen).tolist())) if chosen else []

    def ranking(self, row: int, k: int = 100) -> list[int]:
        """The at most `k` documents with the highest mean score over layers, best first."""
        return self.bank.best(self._sum[row : row + 1], k).rows()[0].tolist() if self._sum is not None else []


def routing_mask(roles: Sequence[Sequence[int]], routes: int) -> Tensor:
    """Bool `[batch, tokens]`: which tokens have the role `routes`, left-padded to the longest row."""
    width = max(len(row) for row in roles)
    return torch.tensor([[False] * (width - len(row)) + [role == routes for role in row] for row in roles])
