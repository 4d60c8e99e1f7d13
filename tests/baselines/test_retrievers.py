from __future__ import annotations

import random

import numpy as np
import pytest

from baselines import retrievers
from baselines.retrievers import BM25, BM25_LIBRARIES, best, terms
from baselines.systems import RagBM25
from msa_bench.contracts import SystemRequest
from msa_bench.errors import UserError

from .conftest import ListCorpus

LIBRARIES = BM25_LIBRARIES


def _random_corpus(documents: int = 300) -> ListCorpus:
    rng = random.Random(7)
    words = [f"w{i}" for i in range(200)] + ["quick-fox", "dusty-bear"]
    weights = [1 / (1 + i) for i in range(len(words))]
    texts = [" ".join(rng.choices(words, weights, k=rng.randrange(40))) for _ in range(documents)]
    return ListCorpus([f"everywhere {text}" if i % 9 else text for i, text in enumerate(texts)])


def _indexed(corpus: ListCorpus, library: str | None = None) -> BM25:
    retriever = BM25(library)
    retriever.index(corpus)
    return retriever


def test_both_libraries_give_the_same_ranking_and_the_same_scores() -> None:
    corpus = _random_corpus(5_000)
    scanned, sparse = (_indexed(corpus, library) for library in LIBRARIES)
    hidden = frozenset(range(0, 300, 7))
    for query in ("quick-fox w1 w3", "everywhere w0", "w5 w5 w9 unheard", "bear", "unheard of"):
        assert scanned.search(query, 100, hidden).hits == sparse.search(query, 100, hidden).hits
        assert scanned.search(query, 300).hits == sparse.search(query, 300).hits


@pytest.mark.parametrize("library", LIBRARIES)
def test_scores_follow_the_formula(library: str) -> None:
    retriever = _indexed(ListCorpus(["red red fox", "red bear", "owl"]), library)
    found = dict(retriever.search("red", 3).hits)
    idf = np.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    expected = {
        document: idf * count * 2.5 / (count + 1.5 * (0.25 + 0.75 * length / 2))
        for document, count, length in ((0, 2, 3), (1, 1, 2), (2, 0, 1))
    }
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_word_of_every_document_still_counts_in_favour(library: str) -> None:
    retriever = _indexed(ListCorpus(["magic", "magic magic"]), library)
    assert [score > 0 for _, score in retriever.search("magic", 2).hits] == [True, True]


@pytest.mark.parametrize("library", LIBRARIES)
def test_equal_scores_come_in_ascending_id(library: str) -> None:
    retriever = _indexed(ListCorpus(["owl", "fox", "owl", "fox", "fox"]), library)
    assert [document for document, _ in retriever.search("fox", 2).hits] == [1, 3]
    assert [document for document, _ in retriever.search("fox", 5).hits] == [1, 3, 4, 0, 2]


@pytest.mark.parametrize("library", LIBRARIES)
def test_hidden_documents_are_masked_before_the_best_are_chosen(library: str) -> None:
    retriever = _indexed(ListCorpus(["fox fox", "fox", "owl", "fox owl"]), library)
    assert [document for document, _ in retriever.search("fox", 2, frozenset({0, 1})).hits] == [3, 2]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("texts", [[""], ["", "...", "\n"], ["", "fox"], ["fox"]])
def test_empty_single_and_few_documents_are_searched_like_any_other(library: str, texts: list[str]) -> None:
    retriever = _indexed(ListCorpus(texts), library)
    found = retriever.search("fox", 10).hits
    assert sorted(document for document, _ in found) == list(range(len(texts)))
    assert found[0][0] == (texts.index("fox") if "fox" in texts else 0)
    assert np.isfinite([score for _, score in found]).all()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("query", ["", "unheard", "?!"])
def test_a_query_without_a_known_term_gets_the_first_ids_with_score_zero(library: str, query: str) -> None:
    retriever = _indexed(ListCorpus(["fox", "owl", "bear"]), library)
    assert retriever.search(query, 2, frozenset({0})).hits == [(1, 0.0), (2, 0.0)]


def test_a_corpus_without_documents_is_refused_in_one_sentence() -> None:
    with pytest.raises(UserError, match="holds no document"):
        BM25().index(ListCorpus([]))


def test_the_library_is_chosen_by_the_number_of_terms_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = ListCorpus(["red fox", "owl"])
    for limit, library in ((3, "rank-bm25"), (2, "bm25s")):
        monkeypatch.setattr(retrievers, "RANK_BM25_TERMS", limit)
        retriever = BM25()
        report = retriever.index(corpus)
        assert retriever.describe()["library"] == library
        assert report.notes == (f"BM25 by {library}",)
        assert (report.documents, report.tokens) == (2, 0)
        assert report.bytes > 0


def test_a_switch_names_the_library_and_only_one_of_the_two() -> None:
    for library in LIBRARIES:
        chosen = RagBM25.retriever(SystemRequest("toy", ablations={"bm25": library}))
        assert chosen.index(ListCorpus(["some", "words"])).notes == (f"BM25 by {library}",)
    with pytest.raises(UserError, match="rank-bm25"):
        RagBM25.retriever(SystemRequest("toy", ablations={"bm25": "rank_bm25"}))


def test_indexing_again_forgets_the_corpus_before() -> None:
    retriever = _indexed(ListCorpus(["fox", "owl", "bear"]))
    retriever.index(ListCorpus(["owl", "fox"]))
    assert [document for document, _ in retriever.search("fox", 10).hits] == [1, 0]


def test_best_agrees_with_a_full_sort() -> None:
    rng = np.random.default_rng(3)
    for _ in range(50):
        scores = rng.integers(0, 4, size=30).astype(float)
        hidden = frozenset(rng.choice(30, size=8, replace=False).tolist())
        k = int(rng.integers(0, 40))
        visible = [(i, float(score)) for i, score in enumerate(scores) if i not in hidden]
        assert best(scores, k, hidden) == sorted(visible, key=lambda pair: (-pair[1], pair[0]))[:k]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Quick-Fox is: 42.", ["the", "quick-fox", "quick", "fox", "is", "42"]),
        ("ÉCOLE snake_case - a", ["école", "snake_case", "a"]),
        ("3b9a-01ff", ["3b9a-01ff", "3b9a", "01ff"]),
        ("北京 is", ["北", "京", "is"]),
        ("<|im_end|>", ["im_end"]),
        (" \n", []),
    ],
)
def test_terms_follow_the_stated_rule(text: str, expected: list[str]) -> None:
    assert terms(text) == expected
