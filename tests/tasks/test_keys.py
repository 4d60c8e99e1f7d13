import re
from uuid import UUID

import pytest

from tasks.keys import Labels, Needle, adjectives, evaluation_words, nouns


def test_words_are_single_sorted_and_from_wonderwords() -> None:
    for words in (adjectives(), nouns()):
        assert list(words) == sorted(set(words))
        assert all(re.fullmatch("[a-z]+", word) for word in words)
    assert len(adjectives()) > 800
    assert len(nouns()) > 6_000
    assert {"cheerful", "aardvark"} <= evaluation_words()


@pytest.mark.parametrize(
    ("kind", "pattern"), [("words", "[a-z]+-[a-z]+"), ("numbers", "[1-9][0-9]{6}"), ("uuids", "[0-9a-f-]{36}")]
)
def test_labels_differ_and_come_from_the_seed(kind: str, pattern: str) -> None:
    labels = [Labels(kind, 5)[index] for index in range(2_000)]
    assert len(set(labels)) == 2_000
    assert all(re.fullmatch(pattern, label) for label in labels)
    assert labels == [Labels(kind, 5)[index] for index in range(2_000)]
    assert len(set(labels) & {Labels(kind, 6)[index] for index in range(2_000)}) < 5


def test_uuids_are_version_4() -> None:
    assert {UUID(Labels("uuids", 1)[index]).version for index in range(100)} == {4}


def test_labels_start_again_only_after_all_have_been_used() -> None:
    labels = Labels("words", 9)
    assert labels.distinct == len(adjectives()) * len(nouns())
    assert labels[labels.distinct] == labels[0]
    assert labels[labels.distinct - 1] != labels[0]


def test_a_needle_is_worded_as_in_ruler() -> None:
    needle = Needle("uuids", "quiet-harbor", "1234")
    assert needle.sentence == "One of the special magic uuids for quiet-harbor is: 1234."
