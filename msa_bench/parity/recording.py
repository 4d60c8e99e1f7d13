"""Recall with a record of what it was asked and what it answered, in the shapes of the golden files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from msa_bench.generation.decode import Session
from msa_bench.memory.recall import BankRecall, routing_mask
from msa_bench.memory.routing import scaled_queries
from msa_bench.model.decoder import DecoderLayer
from msa_bench.model.passes import Context
from msa_bench.model.prompts import ROUTES, Prompt
from msa_bench.parity.case import Case


@dataclass
class RecordedRecall:
    """A `Recall` that passes everything to `inner` and keeps it."""

    inner: BankRecall
    queries: dict[int, Tensor] = field(default_factory=dict)
    contexts: dict[int, Context] = field(default_factory=dict)

    def __call__(self, layer: DecoderLayer, queries: Tensor) -> Context:
        self.queries[layer.index] = queries
        self.contexts[layer.index] = self.inner(layer, queries)
        return self.contexts[layer.index]

    def selected(self) -> dict[str, Tensor]:
        """By `layerL.NAME`: the documents chosen, best first, their scores, and how many chunks they have."""
        tensors: dict[str, Tensor] = {}
        for layer, queries in self.queries.items():
            scores = self.inner.scores(layer, queries)
            ids = torch.stack(self.inner.selections[layer])
            tensors[f"layer{layer}.topk_doc_ids"] = ids
            tensors[f"layer{layer}.topk_scores"] = scores.gather(1, ids)
            tensors[f"layer{layer}.num_selected_chunks"] = self.contexts[layer].visible.sum(1)
        return tensors

    def routed(self) -> dict[str, Tensor]:
        """By `layerL.NAME`: scores of all documents, routing queries (of unit length where the similarity is cosine,
        else unscaled), which tokens routed, and the keys and values fetched, row after row."""
        tensors: dict[str, Tensor] = {}
        cosine = self.inner.bank.msa.similarity == "cosine"
        for layer, queries in self.queries.items():
            context = self.contexts[layer]
            tensors[f"layer{layer}.doc_scores"] = self.inner.scores(layer, queries)
            tensors[f"layer{layer}.routing_q"] = scaled_queries(queries, self.inner.bank.msa) if cosine else queries
            tensors[f"layer{layer}.routing_mask"] = self.inner.routes.to(torch.uint8)
            for name, x in (("selected_k", context.keys), ("selected_v", context.values)):
                tensors[f"layer{layer}.{name}"] = x.transpose(1, 2)[context.visible].transpose(0, 1)
        return tensors


def prefill(case: Case, prompts: Sequence[Prompt], further: int) -> tuple[Session, RecordedRecall]:
    """A session for `prompts` with room for `further` tokens, and the recall to feed them with."""
    routes = routing_mask([prompt.roles for prompt in prompts], ROUTES)
    recall = BankRecall(case.bank, routes, [()] * len(prompts), case.msa.top_k)
    room = case.head[0][0].shape[1] + max(len(prompt.tokens) for prompt in prompts) + further
    session = Session(case.model.decoder, len(prompts), room, case.first_position, case.head)
    return session, RecordedRecall(recall)
