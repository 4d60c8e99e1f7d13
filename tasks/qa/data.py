"""Questions and passages as a source gives them, before they become a memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain


@dataclass(frozen=True, slots=True)
class RawQuestion:
    """A question whose evidence is given as places in the list of passages.

    `alternatives` has, by the place of a gold passage, others that serve as well. `grades` are relevance judgements by
    place, larger is better, 0 or no entry is not relevant; it is empty where nobody graded.
    """

    id: str
    text: str
    answers: tuple[str, ...]
    gold: tuple[int, ...]
    alternatives: Mapping[int, Sequence[int]] = field(default_factory=dict)
    grades: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class QAData:
    """All passages (lazy where the source allows it) and questions of a data set; equal `sha256` means equal data.
    `unread` are keys of questions that mean nothing here."""

    passages: Sequence[str]
    questions: Sequence[RawQuestion]
    source: str
    sha256: str
    notes: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


def passage_text(title: str, text: str) -> str:
    """What a model reads of a passage: its title, where it has one, on a line of its own above the text."""
    return f"{title.strip()}\n{text.strip()}" if title.strip() else text.strip()


def content_sha256(passages: Iterable[str], questions: Iterable[RawQuestion]) -> str:
    """The hash of all passages and questions, for sources that are not hashed as files."""
    digest = sha256()
    for text in chain(passages, map(repr, questions)):
        digest.update(text.encode("utf-8", "surrogatepass") + b"\0")
    return digest.hexdigest()
