from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor

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
from msa_bench.training.batch import Batch, BatchPlan, Samples, make_batch
from msa_bench.training.episodes import Episode
from msa_bench.training.shared_bank import Attended, Outcome, run_batch

PLAN = BatchPlan(bank_tokens=400, questions=5, answer=1.0, retry=0.3)
TOP_K = 3


def chain(number: int) -> Episode:
    documents = (
        f"Box {number} is kept by Ann{number}.",
        f"Ann{number} lives in town {number}, and nobody has seen her there for many years and a day."
        * (1 + number % 3),
        f"Box {number} was kept by Bob{number}.",
    )
    return Episode("chain", f"Where does the keeper of box {number} live?", ((0,), (1,)), documents, "town")


def absent(number: int) -> Episode:
    return Episode("absent", f"Who is {number}?", (), (f"Nobody is {number}.",), "Not there.")


def batch(*kinds: Any) -> Batch:
    kinds = kinds or (chain, absent)
    stream: Iterator[Episode] = (kinds[number % len(kinds)](number) for number in count())
    return make_batch(tiny.tokenizer(), stream, lambda rng: f"Rain {rng.random()}.", PLAN, Random(7))


def memory_model(**settings: Any) -> Backbone:
    return tiny.model(seed=3, **({"top_k": TOP_K} | settings))


def run(decoder: Decoder, made: Batch, attended: Attended) -> Outcome:
    return run_batch(decoder, made, template_head(tiny.tokenizer()), attended)


class Spied:
    """What a training pass computed on its way: `scores` by layer and `logits` of the learned tokens, sample by sample
    over all buckets, and the outcome."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, model: Backbone, made: Batch, attended: Attended) -> None:
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
            self.outcome = run(model.decoder, made, attended)
        layers = len(model.decoder.config.msa.router_layers) if model.decoder.config.msa else 0
        self.scores = [torch.cat(scores[place::layers]) for place in range(layers)]
        self.logits = [
            logits[bucket][part.target_rows == row]
            for bucket, part in enumerate(made.samples)
            for row in range(len(part.ids))
        ]


def rows(made: Batch) -> list[tuple[Samples, int]]:
    return [(part, row) for part in made.samples for row in range(len(part.ids))]


def remembered(model: Backbone, made: Batch) -> MemoryBank:
    """The bank inference makes of the documents of a batch, in their order."""
    wrapped = [
        ids[:length].tolist()
        for part in made.documents
        for ids, length in zip(part.ids, part.lengths.tolist(), strict=True)
    ]
    bank = MemoryBank(model.config, model.device, model.dtype)
    list(encode_window(model, bank, wrapped))
    return bank


class Generated:
    """What generation computes for the samples of a batch: all prompts prefilled together, then token by token."""

    def __init__(self, model: Backbone, made: Batch) -> None:
        targets = [part.target_columns[part.target_rows == row].tolist() for part, row in rows(made)]
        tokens = [part.ids[row].tolist() for part, row in rows(made)]
        prompts = [ids[: learned[0]] for ids, learned in zip(tokens, targets, strict=True)]
        width = max(map(len, prompts))
        routes = torch.zeros(len(prompts), width, dtype=torch.bool)
        for place, (part, row) in enumerate(rows(made)):
            own = part.routes[row][: len(prompts[place])]
            start = width - len(prompts[place])
            routes[place, start : start + len(own)] = own
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


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_a_sample_is_computed_as_generation_computes_it(monkeypatch: pytest.MonkeyPatch, similarity: str) -> None:
    """Documents chosen, their ranking and the logits of every learned token, positions included."""
    model, made = memory_model(similarity=similarity), batch()
    assert sum(len(part.ids) for part in made.samples) > 6
    trained, generated = Spied(monkeypatch, model, made, Attended(TOP_K, forced=False)), Generated(model, made)
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
    shares = []
    for place, ((part, row), ranking) in enumerate(zip(rows(made), Generated(model, made).rankings, strict=True)):
        part.positives[row] = False
        part.positives[row, [ranking[1], ranking[place % 5]]] = True
        shares.append(1.0 if place % 5 < TOP_K else 0.5)
    assert run(model.decoder, made, Attended(TOP_K, forced=False)).recalled.tolist() == shares


def test_the_scores_do_not_depend_on_what_is_forced_in_the_first_router_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    model, made = memory_model(), batch()
    free, forced = (Spied(monkeypatch, model, made, Attended(TOP_K, forced=force)) for force in (False, True))
    assert torch.equal(free.scores[0], forced.scores[0])
    assert not torch.equal(free.scores[1], forced.scores[1]), "what is attended below shows above"


def influence(made: Batch, attended: Attended) -> Tensor:
    """How much the pooled values of every document count for the language loss of each sample, `[samples, documents]`;
    0 where a document is not attended."""
    model = memory_model(router_layers=(3,))
    kept: list[shared_bank.Bank] = []
    encode = shared_bank._encode

    def keeping(*arguments: Any) -> shared_bank.Bank:
        bank = encode(*arguments)
        bank.values[3] = bank.values[3].detach().requires_grad_(True)
        kept.append(bank)
        return bank

    found = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(shared_bank, "_encode", keeping)
        for part, row in rows(made):
            chosen = part.target_rows == row
            one = Samples(
                part.ids[row : row + 1], part.routes[row : row + 1], torch.zeros_like(part.target_rows[chosen]),
                part.target_columns[chosen], part.positives[row : row + 1], part.naming[row : row + 1],
                part.kinds[row : row + 1], 0,
            )  # fmt: skip
            outcome = run(model.decoder, Batch(made.documents, (one,)), attended)
            [gradient] = torch.autograd.grad(outcome.lm_loss, kept[-1].values[3])
            found.append(torch.zeros(len(kept[-1].counts)).index_add(0, kept[-1].document, gradient.abs().sum((1, 2))))
    return torch.stack(found)


@pytest.mark.parametrize("documents", [1, 2, TOP_K])
def test_as_many_documents_are_attended_as_the_curriculum_says(documents: int) -> None:
    made = batch()
    seen = influence(made, Attended(documents, forced=False)) > 0
    assert (seen.sum(1) == documents).all()


@pytest.mark.parametrize("documents", [1, TOP_K])
def test_forced_gold_documents_are_among_the_attended(documents: int) -> None:
    made = batch()
    seen = influence(made, Attended(documents, forced=True)) > 0
    positives = torch.cat([part.positives for part in made.samples])
    assert positives.any()
    assert (seen | ~positives).all()
    assert (seen.sum(1) == documents).all()


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
    outcome = run(decoder, batch(), Attended(TOP_K, forced=True))
    (outcome.lm_loss + outcome.aux_loss).backward()  # type: ignore[no-untyped-call]
    still = [
        name
        for name, parameter in adapter.named_parameters()
        if parameter.grad is None or not torch.isfinite(parameter.grad).all() or parameter.grad.abs().max() == 0
    ]
    assert not still


def test_the_router_learns_from_the_auxiliary_loss_alone() -> None:
    decoder, adapter = adapted()
    outcome = run(decoder, batch(), Attended(TOP_K, forced=False))
    routers = {name: parameter for name, parameter in adapter.named_parameters() if "router" in name}
    assert len(routers) == 4
    through_text = torch.autograd.grad(outcome.lm_loss, list(routers.values()), retain_graph=True, allow_unused=True)
    assert all(gradient is None or gradient.abs().max() == 0 for gradient in through_text)
    through_scores = torch.autograd.grad(outcome.aux_loss, list(routers.values()))
    assert all(gradient.abs().max() > 0 for gradient in through_scores)


def test_samples_without_gold_documents_add_nothing_to_the_auxiliary_loss() -> None:
    decoder = memory_model().decoder
    nothing = run(decoder, batch(absent), Attended(TOP_K, forced=False))
    assert nothing.aux_loss == 0
    assert not nothing.naming.any()
    made = batch()
    with_them = run(decoder, made, Attended(TOP_K, forced=False))
    without = Batch(made.documents, tuple(_naming_only(part) for part in made.samples if part.naming.any()))
    assert not with_them.naming.all()
    assert torch.isclose(with_them.aux_loss, run(decoder, without, Attended(TOP_K, forced=False)).aux_loss, rtol=1e-4)


def _naming_only(part: Samples) -> Samples:
    kept = part.naming.nonzero()[:, 0]
    learned = part.naming[part.target_rows]
    place = torch.zeros(len(part.ids), dtype=torch.int64)
    place[kept] = torch.arange(len(kept))
    return Samples(
        part.ids[kept], part.routes[kept], place[part.target_rows[learned]], part.target_columns[learned],
        part.positives[kept], part.naming[kept], tuple(part.kinds[row] for row in kept.tolist()), 0,
    )  # fmt: skip


def test_what_was_written_right_is_told_per_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first token of every sample is learned; for every other sample it is made the one the model prefers."""
    model, made = memory_model(), batch()
    firsts = []
    for part in made.samples:
        columns = [int(part.target_columns[part.target_rows == row].min()) for row in range(len(part.ids))]
        firsts.append(replace(part, target_rows=torch.arange(len(columns)), target_columns=torch.tensor(columns)))
    short = Batch(made.documents, tuple(firsts))
    preferred = [found[0].argmax() for found in Spied(monkeypatch, model, short, Attended(TOP_K, False)).logits]
    for place, (part, row) in enumerate(rows(short)):
        part.ids[row, part.target_columns[row]] = preferred[place] if place % 2 else 5
    spied = Spied(monkeypatch, model, short, Attended(TOP_K, forced=False))
    assert spied.outcome.written.tolist() == [bool(place % 2) for place in range(len(preferred))]
    labels = torch.cat([part.ids[part.target_rows, part.target_columns] for part in short.samples])
    assert torch.isclose(spied.outcome.lm_loss, torch.nn.functional.cross_entropy(torch.cat(spied.logits), labels))
