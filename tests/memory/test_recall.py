from __future__ import annotations

import tiny
import torch

from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_corpus
from msa_bench.memory.recall import BankRecall, routing_mask
from msa_bench.model.backbone import Backbone
from msa_bench.model.passes import Context

ALL = frozenset(range(len(tiny.TEXTS)))


def recalled(
    hidden: list[frozenset[int]], top_k: int = 2, **settings: object
) -> tuple[BankRecall, dict[int, Context], MemoryBank]:
    """What rows with random routing queries are given in every router layer."""
    model: Backbone = tiny.model(top_k=top_k, **settings)
    bank = encode_corpus(model, tiny.corpus())
    recall = BankRecall(bank, torch.ones(len(hidden), 3, dtype=torch.bool), hidden, top_k)
    chance = torch.Generator().manual_seed(5)
    contexts = {
        layer: recall(model.decoder.layers[layer], torch.randn(len(hidden), 4, 3, 8, generator=chance))
        for layer in bank.msa.router_layers
    }
    return recall, contexts, bank


def rows_of(bank: MemoryBank, ids: list[int]) -> list[int]:
    return [row for number in sorted(ids) for row in range(int(bank.offsets[number]), int(bank.offsets[number + 1]))]


def test_all_chunks_of_the_selected_documents_are_given_in_document_order() -> None:
    recall, contexts, bank = recalled([frozenset()] * 3)
    for layer, context in contexts.items():
        for row, chosen in enumerate(recall.selections[layer]):
            rows = rows_of(bank, chosen.tolist())
            seen = context.visible[row]
            assert len(chosen) == 2
            assert torch.equal(context.keys[row, :, seen], bank.pooled(layer).keys[rows].transpose(0, 1))
            assert torch.equal(context.values[row, :, seen], bank.pooled(layer).values[rows].transpose(0, 1))


def test_hidden_documents_are_neither_selected_nor_ranked_nor_candidates() -> None:
    hidden = [frozenset({0, 3}), frozenset({1}), frozenset()]
    recall, _, _ = recalled(hidden, top_k=16)
    for row, ids in enumerate(hidden):
        for chosen in (*(one[row].tolist() for one in recall.selections.values()), recall.ranking(row)):
            assert set(chosen) == ALL - ids
            assert len(chosen) == len(set(chosen))
        assert recall.candidates(row) == sorted(ALL - ids)


def test_a_row_that_may_see_no_document_is_given_none_of_its_neighbours_chunks() -> None:
    recall, contexts, _ = recalled([frozenset(), ALL])
    for context in contexts.values():
        assert context.visible[0].any()
        assert not context.visible[1].any()
    assert recall.candidates(1) == recall.ranking(1) == []


def test_a_batch_in_which_nobody_sees_anything_is_given_nothing() -> None:
    _, contexts, _ = recalled([ALL, ALL])
    assert all(context.keys.shape[2] == context.visible.shape[1] == 0 for context in contexts.values())


def test_the_ranking_orders_documents_by_their_mean_score_over_the_layers() -> None:
    recall, _, bank = recalled([frozenset()])
    chance = torch.Generator().manual_seed(5)
    scores = [recall.scores(layer, torch.randn(1, 4, 3, 8, generator=chance)) for layer in bank.msa.router_layers]
    assert recall.ranking(0) == sum(scores)[0].argsort(descending=True).tolist()
    assert recall.ranking(0, k=3) == recall.ranking(0)[:3]


def test_only_tokens_of_the_wanted_role_route() -> None:
    mask = routing_mask([[0, -1, 0], [0]], 0)
    assert mask.tolist() == [[True, False, True], [False, False, True]]
