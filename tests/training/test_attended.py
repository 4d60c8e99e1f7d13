from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from toy_bank import TOP_K, attended, batch, memory_model, run, samples

from msa_bench.training.batch import Batch
from msa_bench.training.layout import Chunks
from msa_bench.training.shared_bank import Attended


def influence(made: Batch, dials: Attended) -> Tensor:
    """How much the pooled values of every document count for the language loss of each sample, `[samples, documents]`;
    0 where a document is not attended."""
    model = memory_model(router_layers=(3,))
    kept: list[list[Tensor]] = []
    logits: list[Tensor] = []
    of, project = Chunks.of, model.decoder.logits

    def keeping(chunks: Chunks, documents: Tensor, means: Sequence[Tensor]) -> Tensor:
        kept.append([part.detach().requires_grad_(True) for part in means])
        return of(chunks, documents, kept[-1])

    def spy(hidden: Tensor) -> Tensor:
        logits.append(project(hidden))
        return logits[-1]

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Chunks, "of", keeping)
        patched.setattr(model.decoder, "logits", spy)
        run(model.decoder, made, dials)
    losses = F.cross_entropy(torch.cat(logits), made.label, reduction="none")
    found = []
    for row in samples(made):
        loss = losses[made.learned & (made.target_sample == row)].mean()
        gradients = torch.autograd.grad(loss, kept[-1], retain_graph=True)
        found.append(torch.cat([gradient.abs().sum((1, 2, 3)) for gradient in gradients]))
    return torch.stack(found)


@pytest.mark.parametrize("documents", [1, 2, TOP_K])
def test_as_many_documents_are_attended_as_the_curriculum_says(documents: int) -> None:
    made = batch()
    seen = influence(made, attended(documents, forced=False)) > 1e-9
    assert (seen.sum(1) == documents).all()


@pytest.mark.parametrize("documents", [1, TOP_K])
def test_forced_gold_documents_are_among_the_attended(documents: int) -> None:
    made = batch()
    seen = influence(made, attended(documents, forced=True)) > 1e-9
    gold = [[place for place in made.gold[row].tolist() if place >= 0] for row in samples(made)]
    assert any(gold)
    for row, places in enumerate(gold):
        assert seen[row, places].all()
    assert (seen.sum(1) == documents).all()


def test_every_sample_has_a_curriculum_of_its_own() -> None:
    made, dials = batch(), attended(TOP_K, forced=False)
    dials.documents[samples(made)[::2]] = 1
    seen = influence(made, dials) > 1e-9
    assert seen.sum(1).tolist() == [TOP_K if place % 2 else 1 for place in range(len(seen))]
