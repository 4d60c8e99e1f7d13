"""How answers are made comparable: each normaliser turns a text into the words that count.

A task names the one its data set is scored with, and the run record says which it was.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from msa_bench.errors import unknown

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_HAN = "\\u3400-\\u9fff\\uf900-\\ufaff\\U00020000-\\U0003ffff"
_RUNS = re.compile(f"[{_HAN}]|[^\\W_{_HAN}]+")


@dataclass(frozen=True, slots=True)
class Normaliser:
    """`words` makes the words of a text, `joint` is what stands between them where they are joined again."""

    name: str
    description: str
    words: Callable[[str], list[str]]
    joint: str = " "

    def __call__(self, text: str) -> str:
        """The normalised text."""
        return self.joint.join(self.words(text))


def squad_words(text: str) -> list[str]:
    """Lower-case words without punctuation and the articles a, an, the (SQuAD; Rajpurkar et al. 2016)."""
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def characters(text: str) -> list[str]:
    """Chinese characters one by one, other letters and digits in lower-case runs (CMRC 2018; Cui et al. 2019).

    Full-width forms are read as the ordinary ones; punctuation and spaces are dropped.
    """
    return _RUNS.findall(unicodedata.normalize("NFKC", text).lower())


_ALL = (
    Normaliser("squad", "lower case, no punctuation, no a/an/the, words by spaces", squad_words),
    Normaliser("characters", "lower case, no punctuation, Chinese by characters and the rest by words", characters, ""),
)
NORMALISERS = {one.name: one for one in _ALL}
SQUAD = NORMALISERS["squad"]


def normaliser(name: str) -> Normaliser:
    """The normaliser of that name; a `UserError` if there is none."""
    if name not in NORMALISERS:
        raise unknown("normaliser", name, NORMALISERS)
    return NORMALISERS[name]
