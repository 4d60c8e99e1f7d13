"""The corpus of a needle task: one base haystack for all questions, and each question's own documents beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import overload

from msa_bench.contracts import Document, Question
from tasks.haystack import Haystack
from tasks.permutation import Permutation

_TASTED = 16


@dataclass(frozen=True, eq=False)
class NeedleCorpus:
    """The first `base` documents of a haystack and the `own` texts, numbered by a permutation of the union.

    Before the permutation base documents have their place in the reading order as number and own text n has number
    `base + n`; so an id says nothing about where a document stands or whether it holds a needle.
    """

    haystack: Haystack
    base: int
    own: tuple[str, ...]
    seed: int

    @cached_property
    def ids(self) -> Permutation:
        """From number to id."""
        return Permutation(self.base + len(self.own), self.seed)

    @cached_property
    def fingerprint(self) -> str:
        # A taste of the documents tells apart haystacks of one recipe whose word lists have changed.
        taste = [self.haystack[place] for place in range(min(_TASTED, self.base))]
        return sha256(repr((self.haystack.recipe, self.base, self.seed, taste, self.own)).encode()).hexdigest()

    @cached_property
    def private_ids(self) -> tuple[int, ...]:
        return tuple(sorted(map(self.own_id, range(len(self.own)))))

    def own_id(self, number: int) -> int:
        """The id of own text `number`."""
        return self.ids(self.base + number)

    def __len__(self) -> int:
        return self.ids.size

    def __getitem__(self, document_id: int) -> Document:
        number = self.ids.inverse(document_id)
        text = self.haystack[number] if number < self.base else self.own[number - self.base]
        return Document(document_id, text)

    def __iter__(self) -> Iterator[Document]:
        return map(self.__getitem__, range(len(self)))

    def reading_order(self, question: Question) -> Sequence[int]:
        """The base documents in order, those that `question` replaces exchanged for its own."""
        return _ReadingOrder(self.ids, self.base, dict(zip(question.replaced_ids, question.own_ids, strict=True)))


@dataclass(frozen=True)
class _ReadingOrder(Sequence[int]):
    ids: Permutation
    base: int
    own: dict[int, int]

    def __len__(self) -> int:
        return self.base

    @overload
    def __getitem__(self, place: int) -> int: ...

    @overload
    def __getitem__(self, place: slice) -> list[int]: ...

    def __getitem__(self, place: int | slice) -> int | list[int]:
        places = range(self.base)[place]
        return self._id(places) if isinstance(places, int) else list(map(self._id, places))

    def _id(self, place: int) -> int:
        number = self.ids(place)
        return self.own.get(number, number)
