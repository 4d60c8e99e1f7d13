from collections import Counter

import pytest

from tasks.planting import needle_places, plant, sentence_spans

TEXT = 'It rained. "Did it stop?" she asked. Nobody knew the answer! The road was wet.'
NEEDLE = "The code is: 12."


def words(text: str) -> int:
    return len(text.split())


def sentences(text: str) -> set[str]:
    return {text.encode()[start:stop].decode().strip() for start, stop in sentence_spans(text.encode())}


def test_sentences_are_the_whole_text_and_end_where_sentences_end() -> None:
    data = f"{TEXT}\n\nA title\n\n今天下雨。明天晴".encode()
    parts = [data[start:stop].decode() for start, stop in sentence_spans(data)]
    assert b"".join(part.encode() for part in parts) == data
    assert [part.strip() for part in parts] == [
        "It rained.",
        '"Did it stop?"',
        "she asked.",
        "Nobody knew the answer!",
        "The road was wet.",
        "A title",
        "今天下雨。",
        "明天晴",
    ]


@pytest.mark.parametrize("where", [0.0, 0.3, 0.5, 0.99])
def test_a_needle_takes_the_place_of_sentences_and_keeps_the_size(where: float) -> None:
    planted = plant(TEXT, NEEDLE, limit=words(TEXT), count_tokens=words, where=where)
    assert planted.count(NEEDLE) == 1
    assert abs(words(planted) - words(TEXT)) <= 2
    assert sentences(planted) - {NEEDLE} < sentences(TEXT)


def test_a_needle_stands_alone_where_nothing_fits_beside_it() -> None:
    assert plant("One. Two. Three.", NEEDLE, limit=4, count_tokens=words, where=0.5) == NEEDLE
    assert plant("Title", NEEDLE, limit=100, count_tokens=words, where=0.5) == NEEDLE


def test_the_first_needles_fill_all_layers_of_depth_in_no_order() -> None:
    places = [row[0] for row in needle_places(documents=1_000, samples=10, needles=4, seed=3)]
    assert sorted(place // 100 for place in places) == list(range(10))
    assert places != sorted(places)


def test_the_other_needles_are_spread_evenly_from_the_first() -> None:
    for row in needle_places(documents=10_000, samples=10, needles=4, seed=3):
        for number, place in enumerate(row):
            assert abs((row[0] + 2_500 * number) % 10_000 - place) <= 10


@pytest.mark.parametrize("documents", [40, 50, 1_000])
def test_no_document_serves_two_questions_where_there_are_enough(documents: int) -> None:
    places = needle_places(documents, samples=10, needles=4, seed=1)
    assert max(Counter(place for row in places for place in row).values()) == 1


def test_a_question_has_its_needles_in_different_documents_even_in_a_small_haystack() -> None:
    for row in needle_places(documents=5, samples=30, needles=4, seed=1):
        assert len(set(row)) == 4
        assert set(row) <= set(range(5))


def test_places_depend_on_the_seed_alone() -> None:
    assert needle_places(500, 20, 4, seed=1) == needle_places(500, 20, 4, seed=1)
    assert needle_places(500, 20, 4, seed=1) != needle_places(500, 20, 4, seed=2)
