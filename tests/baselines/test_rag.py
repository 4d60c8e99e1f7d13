from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Command

from baselines import rag
from baselines.systems import RagBM25
from msa_bench.contracts import Question, SystemRequest

from .conftest import ANSWER_TOKENS, WINDOW, ListCorpus, Reader


def _system(request: SystemRequest, corpus: ListCorpus) -> RagBM25:
    system = RagBM25(request)
    system.index(corpus)
    return system


def test_every_question_is_answered_with_one_five_and_ten_passages(reader: Reader, request_: SystemRequest) -> None:
    reader.window = 1000
    corpus = ListCorpus([*(f"owl {i}" for i in range(20)), "the fox", "the fox fox"])
    questions = [Question("a", "fox?", ()), Question("b", "owl?", ())]
    answers = {(answer.question_id, answer.variant): answer for answer in _system(request_, corpus).answer(questions)}
    assert set(answers) == {(name, f"k={k}") for name in "ab" for k in (1, 5, 10)}
    assert answers["a", "k=1"].documents == (21,)
    assert answers["a", "k=5"].documents == (21, 20, 0, 1, 2)
    assert len(answers["b", "k=10"].documents) == 10
    assert answers["a", "k=1"].ranking == answers["a", "k=10"].ranking == (21, 20, *range(20))
    assert len(reader.calls) == 1
    assert len(reader.calls[0]) == 6


def test_ask_writes_one_answer_from_ten_passages_or_as_many_as_are_asked_for(
    reader: Reader, command: Command, tmp_path: Path
) -> None:
    reader.window = 10_000
    docs = tmp_path / "docs.jsonl"
    docs.write_text("".join(json.dumps({"text": f"fox {place}"}) + "\n" for place in range(20)), encoding="utf-8")
    asked = ("ask", "fox?", "--docs", str(docs), "--system", "rag-bm25", "--bank", "kept")
    status, out, error = command(*asked)
    assert status == 0, error
    assert [len(prompts) for prompts in reader.calls] == [1]
    assert "[10] docs.jsonl, line 10" in out
    assert "  20 passages, k=10, " in out
    _, out, _ = command(*asked, "--passages", "3", "--json")
    assert [len(prompts) for prompts in reader.calls] == [1, 1]
    found = json.loads(out)
    assert (found["variant"], len(found["sources"])) == ("k=3", 3)


def test_passages_stand_in_rank_order_under_numbered_headings(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus(["owl", "fox and owl", "fox fox"])
    question = Question("q", "Fox?", (), intro="Read:", answer_prefix="It")
    list(_system(request_, corpus).answer([question]))
    assert reader.text(0) == "|Read:\nPassage 1:\nfox fox\nFox?||It"
    assert reader.text(1) == "|Read:\nPassage 1:\nfox fox\n\nPassage 2:\nfox and owl\n\nPassage 3:\nowl\nFox?||It"


def test_the_last_passage_is_cut_at_its_end_and_the_answer_says_so(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus(["fox " * 4, "fox " + "x" * 200, "fox " + "y" * 300])
    answers = {answer.variant: answer for answer in _system(request_, corpus).answer([Question("q", "Fox?", ())])}
    assert answers["k=1"].bounds == ()
    assert answers["k=5"].bounds == ("context_truncated",)
    assert answers["k=5"].documents == (0, 1)
    assert answers["k=5"].tokens_in == WINDOW - ANSWER_TOKENS
    assert reader.text(1).startswith("|Passage 1:\nfox fox fox fox \n\nPassage 2:\nfox xxx")
    assert reader.text(1).endswith("xxx\nFox?||")


def test_a_question_sees_its_own_documents_and_no_other_questions(reader: Reader, request_: SystemRequest) -> None:
    reader.window = 1000
    corpus = ListCorpus(["owl", "old fox", "my fox", "their fox"], private_ids=(2, 3))
    question = Question("q", "fox?", (), own_ids=(2,), replaced_ids=(1,))
    for answer in _system(request_, corpus).answer([question]):
        assert answer.ranking == (2, 0)
        assert answer.documents == ((2,) if answer.variant == "k=1" else (2, 0))


def test_the_ranking_ends_at_one_hundred(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus([f"fox {i}" for i in range(150)])
    answer = next(_system(request_, corpus).answer([Question("q", "fox?", ())]))
    assert len(answer.ranking) == 100


def test_only_passages_that_are_read_are_fetched(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus([f"fox {i}" for i in range(150)])
    answers = list(_system(request_, corpus).answer([Question("q", "fox?", ())]))
    assert set(corpus.asked) <= set(answers[0].ranking[:10])


def test_a_question_without_a_known_term_is_answered_and_says_so(reader: Reader, request_: SystemRequest) -> None:
    corpus = ListCorpus(["owl", "bear", "", "fox"], private_ids=(3,))
    for question in (Question("q", "unheard?", ()), Question("q", "fox?", ())):
        answer = next(_system(request_, corpus).answer([question]))
        assert answer.ranking == (0, 1, 2)
        assert "no term of the question" in answer.notes[0]


def test_text_that_spells_a_control_token_stays_content(reader: Reader, request_: SystemRequest) -> None:
    list(_system(request_, ListCorpus(["a <|im_end|> b"])).answer([Question("q", "<|im_end|>?", ())]))
    assert reader.text() == "|Passage 1:\na <|im_end|> b\n<|im_end|>?||"


def test_small_corpora_are_counted_exactly_and_large_ones_say_they_are_not(
    reader: Reader, request_: SystemRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = ListCorpus(["owl", "", "fox fox"])
    assert RagBM25(request_).index(corpus).tokens == 10
    monkeypatch.setattr(rag, "COUNTED_TOKENS", 9)
    report = RagBM25(request_).index(corpus)
    assert report.tokens == 0
    assert report.notes[-1] == "tokens not counted beyond 9"


def test_an_answer_takes_at_least_the_time_of_its_generation(reader: Reader, request_: SystemRequest) -> None:
    assert all(a.seconds > 0.5 for a in _system(request_, ListCorpus(["fox"])).answer([Question("q", "fox?", ())]))


def test_the_record_names_model_retriever_and_truncation(reader: Reader, request_: SystemRequest) -> None:
    system = _system(request_, ListCorpus(["fox"]))
    described = system.describe()
    assert described["model"] == "toy"
    assert described["retriever"]["library"] == "rank-bm25"
    assert (described["retriever"]["k1"], described["retriever"]["b"]) == (1.5, 0.75)
    assert {"prompt", "truncation"} <= set(described)
