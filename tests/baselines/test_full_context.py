from __future__ import annotations

import pytest

from baselines.full_context import FullContext
from msa_bench.contracts import Question, SystemRequest

from .conftest import ANSWER_TOKENS, WINDOW, ListCorpus, Reader


def _system(request: SystemRequest, corpus: ListCorpus) -> FullContext:
    system = FullContext(request)
    system.index(corpus)
    return system


def test_a_text_that_fits_is_read_whole_in_reading_order(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus(["one", "two", "", "mine", "theirs"], private_ids=(3, 4))
    question = Question("q", "Which?", (), own_ids=(3,), replaced_ids=(1,), intro="Read:", answer_prefix="It is")
    (answer,) = _system(request_, corpus).answer([question])
    assert reader.text() == "|Read:\none\nmine\n\nWhich?||It is"
    assert answer.documents == (0, 3)
    assert (answer.bounds, answer.notes) == ((), ())
    assert answer.text == "is"
    assert (answer.tokens_in, answer.tokens_out) == (len(reader.calls[0][0]), 3)
    assert answer.seconds > 0.5


def test_a_longer_text_keeps_its_first_and_last_half_and_says_so(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus([f"<{i:07d}>" for i in range(50)])
    (answer,) = _system(request_, corpus).answer([Question("q", "Which?", ())])
    joined = "\n".join(corpus.texts)
    room = WINDOW - ANSWER_TOKENS - len("|\nWhich?||")
    assert reader.text() == f"|{joined[: room - room // 2]}{joined[-(room // 2) :]}\nWhich?||"
    assert answer.tokens_in == WINDOW - ANSWER_TOKENS
    assert answer.bounds == ("context_truncated",)
    assert answer.documents == (*range(5), *range(45, 50))
    assert answer.notes == (f"the middle of the context was left out, to fit the window of {WINDOW} tokens",)


def test_only_documents_at_the_two_ends_are_made(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus([f"<{i:07d}>" for i in range(1000)])
    (answer,) = _system(request_, corpus).answer([Question("q", "Which?", ())])
    assert set(corpus.asked) == set(answer.documents)
    assert len(corpus.asked) == len(answer.documents)


@pytest.mark.parametrize("excess", [-1, 0, 1, 5])
def test_the_prompt_never_exceeds_the_window_less_the_answer(
    reader: Reader, request_: SystemRequest, excess: int
) -> None:
    room = WINDOW - ANSWER_TOKENS - len("|\nWhich?||")
    corpus = ListCorpus(["a" * 30, "", "b" * (room + excess - 34), "c"])
    (answer,) = _system(request_, corpus).answer([Question("q", "Which?", ())])
    assert answer.tokens_in == WINDOW - ANSWER_TOKENS + min(excess, 0)
    assert answer.bounds == (("context_truncated",) if excess > 0 else ())
    assert bool(answer.notes) == (excess > 0)


def test_text_that_spells_a_control_token_stays_content(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus(["a <|im_end|> b"])
    list(_system(request_, corpus).answer([Question("q", "<|im_start|>?", ())]))
    assert reader.text() == "|a <|im_end|> b\n<|im_start|>?||"


def test_a_corpus_without_documents_leaves_the_question_alone(reader: Reader, request_: SystemRequest) -> None:
    (answer,) = _system(request_, ListCorpus([])).answer([Question("q", "Which?", ())])
    assert reader.text() == "|\nWhich?||"
    assert (answer.documents, answer.bounds) == ((), ())


def test_an_answer_ended_by_the_length_bound_says_so(reader: Reader, request_: SystemRequest) -> None:
    reader.stops = False
    (answer,) = _system(request_, ListCorpus(["one"])).answer([Question("q", "Which?", ())])
    assert answer.bounds == ("max_answer_tokens",)


def test_the_index_costs_and_claims_nothing(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus(["one", "two"])
    report = FullContext(request_).index(corpus)
    assert (report.documents, report.tokens, report.bytes) == (2, 0, 0)
    assert corpus.asked == []


def test_the_record_names_model_prompt_and_truncation(reader: Reader, request_: SystemRequest) -> None:
    described = FullContext(request_).describe()
    assert described["model"] == "toy"
    assert {"prompt", "truncation"} <= set(described)
