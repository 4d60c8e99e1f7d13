from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest
import tiny
import torch
from torch import Tensor

from msa_bench.generation.answer import Answerer, Asked, Case, asked
from msa_bench.generation.decode import Session
from msa_bench.generation.interleave import Interleave, Limits, Switches
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_corpus
from msa_bench.model.backbone import Backbone
from msa_bench.model.passes import Recall

TEXTS = (*tiny.TEXTS, *(f"Box number {number} has the code {number * 7919}." for number in range(12)))
QUESTIONS = ("Which box is red?", "What is the code of box number 3, and of the boxes after it?", "Rain?", "Why?")
LIMITS = Limits(documents_per_round=3, rounds=3, round_tokens=24, answer_tokens=7)


@pytest.fixture(scope="module")
def memory() -> tuple[Backbone, MemoryBank]:
    model = tiny.model(top_k=3)
    return model, encode_corpus(model, tiny.corpus(*TEXTS))


def seen(text: str, hidden: frozenset[int] = frozenset()) -> Asked:
    return asked(text, hidden, lambda number: TEXTS[number], len(TEXTS))


def answers(
    memory: tuple[Backbone, MemoryBank],
    questions: Sequence[Asked],
    batch_size: int = 8,
    constrained: bool = True,
    switches: Switches | None = None,
    limits: Limits = LIMITS,
) -> list[Case]:
    """Finished cases by question."""
    model, bank = memory
    machine = Interleave(model.tokenizer, limits, switches or Switches())
    found = Answerer(model, bank, machine, constrained, batch_size).answer(questions)
    return sorted(found, key=lambda case: case.index)


def told(case: Case) -> tuple[object, ...]:
    """What a case ended with, but for the time it took."""
    return case.index, case.state, case.ranking, case.tokens_in, case.tokens_out


@pytest.mark.parametrize("constrained", [True, False])
def test_questions_answered_together_are_answered_as_alone(
    memory: tuple[Backbone, MemoryBank], constrained: bool
) -> None:
    questions = [seen(text, frozenset({place})) for place, text in enumerate(QUESTIONS)]
    together = answers(memory, questions, constrained=constrained)
    for batch_size in (1, 3):
        apart = answers(memory, questions, batch_size, constrained)
        assert [told(case) for case in apart] == [told(case) for case in together]
    assert not constrained or len({case.tokens_out for case in together}) > 1


def test_retrieval_cannot_be_ended_while_a_question_looks_again(
    memory: tuple[Backbone, MemoryBank], monkeypatch: pytest.MonkeyPatch
) -> None:
    end, feed, start = memory[0].tokenizer.control.end_of_retrieve[0], Session.feed, Interleave.start

    @torch.inference_mode()
    def ending(self: Session, tokens: Sequence[Sequence[int]], recall: Recall | None = None) -> Tensor:
        logits = feed(self, tokens, recall)
        logits[:, end] += 1e4
        return logits

    monkeypatch.setattr(Session, "feed", ending)
    assert [case.state.rounds for case in answers(memory, [seen(text) for text in QUESTIONS])] == [0] * len(QUESTIONS)
    monkeypatch.setattr(Interleave, "start", lambda self, question: replace(start(self, question), looking=True))
    found = answers(memory, [seen(text) for text in QUESTIONS])
    assert [case.state.rounds for case in found] == [1] * len(QUESTIONS)
    assert all(case.state.documents for case in found)


def test_a_finished_question_leaves_the_batch(
    memory: tuple[Backbone, MemoryBank], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows: list[int] = []
    feed = Session.feed

    def counted(self: Session, tokens: Sequence[Sequence[int]], recall: Recall | None = None) -> Tensor:
        rows.append(len(tokens))
        return feed(self, tokens, recall)

    monkeypatch.setattr(Session, "feed", counted)
    found = answers(memory, [seen(text) for text in QUESTIONS])
    # Every row of every step wrote a token that a question kept count of: nobody is decoded for nothing.
    assert sum(rows) == sum(case.tokens_out for case in found)
    assert len(set(rows)) > 1


def test_prompts_of_about_one_length_are_read_together(
    memory: tuple[Backbone, MemoryBank], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[list[int]] = []
    feed = Session.feed

    def noted(self: Session, tokens: Sequence[Sequence[int]], recall: Recall | None = None) -> Tensor:
        if recall is not None:
            read.append(sorted(map(len, tokens)))
        return feed(self, tokens, recall)

    monkeypatch.setattr(Session, "feed", noted)
    answers(memory, [seen(text) for text in (*QUESTIONS, *QUESTIONS)], batch_size=2)
    first = sorted(len(Interleave(memory[0].tokenizer).start(text).prompt.tokens) for text in (*QUESTIONS, *QUESTIONS))
    # All eight are open at once, so no first round waits for, or is padded to, a prompt that holds documents.
    assert sorted(length for batch in read[:4] for length in batch) == first
    assert max(map(max, read[4:])) > 2 * max(first)


def test_documents_are_routed_to_named_and_shown_only_where_a_question_may_see_them(
    memory: tuple[Backbone, MemoryBank],
) -> None:
    hidden = frozenset(range(0, len(TEXTS), 2))
    for constrained in (True, False):
        for case in answers(memory, [seen(text, hidden) for text in QUESTIONS], constrained=constrained):
            assert not hidden & {*case.ranking, *case.state.documents}
    constrained_cases = answers(memory, [seen(text, hidden) for text in QUESTIONS])
    assert any(case.state.documents for case in constrained_cases)


def test_a_question_that_may_see_nothing_is_still_answered(memory: tuple[Backbone, MemoryBank]) -> None:
    nothing = seen(QUESTIONS[1], frozenset(range(len(TEXTS))))
    alone = answers(memory, [nothing])[0]
    assert alone.ranking == []
    assert alone.state.documents == ()
    assert alone.state.answering
    beside = answers(memory, [seen(QUESTIONS[0]), nothing])[1]
    assert told(beside)[1:] == told(alone)[1:]


def test_only_documents_a_round_routed_to_can_be_named(memory: tuple[Backbone, MemoryBank]) -> None:
    model, bank = memory
    hidden = frozenset(range(len(TEXTS))) - {2, 9}
    for case in answers(memory, [seen(text, hidden) for text in QUESTIONS]):
        assert set(case.state.documents) <= {2, 9}
    assert bank.msa.top_k == model.config.msa.top_k == 3


def test_no_bound_is_passed_and_every_bound_hit_is_recorded(memory: tuple[Backbone, MemoryBank]) -> None:
    counted: Counter[str] = Counter()
    for seed in range(4):
        model = tiny.model(seed=seed, top_k=8)
        bank = encode_corpus(model, tiny.corpus(*TEXTS))
        for limits in (LIMITS, replace(LIMITS, round_tokens=5, rounds=1), replace(LIMITS, rounds=8)):
            for case in answers((model, bank), [seen(text) for text in QUESTIONS], limits=limits):
                state = case.state
                assert state.answering
                assert state.rounds <= limits.rounds
                assert all(len(ids) <= limits.documents_per_round for ids in state.round_documents)
                # What was read in one round is not offered again.
                assert sum(map(len, state.round_documents)) == len(state.documents)
                assert ("rounds" in state.bounds) == (state.rounds == limits.rounds)
                stopped = state.answer_tokens[-1] in model.tokenizer.stop_ids
                assert stopped or len(state.answer_tokens) == limits.answer_tokens
                assert ("answer_tokens" in state.bounds) == (not stopped)
                counted.update(state.bounds)
    assert counted.keys() == {"documents_per_round", "rounds", "round_tokens", "answer_tokens"}


@pytest.mark.parametrize("switches", [Switches(interleave=False), Switches(original_text=False)])
def test_ablations_are_answered_too(memory: tuple[Backbone, MemoryBank], switches: Switches) -> None:
    for case in answers(memory, [seen(text) for text in QUESTIONS], switches=switches):
        assert case.state.answering
        assert switches.interleave or case.state.rounds <= 1


class Scripted(Answerer):
    """An answerer whose model writes a script instead of its own choice."""

    def _choose(self, logits: Tensor, cases: Sequence[Case]) -> list[int]:
        return [SCRIPT[case.tokens_out] for case in cases]


REFERENCES_END, STOP = tiny.token_id("<|object_ref_end|>"), tiny.token_id("<|im_end|>")
SCRIPT = [
    *tiny.tokenizer().encode("[5]"),
    REFERENCES_END,
    *tiny.tokenizer().control.end_of_retrieve,
    *tiny.tokenizer().encode("box"),
    STOP,
]


def test_tokens_in_are_the_prompts_of_every_round_and_what_is_inserted(memory: tuple[Backbone, MemoryBank]) -> None:
    model, bank = memory
    machine = Interleave(model.tokenizer, Limits())
    case = next(Scripted(model, bank, machine).answer([seen(QUESTIONS[0])]))
    tokens = model.tokenizer.encode
    first = len(machine.start(QUESTIONS[0]).prompt.tokens)
    second = first + len(tokens("[5]")) + 1 + len(tokens(f"[5]. {TEXTS[5]}\n")) + 1
    inserted = 1 + len(tokens(f"The user's question is: {QUESTIONS[0]}\n")) + 1
    assert case.tokens_in == first + second + inserted
    assert case.tokens_out == len(SCRIPT)
    assert machine.answer_text(case.state) == "box"
    assert case.state.documents == (5,)


def test_what_is_inserted_is_read_causally(memory: tuple[Backbone, MemoryBank]) -> None:
    """Tokens appended together, beside rows that append one, are read as if each were appended alone."""
    decoder = memory[0].decoder
    rows = [list(range(10, 30)), list(range(40, 45))]
    together, alone = Session(decoder, 2, 64, 5), Session(decoder, 1, 64, 5)
    together.feed(rows)
    many = together.feed([[7, 8, 9], [50]])
    alone.feed([rows[0]])
    for token in (7, 8, 9):
        one = alone.feed([[token]])
    torch.testing.assert_close(many[0], one[0])


def test_an_id_outside_the_corpus_has_no_text() -> None:
    one = seen("", frozenset({2}))
    assert [one.text_of(number) for number in (-1, 2, len(TEXTS), 10**18)] == [None] * 4
    assert one.text_of(0) == TEXTS[0]
