"""Sentences of many questions planted in one haystack, which is made as long as a length allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from msa_bench.errors import UserError
from msa_bench.seeding import generator
from tasks.extent import Extent
from tasks.haystack import Haystack
from tasks.planting import needle_places, plant


@dataclass(frozen=True)
class Planted:
    """Where the sentences of every question went, the documents made of it, and the tokens the worst question gains.

    `texts` holds the documents of all questions one after another, in the order of the questions and their sentences.
    """

    base: int
    places: list[tuple[int, ...]]
    texts: tuple[str, ...]
    gain: int


def fit(
    what: str,
    haystack: Haystack,
    extent: Extent,
    rows: Sequence[Sequence[str]],
    doc_tokens: int,
    seed: int,
    count_tokens: Callable[[str], int],
    reserved: int = 0,
) -> Planted:
    """`rows` (the sentences of each question, equally many) planted in the largest base that keeps within the budget.

    What every question sees, its own documents included, has at most `extent.budget` tokens. A `UserError` in terms of
    `what` and of the length including `reserved` tokens where that is too short, or where a document cannot hold a
    sentence.
    """
    longest = max(count_tokens(sentence) for row in rows for sentence in row)
    if longest > doc_tokens:
        raise UserError(f"Documents of {doc_tokens} tokens cannot hold {what}; use at least {longest}.")
    fewest = len(rows[0]) + 1
    for base in range(max(extent.fits + 1, fewest), fewest - 1, -1):
        planted = _plant(haystack, base, rows, doc_tokens, seed, count_tokens)
        tokens = extent.tokens(base) + planted.gain
        if tokens <= extent.budget:
            return planted
    raise UserError(
        f"A length of {extent.budget + reserved} tokens is too short for {what}; "
        f"the shortest that works is {tokens + reserved}."
    )


def _plant(
    haystack: Haystack,
    base: int,
    rows: Sequence[Sequence[str]],
    doc_tokens: int,
    seed: int,
    count_tokens: Callable[[str], int],
) -> Planted:
    places = needle_places(base, len(rows), len(rows[0]), seed)
    texts: list[str] = []
    gains: list[int] = []
    for sample, row in enumerate(rows):
        where = generator("within a document", seed, sample)
        gain = 0
        for sentence, place in zip(row, places[sample], strict=True):
            text = haystack[place]
            planted = plant(text, sentence, doc_tokens, count_tokens, where.random())
            gain += count_tokens(planted) - count_tokens(text)
            texts.append(planted)
        gains.append(gain)
    return Planted(base, places, tuple(texts), max(gains))
