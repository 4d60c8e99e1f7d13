from __future__ import annotations

import random
from dataclasses import replace

import pytest
import tiny

from msa_bench.generation.ids import RoundGrammar
from msa_bench.generation.interleave import named_documents
from msa_bench.model.tokenizer import TextTokenizer

CANDIDATES = (1, 4, 11, 12, 123, 4711, 1234567)


def spell(grammar: RoundGrammar, chance: random.Random, steps: int = 500) -> list[int]:
    """A walk through what is allowed, up to the end of the round or of retrieval."""
    control = tiny.tokenizer().control
    written: list[int] = []
    for _ in range(steps):
        token = chance.choice(grammar.allowed())
        grammar.accept(token)
        written.append(token)
        ended = tuple(written[-len(control.end_of_retrieve) :]) == control.end_of_retrieve
        if token == control.references_end or ended:
            return written
    raise AssertionError("the round does not end")


@pytest.mark.parametrize("seed", range(20))
def test_a_round_can_only_name_candidates_each_once_and_ends(seed: int) -> None:
    control = tiny.tokenizer().control
    written = spell(RoundGrammar(tiny.tokenizer(), CANDIDATES, 99), random.Random(seed))
    if written[-1] == control.references_end:
        text = tiny.tokenizer().decode(written)
        named = named_documents(text)
        assert named
        assert set(named) <= set(CANDIDATES)
        assert text == "".join(f"[{number}]" for number in named)
    else:
        assert tuple(written) == control.end_of_retrieve


def test_every_candidate_can_be_named() -> None:
    for number in CANDIDATES:
        grammar = RoundGrammar(tiny.tokenizer(), CANDIDATES, 99)
        for token in tiny.tokenizer().encode(f"[{number}]"):
            assert token in grammar.allowed()
            grammar.accept(token)
        assert tiny.tokenizer().control.references_end in grammar.allowed()


def test_a_round_ends_when_every_candidate_is_named() -> None:
    grammar = RoundGrammar(tiny.tokenizer(), [5, 5], 99)
    for token in tiny.tokenizer().encode("[5]"):
        grammar.accept(token)
    assert grammar.allowed() == [tiny.tokenizer().control.references_end]


def test_retrieval_can_end_only_before_a_document_is_named() -> None:
    control = tiny.tokenizer().control
    grammar = RoundGrammar(tiny.tokenizer(), [5], 99)
    assert control.end_of_retrieve[0] in grammar.allowed()
    assert control.references_end not in grammar.allowed()
    for token in tiny.tokenizer().encode("[5]"):
        grammar.accept(token)
        assert control.end_of_retrieve[0] not in grammar.allowed()


def test_without_candidates_retrieval_ends_token_by_token() -> None:
    control = tiny.tokenizer().control
    grammar = RoundGrammar(tiny.tokenizer(), [], 99)
    for token in control.end_of_retrieve:
        assert grammar.allowed() == [token]
        grammar.accept(token)


def test_an_end_of_retrieval_of_one_token_ends_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    control = replace(tiny.tokenizer().control, end_of_retrieve=(tiny.token_id("<|endoftext|>"),))
    monkeypatch.setattr(TextTokenizer, "control", control)
    grammar = RoundGrammar(tiny.tokenizer(), [], 99)
    assert grammar.allowed() == [tiny.token_id("<|endoftext|>")]


def test_a_round_that_named_its_most_can_only_end() -> None:
    control = tiny.tokenizer().control
    grammar = RoundGrammar(tiny.tokenizer(), [5, 7], 1)
    for token in tiny.tokenizer().encode("[5]"):
        assert token in grammar.allowed()
        grammar.accept(token)
    assert grammar.full
    assert grammar.allowed() == [control.references_end]
