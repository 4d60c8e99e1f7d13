from __future__ import annotations

import json
import os
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

from msa_bench.contracts import Dataset, Question, TaskRequest
from msa_bench.errors import UserError
from msa_bench.registry import make_task
from tasks.qa.bank import PASSAGE_TOKENS
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

TOWNS = 60


def count_tokens(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def towns() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Questions and passages of 13 tokens each about invented towns; question k is about town k."""
    corpus = [
        {"id": f"p{k}", "title": f"Town {k}", "text": f"The mayor of town {k} is called mayor{k} by all."}
        for k in range(TOWNS)
    ]
    questions = [
        {"id": f"q{k}", "question": f"Who is mayor of town {k}?", "answers": [f"mayor{k}"], "gold_ids": [f"p{k}"]}
        for k in range(20)
    ]
    return questions, corpus


def write(directory: Path, questions: list[dict[str, Any]], corpus: list[dict[str, Any]]) -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "questions.jsonl").write_text(lines(questions), encoding="utf-8")
    (directory / "corpus.jsonl").write_text(lines(corpus), encoding="utf-8")
    return directory


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write(tmp_path / "towns", *towns())


def load(data: Path, task: QATask | None = None, **changes: Any) -> Dataset:
    asked: dict[str, Any] = {
        "length": None, "samples": 5, "seed": 42, "count_tokens": count_tokens, "data": data,
    }  # fmt: skip
    return (task or QATask(Declaration("qa", ""))).load(TaskRequest(**{**asked, **changes}))


def texts(dataset: Dataset) -> list[str]:
    return [document.text for document in dataset.corpus]


def gold_texts(dataset: Dataset, question: Question) -> list[str]:
    return [dataset.corpus[one].text for one in question.gold_ids]


def test_without_a_length_the_bank_is_every_passage_with_its_title(data: Path) -> None:
    dataset = load(data)
    assert sorted(texts(dataset)) == sorted(f"{row['title']}\n{row['text']}" for row in towns()[1])
    assert [document.id for document in dataset.corpus] == list(range(TOWNS))
    for question in dataset.questions:
        number = question.id.removeprefix("q")
        assert gold_texts(dataset, question) == [
            f"Town {number}\nThe mayor of town {number} is called mayor{number} by all."
        ]


def test_a_length_takes_the_gold_passages_first_and_is_filled_as_far_as_whole_passages_go(data: Path) -> None:
    for length in (100, 333, 700):
        dataset = load(data, length=length)
        total = sum(map(count_tokens, texts(dataset)))
        assert length - 13 < total <= length
        assert all(gold_texts(dataset, question) for question in dataset.questions)


def test_a_longer_memory_holds_everything_a_shorter_one_does_in_the_same_order(data: Path) -> None:
    short, long = texts(load(data, length=200)), texts(load(data, length=600))
    assert [text for text in long if text in set(short)] == short
    assert len(long) > len(short)


def test_more_samples_and_another_length_keep_the_questions_asked_before(data: Path) -> None:
    few = [question.id for question in load(data, samples=3, length=100).questions]
    many = [question.id for question in load(data, samples=7).questions]
    assert many[:3] == few
    assert few != [question.id for question in load(data, samples=3, seed=1).questions]


def test_neither_place_nor_id_gives_the_gold_passages_away(data: Path) -> None:
    places = [
        question.gold_ids[0] / len(dataset.corpus)
        for seed in range(40)
        for dataset in [load(data, length=300, seed=seed)]
        for question in dataset.questions
    ]
    assert 0.4 < sum(places) / len(places) < 0.6


def test_the_same_request_gives_the_same_corpus_and_another_seed_another(data: Path) -> None:
    first, again, other = load(data, length=300), load(data, length=300), load(data, length=300, seed=7)
    assert first.corpus.fingerprint == again.corpus.fingerprint != other.corpus.fingerprint
    assert texts(first) == texts(again)


def test_gold_passages_that_do_not_fit_are_refused_with_what_they_take(data: Path) -> None:
    with pytest.raises(UserError, match=r"of 20 questions take 260 tokens and do not fit 259"):
        load(data, length=259, samples=20)


def test_a_length_beyond_the_bank_is_refused_with_what_there_is_and_can_be_padded(data: Path) -> None:
    with pytest.raises(UserError, match=r"holds 780 tokens, less than the 5,000 asked for"):
        load(data, length=5000)
    dataset = load(data, length=5000, pad="synthetic")
    assert 5000 - 128 < sum(map(count_tokens, texts(dataset))) <= 5000
    assert any("synthetic padding" in note for note in dataset.notes)
    assert {f"{row['title']}\n{row['text']}" for row in towns()[1]} <= set(texts(dataset))


def test_a_corpus_can_be_sent_to_another_process(data: Path) -> None:
    corpus = load(data, length=5000, pad="synthetic").corpus
    there = pickle.loads(pickle.dumps(corpus))
    assert [document.text for document in there] == [document.text for document in corpus]
    assert there.fingerprint == corpus.fingerprint


def test_padding_needs_a_length(data: Path) -> None:
    with pytest.raises(UserError, match="give --length too"):
        load(data, pad="synthetic")


def test_a_passage_that_is_too_long_is_split_and_its_gold_is_the_piece_with_the_answer(tmp_path: Path) -> None:
    sentences = [f"Sentence number {k} says nothing of note." for k in range(600)]
    sentences[500] = "The answer is zanzibar."
    corpus = [{"id": "long", "text": " ".join(sentences)}, {"id": "short", "text": "A short one."}]
    questions = [
        {"id": "a", "question": "What is it?", "answers": ["Zanzibar"], "gold_ids": ["long"]},
        {"id": "b", "question": "What else?", "answers": ["absent"], "gold_ids": ["long"]},
    ]
    dataset = load(write(tmp_path / "long", questions, corpus))
    assert all(count_tokens(text) <= PASSAGE_TOKENS for text in texts(dataset))
    assert sorted(" ".join(texts(dataset)).split()) == sorted(" ".join([*sentences, "A short one."]).split())
    found, absent = sorted(dataset.questions, key=lambda question: question.id)
    assert ["zanzibar" in text for text in gold_texts(dataset, found)] == [True]
    assert not found.substitutes
    pieces = {absent.gold_ids[0], *absent.substitutes[absent.gold_ids[0]]}
    assert pieces == {document.id for document in dataset.corpus if document.text != "A short one."}
    assert len(pieces) == 5
    assert any("were split" in note for note in dataset.notes)


def test_alternatives_and_grades_become_document_ids(tmp_path: Path) -> None:
    _, corpus = towns()
    questions = [
        {"id": "alt", "question": "?", "answers": ["x"], "gold_ids": ["p1"], "alt_ids": ["p2"]},
        {"id": "trec", "question": "?", "gold_ids": ["p3"], "rel1_ids": ["p4"]},
        {"id": "own", "question": "?", "gold_ids": ["p3"], "relevance": {"p3": 3, "p5": 1, "p6": 0}},
    ]
    dataset = load(write(tmp_path / "graded", questions, corpus))
    by_id = {question.id: question for question in dataset.questions}

    def place(name: str) -> int:
        return next(document.id for document in dataset.corpus if document.text.startswith(f"Town {name[1:]}\n"))

    assert by_id["alt"].substitutes == {place("p1"): (place("p2"),)}
    assert by_id["trec"].relevance == {place("p3"): 2, place("p4"): 1}
    assert by_id["own"].relevance == {place("p3"): 3, place("p5"): 1}
    assert not by_id["alt"].relevance


def test_a_graded_set_without_grades_counts_its_gold_passages_as_relevant(data: Path) -> None:
    dataset = load(data, QATask(Declaration("graded", "", graded=True)))
    assert all(question.relevance == {question.gold_ids[0]: 1} for question in dataset.questions)


QUESTION = {"id": "q", "question": "?", "answers": ["x"], "gold_ids": ["p0"]}


@pytest.mark.parametrize(
    ("file", "line", "said"),
    [
        ("questions.jsonl", '{"id": "q", "question": ', "is not JSON"),
        ("questions.jsonl", "[1, 2]", "is not a JSON object"),
        ("questions.jsonl", json.dumps({**QUESTION, "id": ""}), "has no id"),
        ("questions.jsonl", json.dumps({**QUESTION, "id": "q0"}), "of line 1; ids must differ"),
        ("questions.jsonl", json.dumps({**QUESTION, "question": " "}), "has no question"),
        ("questions.jsonl", json.dumps({**QUESTION, "answers": "x"}), "no list of texts"),
        ("questions.jsonl", json.dumps({**QUESTION, "gold_ids": ["p0", "zz"]}), "passage 'zz' in gold_ids"),
        ("questions.jsonl", json.dumps({**QUESTION, "gold_ids": "p0"}), "gold_ids that are no list"),
        ("questions.jsonl", json.dumps({"id": "q", "question": "?"}), "neither answers nor gold_ids"),
        ("questions.jsonl", json.dumps({**QUESTION, "relevance": {"p0": "high"}}), "no object of whole grades"),
        ("corpus.jsonl", "\udcff{}", "is not JSON"),
        ("corpus.jsonl", json.dumps({"id": "p0", "text": "again"}), "id 'p0' of an earlier passage"),
        ("corpus.jsonl", json.dumps({"id": "new", "text": ""}), "is no passage"),
    ],
)
def test_bad_lines_are_pointed_at(data: Path, file: str, line: str, said: str) -> None:
    with (data / file).open("ab") as stream:
        stream.write(line.encode("utf-8", "surrogateescape"))
    number = 1 + (20 if file == "questions.jsonl" else TOWNS)
    with pytest.raises(UserError, match=re.escape(said)) as raised:
        load(data)
    assert f"Line {number} of {data / file}" in str(raised.value)


@pytest.mark.parametrize("file", ["questions.jsonl", "corpus.jsonl"])
def test_an_empty_or_missing_file_is_named(data: Path, file: str) -> None:
    (data / file).write_text("\n")
    with pytest.raises(UserError, match=f"{file} holds no"):
        load(data)
    (data / file).unlink()
    with pytest.raises(UserError, match=f"{file} does not exist"):
        load(data)


def test_a_question_without_gold_passages_needs_the_whole_bank(tmp_path: Path) -> None:
    _, corpus = towns()
    directory = write(tmp_path / "bare", [{"id": "bare", "question": "?", "answers": ["x"]}], corpus)
    assert load(directory).questions[0].gold_ids == ()
    with pytest.raises(UserError, match="'bare' names no gold passage"):
        load(directory, length=200)


@pytest.mark.skipif("MSA_BENCH_DATA" not in os.environ, reason="MSA_BENCH_DATA names no directory of data sets")
@pytest.mark.parametrize(
    ("name", "folder", "documents"),
    [
        ("hotpotqa", "hotpotqa", 16_515),
        ("2wiki", "2wikimultihopqa", 7_005),
        ("musique", "musique", 5_463),
        ("ms_marco", "msmarco", 29_763),
        ("natural_questions", "nq", 7_346),
        ("popqa", "popqa", 5_110),
    ],
)
def test_real_sets_load_whole_and_at_a_length(name: str, folder: str, documents: int) -> None:
    task, directory = make_task(name), Path(os.environ["MSA_BENCH_DATA"]) / folder
    request = TaskRequest(None, 3, 42, count_tokens, data=directory)
    whole = task.load(request)
    assert len({whole.corpus[question.gold_ids[0]].text for question in whole.questions}) == 3
    assert len(whole.corpus) >= documents
    cut = task.load(TaskRequest(65_536, 3, 42, count_tokens, data=directory))
    assert [one.id for one in cut.questions] == [one.id for one in whole.questions]
    assert 64_000 < sum(count_tokens(document.text) for document in cut.corpus) <= 65_536
