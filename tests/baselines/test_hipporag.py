from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from baselines.dense import Dense
from baselines.embeddings import EmbeddingCache
from baselines.hipporag import graph
from baselines.hipporag.extractions import ExtractionCache
from baselines.hipporag.graph import synonyms
from baselines.hipporag.language_model import parse_numbers
from baselines.hipporag.openie import Extraction, Heuristic, by_rules, normalise, parse_reply
from baselines.hipporag.retriever import FALLBACK, Filter, HippoRAG, min_max

from .conftest import ListCorpus
from .encoders import WordEncoder

FILMS = ListCorpus(
    [
        "Levity\nLevity is a film directed by Ed Solomon.",
        "Ed Solomon\nEd Solomon is a writer born in Saratoga.",
        "Out of the Rain\nOut of the Rain is a film directed by Gary Winick.",
        "Gary Winick\nGary Winick was born in Manhattan.",
        "Rain\nRain falls.",
        "",
    ]
)


def _hippo(directory: Path, keep: Filter | None = None, backend: Heuristic | None = None) -> HippoRAG:
    encoder = WordEncoder()
    dense = Dense(encoder, EmbeddingCache(encoder, directory))
    return HippoRAG(dense, ExtractionCache(backend or Heuristic(), directory), keep)


def test_the_rules_read_titles_copulas_lists_and_of_phrases() -> None:
    read = by_rules(
        "Levity (film)\nLevity is a 2003 drama film directed by Ed Solomon. It stars Kirsten Dunst, Morgan Freeman and "
        "Holly Hunter. The composer of Levity is Mark Oliver Everett."
    )
    assert {"levity film", "2003", "ed solomon", "morgan freeman"} <= set(read.entities)
    assert ("levity film", "is", "2003 drama film directed by") in read.triples
    assert ("levity film", "drama film directed by", "ed solomon") in read.triples
    assert ("levity film", "It stars", "kirsten dunst") in read.triples
    assert ("levity film", "It stars", "morgan freeman") in read.triples
    assert ("levity film", "It stars", "holly hunter") in read.triples
    assert ("levity", "composer", "mark oliver everett") in read.triples


def test_the_rules_read_what_something_is_for_someone_in_lower_case() -> None:
    read = by_rules("Rain fell on the roofs. One of the special magic numbers for calm-otter is: 5410293. It was late.")
    assert ("calm otter", "special magic numbers", "5410293") in read.triples


@pytest.mark.parametrize(
    "passage", ["", "...", "rain fell.", "\n\n", "一二三。", "The", "A\n", "lower case title\nand no name"]
)
def test_any_passage_can_be_read(passage: str) -> None:
    read = by_rules(passage)
    assert all(subject and value for subject, _, value in read.triples)
    assert all(read.entities)


def test_names_are_normalised_as_in_hipporag() -> None:
    assert normalise(" Pál  O'Neil-Smith (1932)") == "p l o neil smith 1932"


def test_a_reply_of_json_is_read_and_any_other_has_failed() -> None:
    good = 'Sure: {"entities": ["Ed Solomon"], "triples": [["Ed Solomon", "wrote", "Levity"], ["too", "short"]]} Done.'
    assert parse_reply(good) == Extraction(("ed solomon",), (("ed solomon", "wrote", "levity"),))
    for bad in ("", "no JSON", "{", '{"entities": 3}', '{"entities": [], "triples": 4}', "[1, 2]"):
        assert parse_reply(bad) == Extraction(failed=True)


def test_numbers_are_read_from_the_first_list_of_a_reply() -> None:
    assert parse_numbers("Facts [2, 1, 2] help") == [2, 1]
    assert parse_numbers('["1", true, 3]') == [3]
    assert parse_numbers("none") == parse_numbers("[1, ") == []


class Counting:
    """A backend that writes down what it reads and dies before passage number `dies_at`."""

    name = "counting"

    def __init__(self, dies_at: int | None = None, fails: str | None = None) -> None:
        self.read: list[str] = []
        self._dies_at, self._fails = dies_at, fails

    def extract(self, passages: Sequence[str]) -> Iterator[Extraction]:
        for passage in passages:
            if len(self.read) == self._dies_at:
                raise KeyboardInterrupt
            self.read.append(passage)
            yield Extraction(failed=True) if passage == self._fails else by_rules(passage)


def test_a_killed_extraction_continues_without_repeating_a_passage(tmp_path: Path) -> None:
    first = Counting(dies_at=3)
    with pytest.raises(KeyboardInterrupt):
        list(ExtractionCache(first, tmp_path).extract(FILMS.texts, len(FILMS)))
    with next(tmp_path.glob("*.jsonl")).open("ab") as file:
        file.write(b'{"key": "0123')  # what a kill in the middle of a write leaves
    second = Counting()
    found = list(ExtractionCache(second, tmp_path).extract(FILMS.texts, len(FILMS)))
    assert first.read + second.read == FILMS.texts
    assert found == [by_rules(text) for text in FILMS.texts]
    third = Counting()
    assert list(ExtractionCache(third, tmp_path).extract(reversed(FILMS.texts), len(FILMS))) == found[::-1]
    assert third.read == []


def test_runs_that_extract_at_the_same_time_each_read_their_own_passages(tmp_path: Path) -> None:
    other = ExtractionCache(Heuristic(), tmp_path)

    class Beside(Heuristic):
        def extract(self, passages: Sequence[str]) -> Iterator[Extraction]:
            for passage in passages:
                list(other.extract([f"Gary Winick\nAnother film is {passage}"], 1))
                yield by_rules(passage)

    found = list(ExtractionCache(Beside(), tmp_path).extract(FILMS.texts, len(FILMS)))
    assert found == [by_rules(text) for text in FILMS.texts]


def test_an_unusable_reply_is_counted_and_asked_for_again(tmp_path: Path) -> None:
    cache = ExtractionCache(Counting(fails=FILMS.texts[1]), tmp_path)
    assert [one.failed for one in cache.extract(FILMS.texts, len(FILMS))] == [False, True, *[False] * 4]
    assert cache.failed == 1
    again = Counting()
    list(ExtractionCache(again, tmp_path).extract(FILMS.texts, len(FILMS)))
    assert again.read == [FILMS.texts[1]]


def test_the_graph_leads_to_a_passage_that_shares_no_word_with_the_question(tmp_path: Path) -> None:
    hippo = _hippo(tmp_path, keep=lambda question, facts: [fact for fact in facts if "levity" in fact])
    report = hippo.index(FILMS)
    found = hippo.search("Who directed Levity?", 3)
    assert set(found.ids[:2]) == {0, 1}
    assert found.notes == ()
    assert report.bytes > 0
    assert any("entities" in note for note in report.notes)


def test_what_hidden_passages_say_is_neither_a_fact_nor_a_way(tmp_path: Path) -> None:
    hippo = _hippo(tmp_path)
    texts = [*FILMS.texts, "Levity\nLevity is a film directed by Gary Winick."]
    hippo.index(ListCorpus(texts))
    hidden = hippo.search("Who directed Levity?", 7, frozenset({6}))
    alone = _hippo(tmp_path / "alone")
    alone.index(FILMS)
    assert hidden.ids == alone.search("Who directed Levity?", 7).ids
    assert 6 in hippo.search("Who directed Levity?", 7).ids


def test_where_no_fact_is_kept_the_dense_ranking_answers_and_says_so(tmp_path: Path) -> None:
    hippo = _hippo(tmp_path, keep=lambda question, facts: [])
    hippo.index(FILMS)
    encoder = WordEncoder()
    dense = Dense(encoder, EmbeddingCache(encoder, tmp_path))
    dense.index(FILMS)
    found = hippo.search("Who directed Levity?", 6)
    assert (found.ids, found.notes) == (dense.search("Who directed Levity?", 6).ids, (FALLBACK,))


def test_a_corpus_without_entities_and_a_question_without_them_are_searched(tmp_path: Path) -> None:
    hippo = _hippo(tmp_path)
    hippo.index(ListCorpus(["rain fell.", "", "snow fell."]))
    assert hippo.search("did snow fall", 3).notes == (FALLBACK,)
    hippo.index(FILMS)
    assert sorted(hippo.search("why?", 6).ids) == list(range(6))


def test_the_filter_is_shown_the_five_nearest_facts(tmp_path: Path) -> None:
    seen: list[int] = []

    def keep(question: str, facts: Sequence[tuple[str, str, str]]) -> Sequence[tuple[str, str, str]]:
        seen.append(len(facts))
        return facts[:1]

    hippo = _hippo(tmp_path, keep)
    hippo.index(FILMS)
    hippo.search("Who directed Levity?", 2)
    assert seen == [5]


def test_synonyms_are_near_names_of_more_than_two_letters() -> None:
    vectors = np.array([[1, 0], [0.9, 0.43589], [0, 1], [1, 0]], np.float32)
    pairs, cosines = synonyms({"solomon": 0, "ed solomon": 1, "winick": 2, "ed": 3}, vectors)
    assert pairs.tolist() == [[0, 1]]
    assert cosines == pytest.approx([0.9])


def test_names_in_cells_find_nearly_all_synonyms_that_comparing_all_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    centres = random.standard_normal((150, 32))
    vectors = np.repeat(centres, 4, axis=0) + 0.2 * random.standard_normal((600, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    names = {f"name {number}": number for number in range(600)}
    every = {tuple(pair) for pair in synonyms(names, vectors)[0].tolist()}
    monkeypatch.setattr(graph, "EXACT_NAMES", 100)
    pairs, _ = synonyms(names, vectors)
    some = {tuple(pair) for pair in pairs.tolist()}
    assert len(every) >= 800
    assert some <= every
    assert len(some) >= 0.9 * len(every)


def test_comparing_names_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "EXACT_NAMES", 100)
    told: dict[str, list[tuple[int, int | None]]] = {}
    vectors = np.random.default_rng(2).standard_normal((600, 8)).astype(np.float32)
    synonyms(
        {f"name {number}": number for number in range(600)},
        vectors,
        lambda step, done, total, unit: told.setdefault(step, []).append((done, total)),
    )
    assert list(told) == ["group names", "compare names"]
    done = [one for one, _ in told["compare names"]]
    total = told["compare names"][0][1]
    assert {most for _, most in told["compare names"]} == {total}
    assert len(done) > 10
    assert done == sorted(set(done))
    assert total is not None
    assert total / 2 < done[-1] < total


def test_cells_bound_the_comparisons(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "EXACT_NAMES", 100)
    alike = np.ones((5000, 1), np.float32)
    cells = graph._cells(np.arange(5000), alike)
    assert max(map(len, cells)) <= 8 * 70
    assert sum(map(len, cells)) == 10_000


def test_min_max_of_equal_values_is_one() -> None:
    assert min_max(np.array([2.0, 2.0])).tolist() == [1.0, 1.0]
    assert min_max(np.array([1.0, 3.0, 2.0])).tolist() == [0.0, 1.0, 0.5]


def test_stored_extractions_are_plain_json_lines(tmp_path: Path) -> None:
    list(ExtractionCache(Heuristic(), tmp_path).extract(FILMS.texts[:1], 1))
    (row,) = map(json.loads, next(tmp_path.glob("*.jsonl")).read_text().splitlines())
    assert set(row) == {"key", "entities", "triples"}
