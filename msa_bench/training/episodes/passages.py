"""Cutting real text: into sentences, into windows of whole sentences, down to a short answer."""

from __future__ import annotations

import re
from random import Random

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"'(A-Z0-9])")
# Where the first statement of a dictionary entry or section stops.
_STATEMENT_END = re.compile(r"[.!?;:]\s|\s\[|\s\d+:\s|;$|\.$")
_ENTRY_START = re.compile(r"^(?:(?:n|v|adj|adv)\s+)?(?:\d+\s*[:.]|:)?\s*(?:<[^>]*>\s*)?(?:\([^)]*\)\s*)?")


def tidy(text: str) -> str:
    """`text` on one line with single spaces."""
    return " ".join(text.split())


def sentences(text: str) -> list[str]:
    """The sentences of `text`, about: an abbreviation before a capital ends one too."""
    return _SENTENCE_END.split(text)


def window(rng: Random, text: str, words: int, keep: str = "") -> str:
    """At most `words` words of `text` in whole sentences around a random one, or around the first that holds `keep`."""
    if text.count(" ") < words:
        return text
    parts = sentences(text)
    first = next((place for place, each in enumerate(parts) if keep and keep in each), None)
    if first is None:
        first = int(rng.random() * len(parts))
    lengths = [sentence.count(" ") + 1 for sentence in parts]
    last, room = first, words - lengths[first]
    if room < 0:
        return " ".join(parts[first].split(" ")[:words])
    while True:
        fits_before = first > 0 and lengths[first - 1] <= room
        fits_after = last + 1 < len(parts) and lengths[last + 1] <= room
        if not (fits_before or fits_after):
            return " ".join(parts[first : last + 1])
        if fits_after and (not fits_before or rng.random() < 0.6):
            last += 1
            room -= lengths[last]
        else:
            first -= 1
            room -= lengths[first]


def opening(text: str, words: int) -> str:
    """What `text` says first, without the marks a dictionary entry begins with, in at most `words` words."""
    body = _ENTRY_START.sub("", text, count=1)
    end = _STATEMENT_END.search(body)
    statement = body[: end.start()] if end and end.start() > 0 else body
    return " ".join(statement.split(" ")[:words]).strip(" ,")
