"""Seeded prose without end: paragraph number i is written from (seed, i) alone, in any order, the same everywhere.

Each document is one paragraph on one topic with a town, two people and a thing that come back. It is haystack and
training text that needs no download: the words are common English, a retriever finds something to rank, and sentences
do not repeat over at least 100M tokens.

    >>> print(Prose(seed=42, max_chars=200)[7])
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import TypeVar

from msa_bench.prose.grammar import BODY, NAMES, OPENINGS, SHARED
from msa_bench.prose.topics import TOPICS
from msa_bench.seeding import generator

_WORDS = tuple({**SHARED, **topic} for topic in TOPICS)
_BEFORE_VOWEL = re.compile(r"\b([Aa]) (?=[aeio]|u(?!ni|s))")
_LINKED, _TURN, _PRONOUN = 0.15, 0.3, 0.5
_MISSES = 3
_SAMPLE, _DEVIATIONS = 256, 5

_T = TypeVar("_T")


@dataclass(frozen=True)
class Prose:
    """An endless sequence of paragraphs of at most `max_chars` characters each."""

    seed: int
    max_chars: int

    def __getitem__(self, index: int) -> str:
        return " ".join(self.sentences(index))

    def sentences(self, index: int) -> list[str]:
        """The sentences of document `index`; joined by spaces they are the document."""
        scene = _Scene(generator("prose", self.seed, index).random)
        sentences = [_cut(scene.sentence(OPENINGS), self.max_chars)]
        room = self.max_chars - len(sentences[0])
        misses = 0
        while misses < _MISSES:
            sentence = scene.sentence(BODY)
            if len(sentence) < room:
                sentences.append(sentence)
                room -= len(sentence) + 1
            else:
                misses += 1
        return sentences


def fitted_prose(seed: int, doc_tokens: int, count_tokens: Callable[[str], int]) -> Prose:
    """Prose whose documents hold at most `doc_tokens` tokens, by the tokens per character of a sample.

    The bound is five standard deviations of the sample above its mean: the longest of a million documents
    comes near it, the others stay well below.
    """
    trial = Prose(0, 4 * doc_tokens)
    texts = [trial[index] for index in range(_SAMPLE)]
    rates = [count_tokens(text) / len(text) for text in texts]
    return Prose(seed, int(doc_tokens / (fmean(rates) + _DEVIATIONS * stdev(rates))))


@dataclass(frozen=True)
class _Person:
    name: str
    short: str
    pronoun: str
    possessive: str


class _Scene:
    """What one paragraph is about; as a mapping it fills the slots of a pattern."""

    _again = False

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._words = self._pick(_WORDS)
        self._fixed = {"town": self._pick(NAMES["town"]), "item": self._pick(self._words["thing"])}
        self._people = (self._person(), self._person())
        self._met: set[_Person] = set()
        self._subject, self._other = self._people
        self._patterns: set[str] = set()
        self._last: dict[str, str] = {}

    def sentence(self, patterns: Sequence[str]) -> str:
        """A sentence of one of `patterns`, none twice while there are others."""
        pattern = self._pick(patterns)
        while pattern in self._patterns and len(self._patterns) < len(patterns):
            pattern = self._pick(patterns)
        self._patterns.add(pattern)
        before = self._subject
        if self._random() < _TURN:
            self._subject, self._other = self._other, self._subject
        self._again = before is self._subject and self._random() < _PRONOUN
        begun = bool(self._met)
        text = pattern.format_map(self)
        if begun and self._random() < _LINKED and not pattern.startswith("{when}"):
            text = f"{self['link']}, {text}"
        text = _BEFORE_VOWEL.sub(r"\1n ", text)
        return f"{text[0].upper()}{text[1:]}."

    def __getitem__(self, slot: str) -> str:
        if slot in self._fixed:
            return self._fixed[slot]
        if slot == "who" and self._again and self._subject in self._met:
            return self._subject.pronoun
        if slot in ("who", "whom"):
            return self._name(self._subject)
        if slot == "other":
            return self._name(self._other)
        if slot == "their":
            return self._subject.possessive
        words = self._pick(self._words[slot])
        while words == self._last.get(slot):
            words = self._pick(self._words[slot])
        self._last[slot] = words
        return words.format_map(self) if "{" in words else words

    def _name(self, person: _Person) -> str:
        known = person in self._met
        self._met.add(person)
        return person.short if known else person.name

    def _person(self) -> _Person:
        woman = self._random() < 0.5
        first = self._pick(NAMES["woman" if woman else "man"])
        last = self._pick(NAMES["surname"])
        short = first if self._random() < 0.5 else last
        return _Person(f"{first} {last}", short, *(("she", "her") if woman else ("he", "his")))

    def _pick(self, choices: Sequence[_T]) -> _T:
        return choices[int(self._random() * len(choices))]


def _cut(text: str, max_chars: int) -> str:
    """`text`, if need be only as many of its words as fit in `max_chars`."""
    if len(text) <= max_chars:
        return text
    return text[:max_chars].rsplit(" ", 1)[0].rstrip(",;.") + "."
