from __future__ import annotations

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from msa_bench.memory import reference, routing
from msa_bench.memory.routing import document_scores, select
from msa_bench.model.config import MSAConfig

COUNTS = (3, 1, 5, 2)
OFFSETS = torch.tensor([0, *COUNTS]).cumsum(0)


def settings(**chosen: object) -> MSAConfig:
    return MSAConfig(router_layers=(0,), **chosen)  # type: ignore[arg-type]


def case(heads: int, kv_heads: int, tokens: int = 6, size: int = 8) -> tuple[Tensor, Tensor, Tensor]:
    """Routing queries of two rows, which of their tokens route, and keys of unit length."""
    chance = torch.Generator().manual_seed(heads * 31 + kv_heads)
    queries = torch.randn(2, heads, tokens, size, generator=chance)
    keys = torch.randn(sum(COUNTS), kv_heads, size, generator=chance)
    routes = torch.tensor([[False, False, True, True, False, True], [True] * 6])
    return queries, routes, keys / keys.norm(dim=-1, keepdim=True)


def scores_by_hand(queries: Tensor, routes: Tensor, keys: Tensor, msa: MSAConfig) -> list[list[float]]:
    """One similarity at a time, reduced over heads, then tokens, then chunks, in float64."""
    reduce = {"mean": lambda values: sum(values) / len(values), "max": max}
    heads, group = queries.shape[1], queries.shape[1] // keys.shape[1]
    queries, keys = queries.double(), keys.double()

    def similarity(query: Tensor, key: Tensor) -> float:
        scale = query.norm() if msa.similarity == "cosine" else len(query) ** 0.5
        return float(query @ key / scale)

    def chunk_score(row: int, chunk: int) -> float:
        per_token = [
            reduce[msa.head_reduce]([similarity(queries[row, h, t], keys[chunk, h // group]) for h in range(heads)])
            for t in range(queries.shape[2])
            if routes[row, t]
        ]
        return reduce[msa.query_reduce](per_token)

    return [
        [
            reduce[msa.chunk_reduce]([chunk_score(row, chunk) for chunk in range(start, end)])
            for start, end in pairwise(OFFSETS.tolist())
        ]
        for row in range(len(queries))
    ]


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (6, 1), (9, 3)])
@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_scores_are_the_similarities_reduced_over_heads_tokens_and_chunks(
    heads: int, kv_heads: int, similarity: str
) -> None:
    queries, routes, keys = case(heads, kv_heads)
    for head, query, chunk in product(("mean", "max"), repeat=3):
        msa = settings(similarity=similarity, head_reduce=head, query_reduce=query, chunk_reduce=chunk)
        found = document_scores(queries, routes, keys, OFFSETS, msa)
        torch.testing.assert_close(found, torch.tensor(scores_by_hand(queries, routes, keys, msa)))


@pytest.mark.parametrize("head_reduce", ["mean", "max"])
@pytest.mark.parametrize("bound", ["CHUNKS_AT_ONCE", "PRODUCTS_AT_ONCE"])
def test_scores_do_not_depend_on_how_many_chunks_are_scored_at_once(
    head_reduce: str, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, routes, keys = case(4, 2)
    msa = settings(head_reduce=head_reduce)
    whole = document_scores(queries, routes, keys, OFFSETS, msa)
    monkeypatch.setitem(getattr(routing, bound), "cpu", 3)
    monkeypatch.setattr(reference, "SLICE_CHUNKS", 3)
    torch.testing.assert_close(document_scores(queries, routes, keys, OFFSETS, msa), whole)


@pytest.mark.parametrize("head_reduce", ["mean", "max"])
@pytest.mark.parametrize("query_reduce", ["mean", "max"])
def test_a_row_without_routing_tokens_selects_nothing(head_reduce: str, query_reduce: str) -> None:
    queries, routes, keys = case(4, 2)
    routes[0] = False
    msa = settings(head_reduce=head_reduce, query_reduce=query_reduce)
    chosen = select(document_scores(queries, routes, keys, OFFSETS, msa), 2)
    assert [len(ids) for ids in chosen] == [0, 2]


def test_what_does_not_route_changes_no_score() -> None:
    queries, routes, keys = case(4, 2)
    before = document_scores(queries, routes, keys, OFFSETS, settings())
    queries[0, :, ~routes[0]] = 100.0
    assert torch.equal(document_scores(queries, routes, keys, OFFSETS, settings()), before)


def test_scores_of_bfloat16_keys_are_not_rounded_to_bfloat16() -> None:
    queries, routes, keys = case(4, 2)
    queries, keys = queries.bfloat16(), keys.bfloat16()
    found = document_scores(queries, routes, keys, OFFSETS, settings())
    assert found.dtype == torch.float32
    assert not torch.equal(found, found.bfloat16().float())


def test_the_best_documents_are_selected_best_first() -> None:
    nothing = float("-inf")
    scores = torch.tensor([[0.1, 0.9, nothing, 0.5], [nothing, nothing, 0.2, nothing], [nothing] * 4])
    assert [ids.tolist() for ids in select(scores, 2)] == [[1, 3], [2], []]
    assert [ids.tolist() for ids in select(scores, 16)] == [[1, 3, 0], [2], []]
