"""A text too long for one document, cut into documents where sentences end."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator

from tasks.planting import sentence_spans


def split_text(text: str, limit: int, count_tokens: Callable[[str], int]) -> list[str]:
    """`text` in pieces of at most `limit` tokens, white space around them dropped; one that fits stays whole.

    A piece ends where a sentence ends, and only a sentence too long for one piece is cut, between words.
    """
    if _fits(text, limit, count_tokens):
        return [text]
    pieces, held = [], ""
    for sentence in _sentences(text, limit, count_tokens):
        if held and count_tokens((held + sentence).strip()) > limit:
            pieces.append(held.strip())
            held = ""
        held += sentence
    return [*pieces, held.strip()] if held.strip() else pieces


def beginning(text: str, limit: int, count_tokens: Callable[[str], int]) -> str:
    """The longest beginning of `text` within `limit` tokens that ends between words, or within one if need be."""
    size = bisect_right(range(1, len(text)), limit, key=lambda size: count_tokens(text[:size].strip()))
    border = re.search(r"\s\S*\Z", text[:size])
    return text[: border.start() + 1] if border and text[: border.start()].strip() else text[: max(size, 1)]


def _sentences(text: str, limit: int, count_tokens: Callable[[str], int]) -> Iterator[str]:
    """The sentences of `text` in order, those of more than `limit` tokens cut; together they are all of it."""
    data = text.encode()
    for start, stop in sentence_spans(data):
        sentence = data[start:stop].decode()
        while not _fits(sentence.strip(), limit, count_tokens):
            first = beginning(sentence, limit, count_tokens)
            yield first
            sentence = sentence[len(first) :]
        if sentence:
            yield sentence


def _fits(text: str, limit: int, count_tokens: Callable[[str], int]) -> bool:
    """Whether `text` has at most `limit` tokens; none has more of them than UTF-8 bytes, so short ones go uncounted."""
    return len(text.encode()) <= limit or count_tokens(text) <= limit
