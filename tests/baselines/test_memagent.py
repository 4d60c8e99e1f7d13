from __future__ import annotations

import pytest

from baselines.memagent import MemAgent
from msa_bench.contracts import Question, SystemRequest
from msa_bench.errors import UserError

from .conftest import ListCorpus, Reader


def _request(**ablations: str) -> SystemRequest:
    return SystemRequest(model="toy", max_answer_tokens=10, ablations=ablations)


def _system(corpus: ListCorpus, **ablations: str) -> MemAgent:
    system = MemAgent(_request(**ablations))
    system.index(corpus)
    return system


def test_every_chunk_is_read_with_the_note_before_it_and_the_answer_sees_the_last_note_alone(reader: Reader) -> None:
    reader.window = 600
    corpus = ListCorpus(["abcdefgh", "ijkl", "theirs"], private_ids=(2,))
    (answer,) = _system(corpus, chunk="6", note="9").answer([Question("q", "Which?", (), answer_prefix="It")])
    prompts = ["".join(chr(token) if token >= 0 else "|" for token in call[0]) for call in reader.calls]
    sections = [prompt.split("section of the text:\n")[1].split("\n\nWrite")[0] for prompt in prompts[:-1]]
    notes = [prompt.split("note so far:\n")[1].split("\n\nThe next")[0] for prompt in prompts[:-1]]
    assert "".join(sections) == "abcdefgh\nijkl\n"
    assert sections == ["abcdef", "gh\nijk", "l\n"]
    # The fake model writes the last three characters of its prompt.
    assert notes == ["(nothing yet)", "se.", "se."]
    assert prompts[-1] == "|What you noted while you read the text:\nse.\nWhich?||It"
    assert answer.tokens_in == sum(len(call[0]) for call in reader.calls)
    assert answer.notes == ("read in 3 sections of 6 tokens",)
    assert answer.seconds > 4 * 0.5


def test_questions_that_see_less_finish_earlier(reader: Reader) -> None:
    reader.window = 600
    corpus = ListCorpus(["abcdef", "x" * 20], private_ids=(1,))
    questions = [Question("a", "A?", ()), Question("b", "B?", (), own_ids=(1,), replaced_ids=(0,))]
    answers = {one.question_id: one for one in _system(corpus, chunk="7").answer(questions)}
    assert answers["a"].notes == ("read in 1 sections of 7 tokens",)
    assert answers["b"].notes == ("read in 3 sections of 7 tokens",)


def test_an_empty_memory_leaves_the_question_and_an_empty_note(reader: Reader) -> None:
    reader.window = 600
    (answer,) = _system(ListCorpus([])).answer([Question("q", "Which?", ())])
    assert reader.text() == "|What you noted while you read the text:\n(nothing yet)\nWhich?||"
    assert answer.documents == ()


@pytest.mark.parametrize(("key", "value"), [("chunk", "0"), ("chunk", "x"), ("note", "500")])
def test_a_chunk_or_note_that_does_not_fit_the_window_is_refused(reader: Reader, key: str, value: str) -> None:
    with pytest.raises(UserError, match=f"{key}={value} is not possible"):
        MemAgent(_request(**{key: value}))


def test_a_question_too_long_for_a_chunk_beside_it_is_named(reader: Reader) -> None:
    with pytest.raises(UserError, match="Question 'q' and a chunk take"):
        list(_system(ListCorpus(["abc"])).answer([Question("q", "w" * 100, ())]))
