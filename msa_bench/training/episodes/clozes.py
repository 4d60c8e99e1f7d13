"""Questions about real passages nobody asked about, one at a time or two beside each other.

Sets of questions cover few subjects; their passages, those that only look right among them, cover thousands.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random

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
    read_shelf,
)
from msa_bench.training.episodes.episode import Episode, Generate, one_round
from msa_bench.training.episodes.files import Passage
from msa_bench.training.episodes.passages import opening

_TWO_SHARE, _LIKE_SHARE = 0.2, 0.5
_TRIES = 10_000
_BORN = re.compile(r"\bborn\b[^.;)]*?\b(1[5-9]\d\d|20[0-2]\d)\b")
_FILM = re.compile(r"\bis an? (1[89]\d\d|20[0-2]\d) [^.]*?\bfilm\b")
_OLDER = ("Who is older, {} or {}?", "Who was born first, {} or {}?", "Which of them was born earlier, {} or {}?")
_EARLIER = (
    "Which film came out first, {} or {}?",
    "Which film is older, {} or {}?",
    "Which was released earlier, {} or {}?",
)
_BOTH = (
    "What are {} and {}?",
    "Tell me about {} and {}.",
    "What do {} and {} have in common?",
    "{} and {}: what are they?",
)


def clozes(path: Path) -> Generate:
    """A generator over the titled passages of the question rows of `path`, stories aside; passages that resemble a
    question are its hard negatives, and asked about too."""
    titled = cache(lambda: list(filter(is_titled, read_shelf(path).passages)))

    def generate(rng: Random) -> Episode:
        for _ in range(_TRIES if titled() else 0):
            passage = pick(rng, titled())
            asked = ask(rng, passage)
            if asked is not None:
                break
        else:
            raise UserError(f"Of no passage of {path} anything can be asked; leave the source clozes out.")
        near = nearest(read_shelf(path), asked.question, asked.answer, [passage])
        if rng.random() < _TWO_SHARE and near:
            other = pick(rng, near if rng.random() < _LIKE_SHARE else titled())
            two = _two(rng, passage, other) if name(other) and name(other) != name(passage) else None
            if two is not None:
                return two
        gold, (others, further) = as_document(rng, passage, asked.held), beside(rng, near)
        return one_round("cloze", asked.question, [gold], others, asked.answer, further)

    return generate


def _two(rng: Random, first: Passage, second: Passage) -> Episode | None:
    """A question about two passages, which is older where both say so; None if one does not say what it is about."""
    names = (name(first), name(second))
    documents = [as_document(rng, each, "") for each in (first, second)]
    for pattern, wordings in ((_BORN, _OLDER), (_FILM, _EARLIER)):
        years = [found[1] for found in map(pattern.search, documents) if found]
        if len(set(years)) == len(documents):
            return one_round(
                "cloze_two", pick(rng, wordings).format(*names), documents, [], names[years.index(min(years))]
            )
    told = [definition(each) for each in (first, second)]
    if not all(told):
        return None
    answer = "; ".join(f"{each}: {opening(one, 10)}" for each, one in zip(names, told, strict=True))
    return one_round("cloze_two", pick(rng, _BOTH).format(*names), documents, [], answer)
