"""Keys and values of training needles: words outside `wonderwords`, numbers and version-4 uuids."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from msa_bench.relations import pick
from msa_bench.training.episodes.words import ADJECTIVES, COINED, NOUNS

_HEX = "0123456789abcdef"
_ADJECTIVE_SET = frozenset(ADJECTIVES)
_ADJECTIVE_NOUN_SHARE, _UUID_SHARE = 0.6, 0.08
_DIGITS = (4, 5, 6, 7, 7, 7, 7, 7, 8, 9)


def key(rng: Random) -> str:
    """A new key; most are `adjective-noun`, as evaluation keys are, the others make the model read any key."""
    draw = rng.random()
    if draw < _ADJECTIVE_NOUN_SHARE:
        return f"{pick(rng, ADJECTIVES)}-{_noun(rng)}"
    if draw < _ADJECTIVE_NOUN_SHARE + _UUID_SHARE:
        return uuid(rng)
    return pick(rng, _FORMS)(rng)


def lookalike(rng: Random, key: str) -> str:
    """Another key of the same form that differs in one of its words, or in one block of a uuid."""
    for gap in ("-", " ", "_"):
        if gap in key:
            words = key.split(gap)
            place = int(rng.random() * len(words))
            words[place] = _replacement(rng, words, place)
            return gap.join(words)
    return _other(rng, key, lambda: pick(rng, COINED))


def uuid(rng: Random) -> str:
    """A random version-4 uuid in its usual spelling."""
    bits = f"{rng.getrandbits(120):030x}"
    return f"{bits[:8]}-{bits[8:12]}-4{bits[12:15]}-{'89ab'[rng.getrandbits(2)]}{bits[15:18]}-{bits[18:30]}"


def value(rng: Random, digits: int | None = None) -> str:
    """A whole number of `digits` digits, by default of 4 to 9 and most often of 7."""
    count = digits or pick(rng, _DIGITS)
    low: int = 10 ** (count - 1)
    return str(low + int(rng.random() * 9 * low))


def _noun(rng: Random) -> str:
    return pick(rng, COINED if rng.random() < 0.3 else NOUNS)


def _code(rng: Random) -> str:
    letters = "".join(pick(rng, "ABCDEFGHJKLMNPQRSTUVWXYZ") for _ in range(2 + rng.getrandbits(1)))
    return f"{letters}-{value(rng, 4)}"


_FORMS: tuple[Callable[[Random], str], ...] = (
    lambda rng: pick(rng, COINED),
    lambda rng: f"{pick(rng, ADJECTIVES)} {_noun(rng)}",
    lambda rng: f"{pick(rng, ADJECTIVES)} {pick(rng, ADJECTIVES)} {_noun(rng)}",
    lambda rng: f"{pick(rng, ADJECTIVES)}_{_noun(rng)}",
    lambda rng: f"{_noun(rng)}-{pick(rng, NOUNS)}",
    lambda rng: f"{pick(rng, ADJECTIVES)}-{pick(rng, NOUNS)}-{_noun(rng)}",
    lambda rng: f"{_noun(rng)} {pick(rng, NOUNS)}",
    _code,
)


def _replacement(rng: Random, words: list[str], place: int) -> str:
    old = words[place]
    if old.isdigit() and len(words) == 2:
        return _other(rng, old, lambda: value(rng, len(old)))
    if len(words) == 5 and len(words[0]) == 8:
        return _other(rng, old, lambda: old[:1] + "".join(pick(rng, _HEX) for _ in old[1:]))
    if old.isupper():
        return _other(rng, old, lambda: _code(rng).split("-")[0])
    pool = ADJECTIVES if place == 0 and old in _ADJECTIVE_SET else NOUNS
    return _other(rng, old, lambda: pick(rng, pool))


def _other(rng: Random, old: str, draw: Callable[[], str]) -> str:
    while (new := draw()) == old:
        pass
    return new
