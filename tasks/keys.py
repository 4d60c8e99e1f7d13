"""Needles, and their keys and values by number: adjective-noun pairs, 7-digit numbers, version-4 uuids, from a seed.

Words come from the lists of the package wonderwords, as in RULER, less what it lists as profanity. Evaluation alone
uses them: `evaluation_words` is there for training data to keep clear of.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import blake2b
from importlib.resources import files
from uuid import UUID

from msa_bench.seeding import derive
from tasks.permutation import Permutation

_FIRST_NUMBER, _NUMBERS = 1_000_000, 9_000_000


@cache
def adjectives() -> tuple[str, ...]:
    """The adjectives of word keys, sorted."""
    return _words("adjectivelist.txt")


@cache
def nouns() -> tuple[str, ...]:
    """The nouns of word keys, sorted."""
    return _words("nounlist.txt")


def evaluation_words() -> frozenset[str]:
    """Every word an evaluation key may be made of."""
    return frozenset(adjectives()) | frozenset(nouns())


@dataclass(frozen=True, slots=True)
class Needle:
    """What is said about a key; `kind` ("numbers" or "uuids") is what the value is."""

    kind: str
    key: str
    value: str

    @property
    def sentence(self) -> str:
        """The needle as it stands in the text, worded as in RULER."""
        return f"One of the special magic {self.kind} for {self.key} is: {self.value}."


@dataclass(frozen=True)
class Labels:
    """The labels of one kind ("words", "numbers" or "uuids"): `labels[i]` depends on the seed and i alone.

    No two of the first `distinct` labels are equal; after those, words and numbers start again.
    """

    kind: str
    seed: int

    @property
    def distinct(self) -> int:
        """How many labels there are before the first repeats."""
        return {"words": len(adjectives()) * len(nouns()), "numbers": _NUMBERS, "uuids": 1 << 61}[self.kind]

    def __getitem__(self, index: int) -> str:
        if self.kind == "uuids":
            digest = blake2b(f"uuid/{self.seed}/{index}".encode(), digest_size=16).digest()
            return str(UUID(bytes=digest, version=4))
        shuffled = self._order(index % self.distinct)
        if self.kind == "numbers":
            return str(_FIRST_NUMBER + shuffled)
        adjective, noun = divmod(shuffled, len(nouns()))
        return f"{adjectives()[adjective]}-{nouns()[noun]}"

    @cached_property
    def _order(self) -> Permutation:
        return Permutation(self.distinct, derive("labels", self.kind, self.seed))


def _words(name: str) -> tuple[str, ...]:
    assets = files("wonderwords") / "assets"
    listed, profane = (set((assets / file).read_text("utf-8").splitlines()) for file in (name, "profanitylist.txt"))
    return tuple(sorted(word for word in listed - profane if word.isascii() and word.isalpha() and word.islower()))
