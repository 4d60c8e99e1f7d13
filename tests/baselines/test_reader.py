from __future__ import annotations

import pytest

from baselines.reader import Context, Frame, Piece, keep_ends, keep_start
from msa_bench.contracts import Question
from msa_bench.errors import UserError

from .conftest import CharTokenizer

PIECES = [Piece([1, 2, 3], 7), Piece([0]), Piece([4, 5], 8), Piece([0]), Piece([6, 7, 8, 9], 9)]


@pytest.mark.parametrize("budget", range(13))
def test_the_start_is_kept_to_the_token_and_names_only_documents_in_it(budget: int) -> None:
    tokens = [1, 2, 3, 0, 4, 5, 0, 6, 7, 8, 9]
    documents = tuple(document for document, first in ((7, 0), (8, 4), (9, 7)) if budget > first)
    assert keep_start(PIECES, budget) == Context(tokens[:budget], documents, truncated=budget < 11)


@pytest.mark.parametrize("budget", range(13))
def test_the_two_ends_are_kept_to_the_token(budget: int) -> None:
    tokens = [1, 2, 3, 0, 4, 5, 0, 6, 7, 8, 9]
    kept = keep_ends(PIECES, budget)
    if budget >= 11:
        assert kept == Context(tokens, (7, 8, 9), truncated=False)
    else:
        assert kept.tokens == tokens[: budget - budget // 2] + tokens[11 - budget // 2 :]
        assert kept.truncated


def test_a_document_kept_at_both_its_ends_is_named_once() -> None:
    assert keep_ends([Piece([1, 2, 3, 4, 5], 4)], 4) == Context([1, 2, 4, 5], (4,), truncated=True)
    assert keep_ends(PIECES, 4) == Context([1, 2, 8, 9], (7, 9), truncated=True)


def test_a_document_without_tokens_is_not_named() -> None:
    assert keep_start([Piece([], 0), Piece([1], 1)], 5).documents == (1,)


def test_the_prompt_holds_intro_context_question_and_prefilled_answer_in_this_order() -> None:
    question = Question("q", "Where?", (), intro="Read this.", answer_prefix="In")
    frame = Frame.of(question, CharTokenizer(), 100, 10)
    prompt = frame.prompt(CharTokenizer(), CharTokenizer().encode("Text."))
    assert "".join(chr(t) if t >= 0 else "|" for t in prompt) == "|Read this.\nText.\nWhere?||In"


def test_a_context_of_all_the_room_fills_the_window_up_to_the_answer() -> None:
    frame = Frame.of(Question("q", "Where?", (), intro="Read.", answer_prefix="In"), CharTokenizer(), 100, 10)
    assert len(frame.prompt(CharTokenizer(), [0] * frame.room)) == 90


def test_a_question_longer_than_the_window_is_refused_by_name() -> None:
    fits = Question("q-17", "x" * 86, ())
    assert Frame.of(fits, CharTokenizer(), 100, 10).room == 0
    with pytest.raises(UserError, match=r"'q-17' takes 91 tokens .* window of 100"):
        Frame.of(Question("q-17", "x" * 87, ()), CharTokenizer(), 100, 10)
