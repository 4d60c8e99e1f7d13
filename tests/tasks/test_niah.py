from __future__ import annotations

import pickle
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from msa_bench.contracts import Dataset, TaskRequest, hidden_ids
from msa_bench.errors import UserError
from msa_bench.prose import Prose
from msa_bench.registry import make_task
from tasks import extent, keys
from tasks.niah import ANSWER_TOKENS, SUBTASKS, NeedleTask

LENGTH = 8_192
NEEDLE = re.compile(r"One of the special magic (numbers|uuids) for (\S+) is: (\S+)\.")


def words_and_marks(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def quarters(text: str) -> int:
    return -(-len(text) // 4)


def load(subtask: str, **changes: Any) -> Dataset:
    given: dict[str, Any] = {"length": LENGTH, "samples": 6, "seed": 42, "count_tokens": quarters}
    return NeedleTask().load(TaskRequest(**given | changes, subtask=subtask))


@lru_cache
def loaded(subtask: str) -> Dataset:
    return load(subtask)


def needles(text: str) -> list[tuple[str, str]]:
    return [(match[2], match[3]) for match in NEEDLE.finditer(text)]


every_subtask = pytest.mark.parametrize("subtask", SUBTASKS)


def test_the_task_is_found_by_name_with_rulers_eight_subtasks() -> None:
    task = make_task("niah")
    assert isinstance(task, NeedleTask)
    assert len(task.subtasks) == 8
    assert (task.name, task.main_score) == ("niah", "string_match_all")


@every_subtask
def test_what_a_question_sees_answers_it_and_nothing_else_does(subtask: str) -> None:
    data = loaded(subtask)
    for question in data.questions:
        texts = [data.corpus[document].text for document in data.corpus.reading_order(question)]
        seen = dict.fromkeys(needle for text in texts for needle in needles(text))
        queried = [value for key, value in seen if re.search(rf"\b{re.escape(key)}\b", question.text)]
        assert sorted(queried) == sorted(question.answers)
        assert len(set(question.answers)) == SUBTASKS[subtask].values * SUBTASKS[subtask].queries


@every_subtask
def test_gold_documents_hold_the_answers_in_reading_order(subtask: str) -> None:
    data = loaded(subtask)
    for question in data.questions:
        order = list(data.corpus.reading_order(question))
        places = [order.index(document) for document in question.gold_ids]
        assert places == sorted(set(places))
        assert len(places) == len(question.answers)
        text = " ".join(data.corpus[document].text for document in question.gold_ids)
        assert all(answer in text for answer in question.answers)


@every_subtask
def test_a_length_holds_the_text_and_the_answer_with_less_than_a_document_to_spare(subtask: str) -> None:
    data = loaded(subtask)
    seen = [
        sum(quarters(data.corpus[document].text) for document in data.corpus.reading_order(question))
        for question in data.questions
    ]
    assert LENGTH - ANSWER_TOKENS - 128 < max(seen) <= LENGTH - ANSWER_TOKENS


@every_subtask
@pytest.mark.parametrize("count_tokens", [quarters, words_and_marks])
def test_no_document_is_longer_than_asked_for(subtask: str, count_tokens: Callable[[str], int]) -> None:
    data = load(subtask, count_tokens=count_tokens, doc_tokens=64)
    assert max(count_tokens(document.text) for document in data.corpus) <= 64


@every_subtask
def test_a_question_sees_its_own_documents_and_never_another_ones(subtask: str) -> None:
    data = loaded(subtask)
    everything = set(range(len(data.corpus)))
    own = [document for question in data.questions for document in question.own_ids]
    assert sorted(own) == list(data.corpus.private_ids)
    assert len(own) == len(set(own)) == 6 * SUBTASKS[subtask].needles
    for question in data.questions:
        order = data.corpus.reading_order(question)
        assert len(order) == len(set(order)) == len(everything) - len(own)
        assert set(order) == everything - hidden_ids(data.corpus, question)


def test_only_its_needles_set_a_question_apart_from_the_base() -> None:
    data = loaded("niah_multikey_1")
    base = set(range(len(data.corpus))) - set(data.corpus.private_ids)
    assert not any(needles(data.corpus[document].text) for document in base)
    for question in data.questions:
        for own, replaced in zip(question.own_ids, question.replaced_ids, strict=True):
            text = NEEDLE.sub("", data.corpus[own].text)
            assert all(part.strip() in data.corpus[replaced].text for part in text.split("  "))
            order = list(data.corpus.reading_order(question))
            assert own in order
            assert replaced not in order


def test_wording_is_rulers() -> None:
    single, several = loaded("niah_single_3").questions[0], loaded("niah_multiquery").questions[0]
    key = re.search(r"for (\S+) mentioned", single.text)
    assert key is not None
    assert single.text == f"What is the special magic uuid for {key[1]} mentioned in the provided text?"
    assert single.answer_prefix == f"The special magic uuid for {key[1]} mentioned in the provided text is"
    assert re.fullmatch(
        r"What are all the special magic numbers for \S+, \S+, \S+, and \S+ mentioned in the provided text\?",
        several.text,
    )
    assert loaded("niah_multivalue").questions[0].text.startswith("What are all the special magic numbers for ")
    assert "magic numbers are hidden" in several.intro


def test_depth_is_the_place_of_the_first_needle_and_covers_all_layers() -> None:
    data = load("niah_multivalue", samples=10)
    depths = []
    for question in data.questions:
        order = list(data.corpus.reading_order(question))
        assert question.depth == order.index(question.own_ids[0]) / (len(order) - 1)
        depths.append(question.depth)
    assert [round(depth * 10 - 0.5) for depth in sorted(depths)] == pytest.approx(range(10), abs=1)
    assert depths != sorted(depths)


def test_no_two_questions_share_a_key_and_no_distractor_has_one() -> None:
    for subtask in SUBTASKS:
        data = loaded(subtask)
        private = set(data.corpus.private_ids)
        asked = [
            {needle for own in question.own_ids for needle in needles(data.corpus[own].text)}
            for question in data.questions
        ]
        base = {
            needle
            for document in range(len(data.corpus))
            if document not in private
            for needle in needles(data.corpus[document].text)
        }
        of_questions = [{key for key, _ in found - base} for found in asked]
        counts = Counter(key for found in of_questions for key in found)
        assert max(counts.values()) == 1
        assert sum(counts.values()) == 6 * SUBTASKS[subtask].keys
        assert not counts.keys() & {key for key, _ in base}


def test_the_needle_haystack_is_all_needles_and_repeats_none() -> None:
    for subtask in ("niah_multikey_2", "niah_multikey_3"):
        data = loaded(subtask)
        private = set(data.corpus.private_ids)
        found = [data.corpus[document].text for document in range(len(data.corpus)) if document not in private]
        lines = [line for text in found for line in text.split("\n")]
        assert all(NEEDLE.fullmatch(line) for line in lines)
        assert len({needle for line in lines for needle in needles(line)}) == len(lines)
        assert len({key for line in lines for key, _ in needles(line)}) == len(lines)


def test_distractors_repeat_only_when_words_run_out_and_a_note_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    assert loaded("niah_multikey_2").notes == ()
    monkeypatch.setattr(keys, "adjectives", lambda: ("calm", "green", "old"))
    monkeypatch.setattr(keys, "nouns", lambda: ("boat", "hill", "sea", "tree", "wind"))
    data = load("niah_multikey_2", samples=2)
    assert "only 13 different keys" in data.notes[0]
    asked = {question.text.split(" for ")[1].split()[0] for question in data.questions}
    private = set(data.corpus.private_ids)
    base = {key for d in range(len(data.corpus)) if d not in private for key, _ in needles(data.corpus[d].text)}
    assert len(asked) == 2
    assert len(base) == 13
    assert not base & asked


def test_the_same_request_gives_the_same_dataset_and_another_seed_another() -> None:
    first, again, other = load("niah_multiquery"), load("niah_multiquery"), load("niah_multiquery", seed=43)
    assert first.questions == again.questions
    assert first.corpus.fingerprint == again.corpus.fingerprint != other.corpus.fingerprint
    assert [document.text for document in first.corpus] == [document.text for document in again.corpus]
    assert not {answer for question in first.questions for answer in question.answers} & {
        answer for question in other.questions for answer in question.answers
    }


def test_ids_keys_and_base_do_not_depend_on_the_number_of_samples() -> None:
    few, many = load("niah_multikey_2", samples=3), load("niah_multikey_2", samples=9)
    assert few.questions[2].id == "niah_multikey_2/seed42/0002"
    assert [(q.id, q.text, q.answers) for q in few.questions] == [(q.id, q.text, q.answers) for q in many.questions[:3]]
    assert [few.corpus.haystack[place] for place in range(9)] == [many.corpus.haystack[place] for place in range(9)]


def test_ids_say_nothing_about_needles() -> None:
    data = load("niah_single_2", samples=40)
    in_first_half = sum(document < len(data.corpus) / 2 for document in data.corpus.private_ids)
    assert 8 < in_first_half < 32
    order = list(data.corpus.reading_order(data.questions[0]))
    assert order != sorted(order)


def test_a_corpus_is_random_access_and_travels_to_other_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extent, "EXACT_DOCUMENTS", 500)
    data = load("niah_multikey_1", length=2**40)
    corpus = data.corpus
    assert len(corpus) > 10**9
    packed = pickle.dumps(corpus)
    assert len(packed) < 20_000
    copy = pickle.loads(packed)
    for document in (0, 1, len(corpus) // 2, len(corpus) - 1, *corpus.private_ids):
        assert copy[document] == corpus[document]
        assert corpus[document].id == document
    order = corpus.reading_order(data.questions[0])
    assert order[-1] == order[len(order) - 1]
    assert order[5:8] == [order[5], order[6], order[7]]
    for outside in (-1, len(corpus)):
        with pytest.raises(IndexError):
            corpus[outside]


def test_a_length_too_long_to_count_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extent, "EXACT_DOCUMENTS", 100)
    data = load("niah_single_2", length=100_000)
    seen = sum(quarters(data.corpus[document].text) for document in data.corpus.reading_order(data.questions[0]))
    assert "extrapolated" in data.notes[0]
    assert seen == pytest.approx(100_000 - ANSWER_TOKENS, rel=0.02)


def test_no_document_is_counted_twice() -> None:
    for subtask in ("niah_single_1", "niah_multikey_1", "niah_multikey_2"):
        counted: Counter[str] = Counter()

        def count_tokens(text: str, counted: Counter[str] = counted) -> int:
            counted[text] += 1
            return quarters(text)

        load(subtask, count_tokens=count_tokens)
        assert max(counted.values()) == 1


@every_subtask
def test_a_length_too_short_names_the_shortest_and_that_works(subtask: str) -> None:
    with pytest.raises(UserError, match="too short for the needles") as error:
        load(subtask, length=200, samples=3)
    shortest = int(re.findall(r"\d+", str(error.value))[-1])
    assert len(load(subtask, length=shortest, samples=3).questions) == 3
    with pytest.raises(UserError, match=f"works is {shortest}"):
        load(subtask, length=shortest - 1, samples=3)


def test_more_needles_than_documents_still_give_every_question_its_own() -> None:
    data = load("niah_multikey_1", length=2_048, samples=30)
    assert len(data.corpus) - len(data.corpus.private_ids) < 30 * 4
    for question in data.questions:
        text = " ".join(data.corpus[document].text for document in data.corpus.reading_order(question))
        assert len(needles(text)) == 4


def test_a_users_text_is_the_haystack_of_essay_subtasks_only(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text(" ".join(Prose(5, 400)[index] for index in range(20)))
    data = load("niah_single_2", haystack=tmp_path)
    text = (tmp_path / "mine.txt").read_text()
    private = set(data.corpus.private_ids)
    assert all(data.corpus[document].text in text for document in range(len(data.corpus)) if document not in private)
    assert "repeated" in data.notes[0]
    noise = load("niah_single_1", haystack=tmp_path)
    assert "noise" in noise.notes[0]
    assert noise.corpus.fingerprint == loaded("niah_single_1").corpus.fingerprint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subtask": "niah_single_9"}, "did you mean niah_single_"),
        ({"samples": 0}, "at least 1"),
        ({"doc_tokens": 10}, "use at least"),
        ({"data": Path("questions")}, "--haystack"),
        ({"haystack": Path("/nowhere/at/all")}, "does not exist"),
        ({"samples": 10**8}, "fewer"),
    ],
)
def test_an_impossible_request_is_one_clear_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        load(**{"subtask": "niah_multikey_1"} | changes)
