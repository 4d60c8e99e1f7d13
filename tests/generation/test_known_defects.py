"""What goes wrong in the released engine, shown not to go wrong here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
import tiny
import torch
from torch import Tensor

from msa_bench.generation.answer import Answerer, Asked, Case
from msa_bench.generation.decode import Session
from msa_bench.generation.interleave import Interleave, Limits
from msa_bench.memory.encode import encode_corpus
from msa_bench.memory.recall import BankRecall, routing_mask
from msa_bench.model.backbone import Backbone
from msa_bench.model.passes import template_pass
from msa_bench.model.prompts import ROUTES, answer_turn, template_head

TOKENIZER = tiny.tokenizer()
END = TOKENIZER.control.references_end
DONE = [*TOKENIZER.control.end_of_retrieve]
STOP = TOKENIZER.control.turn_end


def text_of(number: int) -> str | None:
    return tiny.TEXTS[number] if 0 <= number < len(tiny.TEXTS) else None


def asked(text: str, hidden: Sequence[int] = ()) -> Asked:
    return Asked(text, frozenset(hidden), lambda number: None if number in hidden else text_of(number))


@dataclass(frozen=True)
class Scripted(Answerer):
    """Writes what `scripts` says for each question, whatever the model would."""

    scripts: dict[str, list[int]] = field(default_factory=dict)
    logits: dict[str, list[Tensor]] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)

    def _choose(self, logits: Tensor, cases: Sequence[Case]) -> list[int]:
        self.rows.append(len(cases))
        for row, case in enumerate(cases):
            self.logits.setdefault(case.asked.text, []).append(logits[row])
        return [self.scripts[case.asked.text].pop(0) for case in cases]


def scripted(scripts: dict[str, list[int]], limits: Limits | None = None, **settings: object) -> Scripted:
    model: Backbone = tiny.model(**settings)
    machine = Interleave(TOKENIZER, limits or Limits())
    return Scripted(model, encode_corpus(model, tiny.corpus()), machine, constrained=False, scripts=scripts)


def spelled(*ids: int) -> list[int]:
    return [*TOKENIZER.encode("".join(f"[{number}]" for number in ids)), END]


def test_a_finished_row_collects_nothing_more_and_leaves_the_batch() -> None:
    answer = TOKENIZER.encode("It is red.")
    answerer = scripted(
        {
            "quick": [*spelled(1), *DONE, *answer, STOP],
            "slow": [*spelled(3, 4, 2, 0, 3, 4), *DONE, *answer, STOP],
        }
    )
    cases = {case.asked.text: case for case in answerer.answer([asked("quick"), asked("slow")])}
    assert cases["quick"].state.documents == (1,)
    assert cases["slow"].state.documents == (0, 2, 3, 4)
    assert TOKENIZER.decode(cases["quick"].state.answer_tokens) == "It is red."
    first_round = len(spelled(1)), len(spelled(3, 4, 2, 0, 3, 4))
    assert answerer.rows[: first_round[1]] == [2] * first_round[0] + [1] * (first_round[1] - first_round[0])
    assert not any(answerer.scripts.values())


@pytest.mark.parametrize("batch_size", [2, 5])
def test_a_question_is_answered_in_a_batch_as_it_is_alone(batch_size: int) -> None:
    model = tiny.model(seed=3)
    bank = encode_corpus(model, tiny.corpus())
    machine = Interleave(TOKENIZER, Limits(documents_per_round=3, rounds=3, round_tokens=24, answer_tokens=6))
    everything = range(len(tiny.TEXTS))
    questions = [
        asked("What is the code of the red box?"),
        asked("Who?", hidden=[2]),
        asked("Which river did the heron stand in until the evening came?"),
        asked("Nothing can be seen.", hidden=everything),
        asked("What is the code of the blue box?", hidden=[0, 1]),
    ]

    def answers(size: int) -> list[tuple[object, ...]]:
        cases = sorted(Answerer(model, bank, machine, batch_size=size).answer(questions), key=lambda case: case.index)
        return [
            (case.state.documents, case.state.answer_tokens, case.state.bounds, case.ranking, case.tokens_out)
            for case in cases
        ]

    alone, together = answers(1), answers(batch_size)
    assert alone == together
    assert alone[3][0] == ()
    assert not {0, 1} & set(alone[4][0])  # type: ignore[call-overload]


@pytest.mark.parametrize(("documents", "top_k"), [(1, 3), (3, 3), (4, 3)])
def test_fewer_documents_than_are_wanted_are_all_attended(documents: int, top_k: int) -> None:
    model = tiny.model(top_k=top_k)
    bank = encode_corpus(model, tiny.corpus(*tiny.TEXTS[:documents]))
    machine = Interleave(TOKENIZER, Limits(rounds=2, round_tokens=12, answer_tokens=3))
    [case] = Answerer(model, bank, machine).answer([asked("What is the code of the red box?")])
    assert len(case.ranking) == documents
    routes = torch.ones(1, 2, dtype=torch.bool)
    recall = BankRecall(bank, routes, [()], top_k)
    context = recall(model.decoder.layers[2], torch.randn(1, 4, 2, 8))
    chosen = recall.selections[2][0].sort().values
    assert len(chosen) == min(documents, top_k)
    rows = torch.cat([torch.arange(bank.offsets[one], bank.offsets[one + 1]) for one in chosen.tolist()])
    assert torch.equal(context.keys[0], bank.pooled(2).keys[rows].transpose(0, 1))


@pytest.mark.parametrize("bound", [1, 5])
def test_an_answer_has_as_many_tokens_as_the_bound_and_keeps_the_last(bound: int) -> None:
    words = TOKENIZER.encode("one two three four five six seven")
    answerer = scripted({"q": [*DONE, *words]}, Limits(answer_tokens=bound))
    [case] = answerer.answer([asked("q")])
    assert list(case.state.answer_tokens) == words[:bound]
    assert case.state.bounds == ("answer_tokens",)
    assert answerer.scripts["q"] == words[bound:], "as many steps as tokens"
    assert case.tokens_out == len(DONE) + bound


def test_a_round_is_bounded_by_its_length_not_by_its_token_ids() -> None:
    limit = len(DONE) + 5
    answerer = scripted({"q": [END - 4] * limit + [*DONE, STOP]}, Limits(round_tokens=limit))
    [case] = answerer.answer([asked("q")])
    assert case.state.bounds == ("round_tokens",)
    assert case.state.rounds == 1


def test_the_inserted_answer_turn_is_attended_causally() -> None:
    answerer = scripted({"q": [*DONE, STOP]})
    assert len(list(answerer.answer([asked("q")]))) == 1
    model, prompt = answerer.model, answerer.machine.start("q").prompt
    head = template_pass(model.decoder, template_head(TOKENIZER))
    session = Session(model.decoder, 1, 8, head[0][0].shape[1] + answerer.bank.msa.top_k, head)
    recall = BankRecall(answerer.bank, routing_mask([prompt.roles], ROUTES), [()], answerer.bank.msa.top_k)
    session.feed([prompt.tokens], recall)
    for token in [*DONE, *answer_turn(TOKENIZER, "q")]:
        one_by_one = session.feed([[token]])
    assert len(answerer.logits["q"]) == len(DONE) + 1
    assert (answerer.logits["q"][-1] - one_by_one[0]).abs().max() < 1e-4
