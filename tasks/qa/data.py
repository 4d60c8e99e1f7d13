"""Questions and passages as a source gives them, before they become a memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RawQuestion:
    """A question whose evidence is given as places in the list of passages.

    Any of `alternatives` serves as well as a gold passage. `grades` are relevance judgements by place, larger is
    better, 0 or no entry is not relevant; it is empty where nobody graded.
    """

    id: str
    text: str
    answers: tuple[str, ...]
    gold: tuple[int, ...]
    alternatives: tuple[int, ...] = ()
    grades: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class QAData:
    """All passages (lazy where the source allows it) and questions of a data set; equal `sha256` means equal data."""

    passages: Sequence[str]
    questions: Sequence[RawQuestion]
    source: str
    sha256: str
    notes: tuple[str, ...] = ()


def passage_text(title: str, text: str) -> str:
    """What a model reads of a passage: its title, where it has one, on a line of its own above the text."""
    return f"{title.strip()}\n{text.strip()}" if title.strip() else text.strip()
