import math
import re
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

import pytest

from msa_bench.prose import Prose, fitted_prose

FAR_APART = 85  # 12,000 documents this far apart reach over more than a million, which is 100M tokens


def quarters(text: str) -> int:
    return math.ceil(len(text) / 4)


def words_and_marks(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def thirds_of_words(text: str) -> int:
    return sum(math.ceil(len(word) / 3) for word in re.findall(r"\w+|[^\w\s]", text))


def test_a_document_depends_on_its_seed_and_number_alone() -> None:
    prose = Prose(42, 480)
    backwards = [prose[index] for index in reversed(range(50))]
    assert backwards[::-1] == [Prose(42, 480)[index] for index in range(50)]
    assert prose[10**12] == prose[10**12]
    assert not {Prose(43, 480)[index] for index in range(50)} & set(backwards)


def test_the_text_of_a_seed_never_changes() -> None:
    """A change of words or patterns changes every published haystack: it has to be meant."""
    text = "\n".join(Prose(42, 480)[index] for index in range(200))
    assert sha256(text.encode()).hexdigest() == "8aeec207f8d1157e5afe7b47fb2b1981a5ba75842be216d1565da5bc82050bb4"


def test_documents_and_long_sentences_do_not_repeat_over_100m_tokens() -> None:
    prose = Prose(7, 480)
    documents: set[str] = set()
    sentences: Counter[str] = Counter()
    for index in range(0, 12_000 * FAR_APART, FAR_APART):
        parts = prose.sentences(index)
        documents.add(" ".join(parts))
        sentences.update(part for part in parts if len(part) >= 40)
    assert len(documents) == 12_000
    assert sum(count - 1 for count in sentences.values()) <= 1
    assert sum(sentences.values()) > 40_000


def test_it_reads_like_text() -> None:
    text = " ".join(Prose(1, 480)[index] for index in range(300))
    words = Counter(re.findall(r"[a-z]+", text.lower()))
    assert len(words) > 1_500
    assert not re.search(r"\d{5}|[{}_-]|magic|special|  ", text)
    assert not re.search(r"\b[Aa] (?:[aeio]|un[^i]|urg)|\b[Aa]n (?![aeiou])", text)
    for index in range(300):
        for sentence in Prose(1, 480).sentences(index):
            assert re.fullmatch(r"[A-Z].*[a-z0-9]\.", sentence), sentence


def test_a_paragraph_stays_with_its_town_people_and_thing() -> None:
    again = 0
    for index in range(200):
        first, *rest = Prose(3, 900).sentences(index)
        names = set(re.findall(r"\b[A-Z][a-z]+", first[1:]))
        again += any(name in sentence for name in names for sentence in rest)
    assert again > 190


@pytest.mark.parametrize("count_tokens", [quarters, words_and_marks, thirds_of_words])
@pytest.mark.parametrize("doc_tokens", [32, 128, 512])
def test_documents_keep_to_their_tokens_and_use_most_of_them(
    count_tokens: Callable[[str], int], doc_tokens: int
) -> None:
    prose = fitted_prose(5, doc_tokens, count_tokens)
    counts = [count_tokens(prose[index]) for index in range(0, 40_000, 80)]
    assert max(counts) <= doc_tokens
    assert sum(counts) / len(counts) > 0.65 * doc_tokens
