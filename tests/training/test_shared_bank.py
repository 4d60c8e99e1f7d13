from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from toy_bank import HEAD, PLAN, TOP_K, absent, attended, batch, memory_model, run, samples

from msa_bench.generation.decode import Session
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_window
from msa_bench.memory.recall import BankRecall
from msa_bench.model.backbone import Backbone
from msa_bench.model.decoder import Decoder
from msa_bench.model.passes import template_pass
from msa_bench.model.prompts import template_head
from msa_bench.training import shared_bank
from msa_bench.training.adapter import Adapter, install
from msa_bench.training.batch import Batch
from msa_bench.training.shared_bank import Attended


class Spied:
    """What a training pass computed on its way: `scores` by layer, `logits` of the learned tokens by sample, and the
    outcome. Documents are those that rows hold, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, model: Backbone, made: Batch, dials: Attended) -> None:
        scores: list[Tensor] = []
        logits: list[Tensor] = []
        loss, project = shared_bank.aux_loss, model.decoder.logits

        def spy_loss(method: str, found: Tensor, *rest: Any) -> Tensor:
            scores.append(found)
            return loss(method, found, *rest)

        def spy_logits(hidden: Tensor) -> Tensor:
            logits.append(project(hidden))
            return logits[-1]

        with monkeypatch.context() as patched:
            patched.setattr(shared_bank, "aux_loss", spy_loss)
            patched.setattr(model.decoder, "logits", spy_logits)
            self.outcome = run(model.decoder, made, dials)
        held = made.document_lengths > 0
        self.scores = [each[samples(made)][:, held] for each in scores]
        every = torch.cat(logits)
        self.logits = [every[made.learned & (made.target_sample == row)] for row in samples(made)]


def texts(made: Batch) -> list[list[int]]:
    """Tokens of documents, then of samples, row by row; nothing for rows that hold nothing."""
    plan, start, found = made.plan, 0, []
    widths = [width for count, width in (*plan.bank, *plan.samples) for _ in range(count)]
    for width, length in zip(widths, torch.cat((made.document_lengths, made.sample_lengths)).tolist(), strict=True):
        found.append(made.ids[made.token[start : start + length]].tolist())
        start += width
    return found


def remembered(model: Backbone, made: Batch) -> MemoryBank:
    """The bank inference makes of the documents of a batch, in their order."""
    bank = MemoryBank(model.config, model.device, model.dtype)
    list(encode_window(model, bank, [text for text in texts(made)[: len(made.document_lengths)] if text]))
    return bank


class Generated:
    """What generation computes for the samples of a batch: all prompts prefilled together, then token by token."""

    def __init__(self, model: Backbone, made: Batch) -> None:
        tokens = [text for text in texts(made)[len(made.document_lengths) :] if text]
        targets = []
        for row, text in zip(samples(made), tokens, strict=True):
            count = int((made.learned & (made.target_sample == row)).sum())
            places = made.positions[made.target[made.learned & (made.target_sample == row)]] - (HEAD + TOP_K) + 1
            assert len(places) == count
            assert [text[place] for place in places] == made.label[made.learned & (made.target_sample == row)].tolist()
            targets.append(places.tolist())
        prompts = [ids[: learned[0]] for ids, learned in zip(tokens, targets, strict=True)]
        width = max(map(len, prompts))
        routes = torch.zeros(len(prompts), width, dtype=torch.bool)
        starts = [0]
        for count, wide in PLAN.samples:
            starts += [starts[-1] + wide * (place + 1) for place in range(count)]
        for place, row in enumerate(samples(made)):
            size = len(prompts[place])
            routes[place, width - size :] = made.routes[starts[row] : starts[row] + size]
        bank = remembered(model, made)
        recall = BankRecall(bank, routes, [frozenset()] * len(prompts), bank.msa.top_k)
        head = template_pass(model.decoder, template_head(model.tokenizer))
        session = Session(model.decoder, len(prompts), 8, head[0][0].shape[1] + bank.msa.top_k, head)
        logits = [[row] for row in session.feed(prompts, recall)]
        self.selections = recall.selections
        self.rankings = [recall.ranking(row) for row in range(len(prompts))]
        longest = max(learned[-1] for learned in targets)
        for further in range(longest - min(map(len, prompts))):
            following = [
                [ids[min(len(prompt) + further, len(ids) - 1)]] for ids, prompt in zip(tokens, prompts, strict=True)
            ]
            for place, row in enumerate(session.feed(following)):
                logits[place].append(row)
        self.logits = [
            torch.stack([found[column - len(prompt)] for column in learned])
            for found, learned, prompt in zip(logits, targets, prompts, strict=True)
        ]


@pytest.mark.parametrize(("similarity", "each"), [("cosine", 1), ("dot", 1), ("cosine", 4)])
def test_a_sample_is_computed_as_generation_computes_it(
    monkeypatch: pytest.MonkeyPatch, similarity: str, each: int
) -> None:
    """Documents chosen, their ranking and the logits of every learned token, positions included."""
    model, made = memory_model(similarity=similarity, keys_per_chunk=each), batch()
    assert len(samples(made)) > 6
    trained, generated = Spied(monkeypatch, model, made, attended(TOP_K, forced=False)), Generated(model, made)
    for scores, selection in zip(trained.scores, generated.selections.values(), strict=True):
        assert [set(row.tolist()) for row in scores.topk(TOP_K, dim=1).indices] == [
            set(ids.tolist()) for ids in selection
        ]
    total = torch.stack(trained.scores).sum(0)
    for row, ranking in enumerate(generated.rankings):
        assert total[row].argsort(descending=True).tolist()[: len(ranking)] == ranking
    for ours, theirs in zip(trained.logits, generated.logits, strict=True):
        assert (ours - theirs).abs().max() < 1e-3 * theirs.abs().max()


def test_recall_is_the_share_of_gold_documents_that_generation_ranks_first() -> None:
    """One gold document at rank 2 and one at a rank between 1 and 5, of which the first three count."""
    model, made = memory_model(), batch()
    held = (made.document_lengths > 0).nonzero()[:, 0].tolist()
    shares = []
    for place, (row, ranking) in enumerate(zip(samples(made), Generated(model, made).rankings, strict=True)):
        made.gold[row] = -1
        chosen = {held[ranking[1]], held[ranking[place % 5]]}
        made.gold[row, : len(chosen)] = torch.tensor(sorted(chosen))
        shares.append(1.0 if place % 5 < TOP_K else 0.5)
    recalled = run(model.decoder, made, attended(TOP_K, forced=False)).recalled
    assert recalled[samples(made)].tolist() == shares


def test_the_scores_do_not_depend_on_what_is_forced_in_the_first_router_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    model, made = memory_model(), batch()
    free, forced = (Spied(monkeypatch, model, made, attended(TOP_K, forced=force)) for force in (False, True))
    assert torch.equal(free.scores[0], forced.scores[0])
    assert not torch.equal(free.scores[1], forced.scores[1]), "what is attended below shows above"


def adapted() -> tuple[Decoder, Adapter]:
    decoder = memory_model().decoder
    adapter = Adapter(decoder, rank=4)
    with torch.no_grad():
        for name, parameter in adapter.named_parameters():
            if name.endswith("up"):
                parameter.normal_(std=0.02)
    install(decoder, adapter.weights(torch.float32))
    return decoder, adapter


def test_the_losses_reach_every_parameter_of_the_adapter() -> None:
    decoder, adapter = adapted()
    outcome = run(decoder, batch(), attended(TOP_K, forced=True))
    (outcome.lm_loss + outcome.aux_loss).backward()  # type: ignore[no-untyped-call]
    still = [
        name
        for name, parameter in adapter.named_parameters()
        if parameter.grad is None or not torch.isfinite(parameter.grad).all() or parameter.grad.abs().max() == 0
    ]
    assert not still


def test_the_router_learns_from_the_auxiliary_loss_alone() -> None:
    decoder, adapter = adapted()
    outcome = run(decoder, batch(), attended(TOP_K, forced=False))
    routers = {name: parameter for name, parameter in adapter.named_parameters() if "router" in name}
    assert len(routers) == 4
    through_text = torch.autograd.grad(outcome.lm_loss, list(routers.values()), retain_graph=True, allow_unused=True)
    assert all(gradient is None or gradient.abs().max() == 0 for gradient in through_text)
    through_scores = torch.autograd.grad(outcome.aux_loss, list(routers.values()))
    assert all(gradient.abs().max() > 0 for gradient in through_scores)


def test_samples_without_gold_documents_add_nothing_to_the_auxiliary_loss() -> None:
    decoder = memory_model().decoder
    nothing = run(decoder, batch(absent), attended(TOP_K, forced=False))
    assert nothing.aux_loss == 0
    assert not nothing.naming.any()
    made = batch()
    with_them = run(decoder, made, attended(TOP_K, forced=False))
    answering = [row for row in samples(made) if not with_them.naming[row]]
    assert answering
    other_ids = made.ids.clone()
    start = int(made.document_lengths.sum()) + HEAD
    for row, length in enumerate(made.sample_lengths.tolist()):
        if row in answering:
            other_ids[start : start + length] = 7
        start += length
    others = run(decoder, made.having({"ids": other_ids}), attended(TOP_K, forced=False))
    assert torch.isclose(with_them.aux_loss, others.aux_loss, rtol=1e-4)
    assert not torch.isclose(with_them.lm_loss, others.lm_loss, rtol=1e-4)


def test_what_a_later_step_names_is_sought_with_what_this_one_names_and_told_from_neither() -> None:
    decoder = memory_model().decoder
    made = batch()
    assert (made.ahead >= 0).any()
    alone = run(decoder, made.having({"ahead": torch.full_like(made.ahead, -1)}), attended(TOP_K, forced=False))
    sought = run(decoder, made, attended(TOP_K, forced=False))
    both = torch.where(made.gold >= 0, made.gold, made.ahead.roll(1, dims=1))
    named = run(decoder, made.having({"gold": both}), attended(TOP_K, forced=False))
    assert not torch.isclose(sought.aux_loss, alone.aux_loss, rtol=1e-4)
    assert torch.isclose(sought.aux_loss, named.aux_loss, rtol=1e-6)
    assert torch.equal(sought.recalled, alone.recalled), "recall is of what the step names"


def test_what_was_written_right_is_told_per_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first token of every sample is learned; for every other sample it is made the one the model prefers."""
    model, made = memory_model(), batch()
    first = made.learned & (made.target_sample != made.target_sample.roll(1))
    first[0] = True
    short = made.having({"learned": first})
    preferred = [found[0].argmax() for found in Spied(monkeypatch, model, short, attended(TOP_K, False)).logits]
    labels = short.label.clone()
    labels[first] = torch.stack([token if place % 2 else torch.tensor(5) for place, token in enumerate(preferred)])
    spied = Spied(monkeypatch, model, short.having({"label": labels}), attended(TOP_K, forced=False))
    assert spied.outcome.written[samples(made)].tolist() == [bool(place % 2) for place in range(len(preferred))]
    expected = torch.nn.functional.cross_entropy(torch.cat(spied.logits), labels[first])
    assert torch.isclose(spied.outcome.lm_loss, expected)


def test_the_tokens_of_padding_carry_no_gradient() -> None:
    """What stands in no row, and the slots no token stands in, change neither loss nor gradient."""
    decoder, adapter = adapted()
    made = batch()
    assert not made.real.all()
    gradients = []
    for filling in (0, 9):
        ids = torch.where(made.real, made.ids, filling)
        ids[:HEAD] = made.ids[:HEAD]
        outcome = run(decoder, made.having({"ids": ids}), attended(TOP_K, forced=True))
        loss = outcome.lm_loss + outcome.aux_loss
        gradients.append(torch.autograd.grad(loss, list(adapter.parameters()), retain_graph=True))
    for one, other in zip(*gradients, strict=True):
        assert torch.allclose(one, other, atol=1e-7)
