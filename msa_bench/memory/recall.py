"""Routing a batch of prompts into a memory bank, layer by layer, with each question's own view of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.routing import document_scores, select
from msa_bench.model.decoder import DecoderLayer
from msa_bench.model.passes import Context


class BankRecall:
    """A `Recall` over a bank for one prefill.

    `routes` is bool `[batch, tokens]`, left-padded like the prompts; `hidden` names, per row, the documents it must not
    see. Afterwards `selections` holds the chosen ids per layer and row, best first, and `ranking` orders documents by
    their score averaged over the router layers.
    """

    def __init__(self, bank: MemoryBank, routes: Tensor, hidden: Sequence[Collection[int]], top_k: int) -> None:
        self.bank, self.routes, self.top_k = bank, routes.to(bank.device), top_k
        self.offsets = bank.offsets.to(bank.device)
        self.hidden = [torch.tensor(sorted(ids), dtype=torch.int64, device=bank.device) for ids in hidden]
        self.selections: dict[int, list[Tensor]] = {}
        self._sum: Tensor | None = None

    def __call__(self, layer: DecoderLayer, queries: Tensor) -> Context:
        scores = self.scores(layer.index, queries)
        selection = select(scores, self.top_k)
        self.selections[layer.index] = selection
        self._sum = scores if self._sum is None else self._sum + scores
        return self.bank.fetch(layer.index, selection)

    def scores(self, layer: int, queries: Tensor) -> Tensor:
        """Scores `[batch, documents]` of one layer, minus infinity for hidden documents."""
        scores = document_scores(queries, self.routes, self.bank.routing_keys(layer), self.offsets, self.bank.msa)
        for row, ids in enumerate(self.hidden):
            scores[row, ids] = float("-inf")
        return scores

    def candidates(self, row: int) -> list[int]:
        """Every document some layer chose for `row`."""
        chosen = [selection[row] for selection in self.selections.values()]
        return sorted(set(torch.cat(chosen).tolist())) if chosen else []

    def ranking(self, row: int, k: int = 100) -> list[int]:
        """The at most `k` documents with the highest mean score over layers, best first."""
        return select(self._sum[row : row + 1], k)[0].tolist() if self._sum is not None else []


def routing_mask(roles: Sequence[Sequence[int]], routes: int) -> Tensor:
    """Bool `[batch, tokens]`: which tokens have the role `routes`, left-padded to the longest row."""
    width = max(len(row) for row in roles)
    return torch.tensor([[False] * (width - len(row)) + [role == routes for role in row] for row in roles])
