from __future__ import annotations

import pytest
import torch
import toy_bank

from msa_bench.training import remembered as module
from msa_bench.training.batch import Batch
from msa_bench.training.episodes import Episode
from msa_bench.training.remembered import Remembered

NO_ROUTE = float("-inf")


def ring(chunks: int, layers: int = 1, width: int = 4) -> Remembered:
    return Remembered(chunks, layers, width, torch.device("cpu"), torch.float32)


def keys(count: int, width: int = 4, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_the_newest_keys_take_the_place_of_the_oldest() -> None:
    made, first, second = ring(6), keys(4), keys(4, seed=2)
    made.add(0, first, torch.ones(4, dtype=torch.bool))
    assert torch.equal(made.keys[0, :4], first)
    made.add(0, second, torch.ones(4, dtype=torch.bool))
    assert torch.equal(made.keys[0], torch.cat((second[2:], first[2:], second[:2])))
    made.forget()
    assert not made.keys.any()
    assert not made.next.any()


def test_of_more_keys_than_places_the_last_stay_and_padding_is_no_key() -> None:
    made, given = ring(3), keys(5)
    made.add(0, given, torch.tensor([True, True, True, False, True]))
    assert torch.equal(made.keys[0], torch.stack((given[2], torch.zeros(4), given[4])))


def test_a_sample_meets_its_hardest_keys_scored_by_its_best_routing_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HARDEST", 2)
    monkeypatch.setattr(module, "AT_ONCE", 1)
    made, given = ring(8), keys(7)
    made.add(0, given, torch.ones(7, dtype=torch.bool))
    queries, routes = keys(6, seed=3).view(2, 3, 4), torch.tensor([[True, True, False], [True, False, False]])
    found = made.scores(0, queries, routes)
    by_hand = [
        sorted((max(float(query @ key) for query in own[mask]) for key in given), reverse=True)[:2]
        for own, mask in zip(queries, routes, strict=True)
    ]
    assert torch.allclose(found, torch.tensor(by_hand), atol=1e-6)


def test_only_queries_learn_and_an_empty_ring_has_no_scores() -> None:
    made = ring(5)
    queries = keys(2).view(1, 2, 4).requires_grad_()
    routes = torch.ones(1, 2, dtype=torch.bool)
    assert made.scores(0, queries, routes).eq(NO_ROUTE).all()
    made.add(0, keys(3, seed=2), torch.ones(3, dtype=torch.bool))
    scores = made.scores(0, queries, routes)
    assert scores.isfinite().sum() == 3
    torch.autograd.backward(scores[scores.isfinite()].sum())
    assert queries.grad is not None
    assert queries.grad.any()


def batch(first: int) -> Batch:
    def chain(number: int) -> Episode:
        return toy_bank.chain(first + number)

    return toy_bank.batch(chain)


def test_keys_of_an_earlier_batch_are_negatives_of_the_next() -> None:
    decoder = toy_bank.memory_model().decoder
    assert decoder.config.msa is not None
    layers, width = len(decoder.config.msa.router_layers), decoder.config.kv_heads * decoder.config.head_dim
    kept = ring(4096, layers, width)
    dials = toy_bank.attended(3, forced=True)
    alone = [toy_bank.run(decoder, batch(first), dials) for first in (0, 50)]
    together = [toy_bank.run(decoder, batch(first), dials, kept) for first in (0, 50)]
    assert torch.equal(together[0].aux_loss, alone[0].aux_loss), "there is nothing to remember yet"
    assert together[1].aux_loss > alone[1].aux_loss
    assert torch.equal(together[1].lm_loss, alone[1].lm_loss)
    assert torch.equal(together[1].recalled, alone[1].recalled)
    assert kept.keys.any(2).sum(1).tolist() == [int(kept.keys[0].any(1).sum())] * layers


@pytest.mark.parametrize("tokens", [5, 300])
def test_the_fused_scores_are_those_of_slices(tokens: int) -> None:
    pytest.importorskip("triton", reason="the kernels need the extra [gpu]")
    chance = torch.Generator().manual_seed(tokens)
    queries, routes = torch.randn(7, tokens, 12, generator=chance), torch.rand(7, tokens, generator=chance) < 0.3
    routes[:6, 1], routes[6] = True, False
    stored = keys(130, width=12)
    wanted, found = (scores(queries, routes, stored) for scores in (module.sliced_scores, module.fused_scores))
    torch.testing.assert_close(found[:6], wanted[:6], atol=1e-5, rtol=1e-5)
    assert wanted[6].eq(NO_ROUTE).all()
    assert found[6].isfinite().all()
