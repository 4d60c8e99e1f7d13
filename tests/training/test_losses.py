from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.training.losses import METHODS, aux_loss, bce, decoupled_info_nce, info_nce, next_token_loss

NOTHING = float("-inf")
SCORES = torch.tensor([[0.9, 0.1, 0.7, -0.2], [0.3, 0.5, NOTHING, 0.4], [0.2, 0.6, 0.1, NOTHING]])
POSITIVES = torch.tensor([[True, False, True, False], [False, True, False, False], [True, True, True, False]])
TAU = 0.3


def by_hand(method: str) -> float:
    """One query and one positive at a time, in plain numbers."""
    queries = []
    for scores, positives in zip(SCORES.tolist(), POSITIVES.tolist(), strict=True):
        present = [place for place, score in enumerate(scores) if score > NOTHING]
        power = {place: math.exp(scores[place] / TAU) for place in present}
        wanted = [place for place in present if positives[place]]
        each = []
        for place in wanted:
            rivals = [one for one in present if one == place or "DECOUPLE" not in method or not positives[one]]
            p = power[place] / sum(power[one] for one in rivals)
            exponent = (len(wanted) if "DECOUPLE" in method else 2) if "FOCAL" in method else 0
            each.append(-math.log(p) * (1 - p) ** exponent)
        queries.append(sum(each) / len(each))
    return sum(queries) / len(queries)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "BCE"])
def test_contrastive_losses_are_what_their_formulas_say(method: str) -> None:
    assert aux_loss(method, SCORES, POSITIVES, TAU).item() == pytest.approx(by_hand(method), rel=1e-5)


def test_positives_do_not_compete_in_the_decoupled_loss() -> None:
    raised = SCORES.clone()
    raised[0, 2] += 5.0
    kept = torch.tensor([[True, False, False, False]])
    alone = [
        decoupled_info_nce(scores[:1].masked_fill(POSITIVES[:1] & ~kept, NOTHING), kept, TAU)
        for scores in (SCORES, raised)
    ]
    assert alone[0] == alone[1]
    assert decoupled_info_nce(raised[:1], POSITIVES[:1], TAU) < decoupled_info_nce(SCORES[:1], POSITIVES[:1], TAU)
    assert info_nce(raised[:1], POSITIVES[:1], TAU) > info_nce(SCORES[:1], POSITIVES[:1], TAU)


def test_binary_cross_entropy_is_averaged_over_the_documents_a_query_has() -> None:
    queries = []
    for scores, positives in zip(SCORES.tolist(), POSITIVES.tolist(), strict=True):
        chances = [(1 / (1 + math.exp(2.0 - s)), y) for s, y in zip(scores, positives, strict=True) if s > NOTHING]
        queries.append(-sum(math.log(p if y else 1 - p) for p, y in chances) / len(chances))
    assert bce(SCORES, POSITIVES, -2.0).item() == pytest.approx(sum(queries) / 3, rel=1e-5)


def test_absent_documents_change_nothing() -> None:
    wider = torch.cat((SCORES, torch.full((3, 2), NOTHING)), dim=1)
    more = torch.cat((POSITIVES, torch.zeros(3, 2, dtype=torch.bool)), dim=1)
    for method in METHODS:
        assert torch.allclose(aux_loss(method, wider, more, TAU), aux_loss(method, SCORES, POSITIVES, TAU))


def test_a_query_without_a_positive_does_not_count_in_contrastive_losses() -> None:
    scores = torch.cat((SCORES, torch.rand(1, 4)))
    positives = torch.cat((POSITIVES, torch.zeros(1, 4, dtype=torch.bool)))
    for loss in (info_nce, decoupled_info_nce):
        assert torch.allclose(loss(scores, positives, TAU), loss(SCORES, POSITIVES, TAU))
        assert loss(scores[3:], positives[3:], TAU) == 0


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_finite_with_absent_documents_and_with_positives_alone(method: str) -> None:
    scores = SCORES.clone().requires_grad_(True)
    aux_loss(method, scores, POSITIVES, 0.01).backward()
    assert scores.grad is not None
    assert torch.isfinite(scores.grad).all()
    assert (scores.grad[~torch.isfinite(SCORES)] == 0).all()


def test_the_loss_falls_where_the_gradient_points() -> None:
    for method in METHODS:
        scores = SCORES[:2].clone().requires_grad_(True)
        before = aux_loss(method, scores, POSITIVES[:2], TAU)
        before.backward()
        assert scores.grad is not None
        after = aux_loss(method, (scores - 0.01 * scores.grad).detach(), POSITIVES[:2], TAU)
        assert after < before


def test_an_unknown_loss_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="INFONCE_DECOUPLE"):
        aux_loss("INFONCE_DECOUPLED", SCORES, POSITIVES, TAU)


def test_the_next_token_is_predicted_from_the_one_before_where_there_is_a_label() -> None:
    logits: Tensor = torch.randn(2, 4, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[5, -100, 3, 1], [-100, -100, -100, 6]])
    wanted = [logits[0, 1].log_softmax(0)[3], logits[0, 2].log_softmax(0)[1], logits[1, 2].log_softmax(0)[6]]
    assert next_token_loss(logits, labels).item() == pytest.approx(-sum(map(float, wanted)) / 3, rel=1e-6)
    assert next_token_loss(logits, torch.full_like(labels, -100)) == 0
