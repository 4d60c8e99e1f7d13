from __future__ import annotations

from dataclasses import replace

import pytest
import tiny
import torch
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.memory.routing import document_scores
from msa_bench.model.cache import LayerCache
from msa_bench.model.config import Similarity
from msa_bench.model.decoder import Decoder, DecoderLayer
from msa_bench.model.passes import Context, document_pass, query_pass, template_pass
from msa_bench.training.forward import PackedBatch, packed_forward

HEAD = [7, 8, 9]
LENGTHS = ([5, 4, 11, 1], [8, 3])
"""Lengths of the documents of two rows; with chunks of 4 tokens most end in a shorter one."""
QUERY = ([20, 21, 22, 23, 24, 25], [30, 31, 32, 33])
ROUTING = 3
FIRST = 5


def documents(row: int) -> list[list[int]]:
    return [[40 + 13 * row + 7 * place + token for token in range(length)] for place, length in enumerate(LENGTHS[row])]


def batch() -> PackedBatch:
    rows = []
    for row, query in enumerate(QUERY):
        tokens, roles, positions = list(HEAD), [-2] * 3, [0, 1, 2]
        for place, document in enumerate(documents(row)):
            tokens += document
            roles += [place + 1] * len(document)
            positions += range(len(document))
        tokens += query
        roles += [0] * ROUTING + [-1] * (len(query) - ROUTING)
        positions += range(FIRST, FIRST + len(query))
        rows.append((tokens, roles, positions, [1] * len(tokens)))
    width = max(len(row[0]) for row in rows)
    columns = [
        torch.tensor([list(part) + [0] * (width - len(part)) for part in column]) for column in zip(*rows, strict=True)
    ]
    return PackedBatch(*columns, labels=torch.full_like(columns[0], -100))


def through_the_passes(decoder: Decoder, row: int) -> tuple[Tensor, dict[int, Tensor], dict[int, list[int]]]:
    """Logits of one query, with the scores and the documents chosen in every router layer, as inference computes."""
    msa = decoder.config.msa
    assert msa is not None
    query, template = QUERY[row], template_pass(decoder, HEAD)
    each = [document_pass(decoder, torch.tensor([one]), torch.tensor([len(one)])) for one in documents(row)]
    offsets = torch.tensor([0, *(len(one[2].keys) for one in each)]).cumsum(0)
    routes = torch.arange(len(query))[None] < ROUTING
    scores: dict[int, Tensor] = {}
    chosen: dict[int, list[int]] = {}

    def recall(layer: DecoderLayer, queries: Tensor) -> Context:
        keys, values, routing_keys = (
            torch.cat([getattr(one[layer.index], part) for one in each]) for part in ("keys", "values", "routing_keys")
        )
        scores[layer.index] = document_scores(queries, routes, routing_keys, offsets, msa)[0]
        chosen[layer.index] = sorted(scores[layer.index].topk(2).indices.tolist())
        chunks = torch.cat([torch.arange(offsets[one], offsets[one + 1]) for one in chosen[layer.index]])
        visible = torch.ones(1, len(chunks), dtype=torch.bool)
        return Context(keys[chunks].transpose(0, 1)[None], values[chunks].transpose(0, 1)[None], visible)

    caches = [LayerCache(1, 2, 8, 4, template[0][0]) for _ in decoder.layers]
    for cache, (keys, values) in zip(caches, template, strict=True):
        cache.extend(keys[None], values[None], torch.ones(1, len(HEAD), dtype=torch.bool))
    positions = torch.arange(FIRST, FIRST + len(query))[None]
    real = torch.ones(1, len(query), dtype=torch.bool)
    return (
        decoder.logits(query_pass(decoder, torch.tensor([query]), positions, real, caches, recall))[0],
        scores,
        chosen,
    )


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("reductions", [("mean", "max", "max"), ("max", "mean", "mean")])
def test_training_computes_what_the_two_passes_compute(similarity: Similarity, reductions: tuple[str, ...]) -> None:
    names = ("head_reduce", "query_reduce", "chunk_reduce")
    decoder = tiny.model(similarity=similarity, **dict(zip(names, reductions, strict=True))).decoder
    packed = packed_forward(decoder, batch(), similarity)
    for row, query in enumerate(QUERY):
        logits, scores, chosen = through_the_passes(decoder, row)
        start = len(HEAD) + sum(LENGTHS[row])
        assert (packed.logits[row, start : start + len(query)] - logits).abs().max() < 1e-4
        for layer, wanted in scores.items():
            assert (packed.scores[layer][row, 1 : 1 + len(wanted)] - wanted).abs().max() < 1e-4
            assert torch.isneginf(packed.scores[layer][row, 1 + len(wanted) :]).all()
            assert packed.selected[layer][row] == [one + 1 for one in chosen[layer]]


def test_gradients_reach_the_router_through_the_scores_alone() -> None:
    decoder = tiny.model().decoder.requires_grad_(True)
    forward = packed_forward(decoder, batch(), "cosine")
    router = decoder.layers[2].self_attn.router_q_proj[0].weight
    assert torch.autograd.grad(forward.logits.sum(), router, retain_graph=True, allow_unused=True)[0] is None
    scores = forward.scores[2]
    [gradient] = torch.autograd.grad(scores[torch.isfinite(scores)].sum(), router)
    assert gradient.abs().max() > 0
    assert torch.isfinite(gradient).all()


def test_a_later_token_changes_nothing_before_it() -> None:
    decoder, packed = tiny.model().decoder, batch()
    start = len(HEAD) + sum(LENGTHS[0])
    changed = packed.input_ids.clone()
    changed[0, start + 4] += 1
    before, after = (
        packed_forward(decoder, replace(packed, input_ids=ids), "dot").logits for ids in (packed.input_ids, changed)
    )
    assert torch.equal(before[0, : start + 4], after[0, : start + 4])
    assert not torch.equal(before[0, start + 4], after[0, start + 4])


@pytest.mark.parametrize("roles", [[-2, 0, 0, -1], [-2, 1, 3, 0], [1, 1, -1, -1], [1, 0, 1, 0]])
def test_a_row_that_is_not_packed_as_said_is_named(roles: list[int]) -> None:
    part = torch.arange(4)[None]
    packed = PackedBatch(part, torch.tensor([roles]), part, torch.ones_like(part), part)
    with pytest.raises(UserError, match="Row 0 of the packed batch"):
        packed_forward(tiny.model().decoder, packed, "dot")
