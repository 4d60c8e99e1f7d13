"""The text around what matters: prose of the haystack's kind, repeated noise, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from random import Random

from msa_bench.prose import Prose
from msa_bench.relations import pick
from msa_bench.seeding import derive
from msa_bench.training.episodes.words import ADJECTIVES, NOUNS

# A seed of its own namespace, so that no training paragraph is a paragraph of an evaluation haystack.
_PROSE = Prose(derive("training prose"), max_chars=640)
# Paragraphs are kept once written: a few ten thousand are varied enough and are cut differently every time.
_PARAGRAPHS = 32_768
_MIN_WORDS, _MAX_WORDS = 20, 110
_PROSE_SHARE, _NOISE_SHARE = 0.78, 0.12
_NOISE_FORMS = (
    "The {noun} is {adjective}.",
    "The {noun} and the {other} are here.",
    "It goes on and on.",
    "A {noun} comes, a {other} goes.",
    "Round we go again.",
    "One {adjective} {noun} after another.",
    "And so it begins once more.",
    "Nothing happens by the {noun}.",
)


def filler(rng: Random) -> list[str]:
    """Consecutive sentences of one paragraph, 20 to 110 words where the paragraph has them."""
    sentences = _paragraph(int(rng.random() * _PARAGRAPHS))
    wanted = _MIN_WORDS + int(rng.random() * (_MAX_WORDS - _MIN_WORDS))
    start = int(rng.random() * max(1, len(sentences) // 2))
    words, kept = 0, list[str]()
    for sentence in sentences[start:]:
        words += sentence.count(" ") + 1
        if kept and words > wanted:
            break
        kept.append(sentence)
    return kept


def noise(rng: Random) -> list[str]:
    """A few meaningless sentences over and over."""
    passage = [
        pick(rng, _NOISE_FORMS).format(noun=pick(rng, NOUNS), other=pick(rng, NOUNS), adjective=pick(rng, ADJECTIVES))
        for _ in range(3 + int(rng.random() * 3))
    ]
    return passage * (2 + int(rng.random() * 3))


def hide(rng: Random, sentences: Sequence[str]) -> str:
    """A document that says `sentences`, in their order, each anywhere among prose or noise, or nothing but them."""
    kind = rng.random()
    if kind < _PROSE_SHARE:
        around = filler(rng)
    elif kind < _PROSE_SHARE + _NOISE_SHARE:
        around = noise(rng)
    else:
        around = []
    places = sorted(int(rng.random() * (len(around) + 1)) for _ in sentences)
    for place, sentence in zip(reversed(places), reversed(sentences), strict=True):
        around.insert(place, sentence)
    return " ".join(around)


@cache
def _paragraph(index: int) -> tuple[str, ...]:
    return tuple(_PROSE.sentences(index))
