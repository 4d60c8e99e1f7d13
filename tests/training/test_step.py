from __future__ import annotations

from dataclasses import replace

import tiny
import torch
from torch import Tensor
from toy_batches import HEAD, PLAN, batch_of, chain, several

from msa_bench.training.adapter import Adapter
from msa_bench.training.batch import Batch
from msa_bench.training.shared_bank import Attended
from msa_bench.training.step import Step, inputs

SAMPLES = 6
ATTENDED = Attended(torch.full((SAMPLES,), 2), torch.ones(SAMPLES, dtype=torch.bool))


def a_step() -> tuple[Step, Adapter]:
    decoder = tiny.model().decoder
    adapter = Adapter(decoder, rank=2)
    with torch.no_grad():
        for parameter in adapter.low_rank.values():
            parameter.normal_(std=0.02)
    return Step(decoder, adapter, HEAD), adapter


def a_batch() -> Batch:
    plan = replace(PLAN, bank=((10, 64),), samples=((SAMPLES, 480),), tokens=2500, targets=200)
    return batch_of([chain(1), several(2)], plan)


def test_the_gradient_is_that_of_the_weighted_losses_and_of_the_last_batch_alone() -> None:
    step, _ = a_step()
    found: list[Tensor] = []
    for weights in ((1.0, 0.0), (0.0, 1.0), (0.5, 2.0), (1.0, 0.0)):
        step(a_batch(), ATTENDED, *weights)
        found.append(step.gradient.clone())
    text, router, both, again = found
    assert text.abs().max() > 0 < router.abs().max()
    assert torch.allclose(both, 0.5 * text + 2 * router, atol=1e-6)
    assert torch.equal(again, text)


def test_the_gradients_of_the_adapter_are_parts_of_one_tensor() -> None:
    step, adapter = a_step()
    step(a_batch(), ATTENDED, 1.0, 1.0)
    gradients = [parameter.grad for parameter in adapter.parameters() if parameter.grad is not None]
    assert torch.equal(torch.cat([gradient.flatten() for gradient in gradients]), step.gradient)
    step.gradient.zero_()
    assert not any(gradient.any() for gradient in gradients)


def test_a_step_uses_the_adapter_as_it_is_now() -> None:
    step, adapter = a_step()
    before = step(a_batch(), ATTENDED, 1.0, 1.0).lm_loss
    with torch.no_grad():
        for parameter in adapter.low_rank.values():
            parameter.normal_(std=0.3)
    assert step(a_batch(), ATTENDED, 1.0, 1.0).lm_loss != before


def test_everything_a_pass_depends_on_is_an_input_of_what_is_captured() -> None:
    """A graph that is replayed reads tensors only: each of the batch and of the curriculum must be copied to it."""
    batch = a_batch()
    given = inputs(batch, ATTENDED, torch.ones(2))
    assert given.keys() == {*batch.tensors(), "documents", "forced", "weights"}
    assert all(isinstance(value, Tensor) for value in given.values())


def test_what_is_remembered_is_kept_while_as_many_keys_are_asked_for() -> None:
    step, _ = a_step()
    for chunks in (64, 64):
        step.remember(chunks)
        step(a_batch(), ATTENDED, 1.0, 1.0)
    ring = step._remembered
    assert ring is not None
    twice = ring.keys.any(2).sum()
    step.remember(64)
    assert step._remembered is ring
    assert ring.keys.any(2).sum() == twice > 0
    step.remember(32)
    assert step._remembered is not ring
    step.remember(0)
    assert step._remembered is None
