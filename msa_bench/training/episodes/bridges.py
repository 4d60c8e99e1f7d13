"""Questions over two real passages of which the first leads to the second.

As in unsupervised multi-hop question answering (Pan et al. 2021), the bridge is the title of one passage in the text of
another. What is asked of the second does not name it but says what it is and which passage speaks of it, so that the
second can be looked for only when the first is read.

first:    "Fatal Instinct: ... It starred Drew Fuller as the son of a detective."
second:   "Drew Fuller: Andrew Fuller is an American actor. He was born in Atherton."
question: "The American actor connected with Fatal Instinct was born in what place?"
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from msa_bench.errors import UserError
from msa_bench.relations import pick
from msa_bench.training.episodes.asking import (
    as_document,
    ask,
    beside,
    definition,
    is_titled,
    name,
    nearest,
    of_its_subject,
    overlap,
    read_shelf,
    short_sentences,
)
from msa_bench.training.episodes.episode import Episode, Generate
from msa_bench.training.episodes.files import Passage

_FEWEST_WORDS = 2
_MOST_MENTIONS = 20
"""Passages that speak of a subject; what more of them speak of is a bridge to nowhere, such as a country."""
_KIND_WORDS = 4
_TRIES = 10_000
_TOLD_SHARE = 0.4

_CAPITAL = re.compile(r"(?<!\w)[A-Z][\w'’.-]*")
_ARTICLE = re.compile(r"^(?:an?|one of the|the) (?:the )?")
_KIND_ENDS = re.compile(
    r",| (?:who|which|that|and|or|from|of|in|at|on|by|for|to|with|born|known|best|based|located|written|directed"
    r"|produced|created|released|published|starring|featuring|comprising)\b| \("
)
_CONNECTED = (
    "the {} connected with {}", "the {} spoken of with {}", "the {} that {} has to do with", "the {} of {}",
    "the {} in {}", "the {} linked to {}", "the {} named where {} is described", "the {} behind {}",
)  # fmt: skip


class Bridge(NamedTuple):
    """Two passages, and the sentence of the first that names the second."""

    first: Passage
    second: Passage
    sentence: str


def bridges(path: Path) -> Generate:
    """A generator over pairs of the passages of the question rows of `path`, stories aside; the first is named in one
    round and the second in the next, and passages that resemble the question stand beside them."""
    found = cache(lambda: list(find_bridges(read_shelf(path).passages)))

    def generate(rng: Random) -> Episode:
        for _ in range(_TRIES if found() else 0):
            bridge = pick(rng, found())
            made = _episode(rng, bridge)
            if made is not None:
                texts, further = beside(rng, nearest(read_shelf(path), made.question, made.answer, bridge[:2]))
                return replace(made, documents=(*made.documents, *texts), further=tuple(further))
        raise UserError(f"No passage of {path} leads to another that can be asked about; leave the source bridges out.")

    return generate


def find_bridges(passages: Sequence[Passage]) -> Iterator[Bridge]:
    """Every sentence of a titled passage that names another one, whose title is its own alone and of several words."""
    named = defaultdict[str, list[Passage]](list)
    for passage in filter(is_titled, passages):
        named[name(passage)].append(passage)
    starts = defaultdict[str, list[str]](list)
    for title, those in named.items():
        if len(those) == 1 and title.count(" ") + 1 >= _FEWEST_WORDS:
            starts[title.split()[0]].append(title)
    mentions = defaultdict[str, list[Bridge]](list)
    for passage in filter(is_titled, passages):
        for sentence in short_sentences(passage):
            for title in _titles_in(sentence, starts):
                if not overlap(title, name(passage)):
                    mentions[title].append(Bridge(passage, named[title][0], sentence))
    for found in mentions.values():
        if len({bridge.first for bridge in found}) <= _MOST_MENTIONS:
            yield from found


def _titles_in(sentence: str, starts: dict[str, list[str]]) -> list[str]:
    """The titles that stand in `sentence` as whole words, of those known by their first words, in its order."""
    found: dict[str, None] = {}
    for capital in _CAPITAL.finditer(sentence):
        for title in starts.get(capital[0], ()):
            end = capital.start() + len(title)
            if sentence.startswith(title, capital.start()) and not sentence[end : end + 1].isalnum():
                found[title] = None
    return list(found)


def _episode(rng: Random, bridge: Bridge) -> Episode | None:
    """A question over `bridge` without further documents; None where what was drawn names the second passage."""
    first, second, sentence = bridge
    asked = ask(rng, second)
    if asked is None or not asked.held or name(second) not in asked.question:
        return None
    kind = _kind(second)
    if rng.random() < _TOLD_SHARE:
        told = _called(of_its_subject(sentence, name(first)).rstrip("."), second, f"this {kind}")
        question = f"{told}. {_called(asked.question, second, f'this {kind}')}"
    else:
        question = _called(asked.question, second, pick(rng, _CONNECTED).format(kind, name(first)))
    if name(second) in question or name(first) not in question or asked.answer.lower() in question.lower():
        return None
    documents = (as_document(rng, first, sentence), as_document(rng, second, asked.held))
    return Episode("bridge", question, ((0,), (1,)), documents, asked.answer)


def _kind(passage: Passage) -> str:
    """What the subject of `passage` is, in a few words; `one` where it does not say so."""
    told = _ARTICLE.sub("", definition(passage))
    return " ".join(_KIND_ENDS.split(told)[0].split()[:_KIND_WORDS]).strip(" .-") or "one"


def _called(text: str, passage: Passage, otherwise: str) -> str:
    """`text` with the subject of `passage` called otherwise, and a capital at its start."""
    told = re.sub(rf"\b(?:[Tt]he )?{re.escape(name(passage))}", lambda _: otherwise, text)
    return told[:1].upper() + told[1:]
