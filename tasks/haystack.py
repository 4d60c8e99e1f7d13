"""What needles are hidden in: filler, prose, other needles, or a user's own text, cut into documents.

A haystack has no end: `haystack[place]` is the document at that place of the reading order, made or read when asked
for, so that it is small to keep and to send to another process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from statistics import fmean, stdev
from typing import Protocol

from msa_bench.prose import Prose
from tasks.keys import Labels, Needle

_FILLER = (
    "The grass is green.",
    "The sky is blue.",
    "The sun is yellow.",
    "Here we go.",
    "There and back again.",
)
_SAMPLE, _DEVIATIONS = 256, 6


class Haystack(Protocol):
    """Documents by their place in the reading order, without end."""

    @property
    def recipe(self) -> str:
        """All that the documents depend on."""
        ...

    def notes(self, documents: int) -> tuple[str, ...]:
        """What a reader of the record should know about the first `documents` documents."""
        ...

    def __getitem__(self, place: int, /) -> str: ...


class _Generated:
    @property
    def recipe(self) -> str:
        return repr(self)

    def notes(self, documents: int) -> tuple[str, ...]:
        return ()


@dataclass(frozen=True)
class Noise(_Generated):
    """RULER's filler passage over and over, `sentences` of it per document."""

    sentences: int

    def __getitem__(self, place: int) -> str:
        return " ".join(islice(cycle(_FILLER), self.sentences))


@dataclass(frozen=True)
class Essay(_Generated):
    """Generated prose."""

    prose: Prose

    def __getitem__(self, place: int) -> str:
        return self.prose[place]


@dataclass(frozen=True)
class Distractors(_Generated):
    """Needles nobody asks for, `lines` per document.

    The first `reserved` keys and values belong to questions, so distractors number theirs from the other end: which
    ones stand at a place does not depend on how many questions there are.
    """

    kind: str
    keys: Labels
    values: Labels
    reserved: int
    lines: int

    def line(self, number: int) -> str:
        """Distractor `number`."""
        key, value = (
            labels[labels.distinct - 1 - number % (labels.distinct - self.reserved)]
            for labels in (self.keys, self.values)
        )
        return Needle(self.kind, key, value).sentence

    def notes(self, documents: int) -> tuple[str, ...]:
        return tuple(
            f"The haystack has {documents * self.lines:,} distractor needles but only {available:,} different {what}, "
            f"so {what} repeat."
            for what, labels in (("keys", self.keys), ("values", self.values))
            if documents * self.lines > (available := labels.distinct - self.reserved)
        )

    def __getitem__(self, place: int) -> str:
        return "\n".join(self.line(place * self.lines + line) for line in range(self.lines))


def fitted_noise(doc_tokens: int, count_tokens: Callable[[str], int]) -> Noise:
    """Noise with as many sentences as `doc_tokens` tokens hold."""
    sentences = 1
    while count_tokens(Noise(sentences + 1)[0]) <= doc_tokens:
        sentences += 1
    return Noise(sentences)


def fitted_distractors(
    kind: str, keys: Labels, values: Labels, reserved: int, doc_tokens: int, count_tokens: Callable[[str], int]
) -> Distractors:
    """Distractors with as many lines as `doc_tokens` tokens hold, six standard deviations of a sample to spare."""
    single = Distractors(kind, keys, values, reserved, 1)
    counts = [count_tokens(single[place] + "\n") for place in range(_SAMPLE)]
    mean, deviation = fmean(counts), _DEVIATIONS * stdev(counts)
    lines = 1
    while (lines + 1) * mean + (lines + 1) ** 0.5 * deviation <= doc_tokens:
        lines += 1
    return Distractors(kind, keys, values, reserved, lines)
