"""How many documents of a haystack make a length."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tasks.haystack import Haystack

EXACT_DOCUMENTS = 16_384
_PILOT = 64


@dataclass(frozen=True)
class Extent:
    """Tokens of the first n documents: `cumulative[n]` as far as counted, `mean` for each document beyond."""

    budget: int
    cumulative: tuple[int, ...]
    mean: float | None = None

    @property
    def fits(self) -> int:
        """The most documents that stay within `budget` tokens; negative where not even none does."""
        counted = len(self.cumulative) - 1
        if self.mean is not None:
            return counted + int((self.budget - self.cumulative[-1]) / self.mean)
        return sum(tokens <= self.budget for tokens in self.cumulative) - 1

    def tokens(self, documents: int) -> int:
        """Tokens of the first `documents` documents."""
        counted = len(self.cumulative) - 1
        if documents <= counted or self.mean is None:
            return self.cumulative[documents]
        return self.cumulative[-1] + round((documents - counted) * self.mean)


def measure(haystack: Haystack, budget: int, at_least: int, count_tokens: Callable[[str], int]) -> Extent:
    """The extent of `haystack` up to one document beyond `budget` tokens, and up to `at_least` documents.

    Up to 16,384 documents are counted one by one; for more, 16,384 evenly spaced ones stand for all.
    """
    cumulative = [0]
    while cumulative[-1] <= budget or len(cumulative) <= at_least:
        counted = len(cumulative) - 1
        hopeless = counted == _PILOT and budget * _PILOT > 1.25 * EXACT_DOCUMENTS * cumulative[-1]
        if counted == EXACT_DOCUMENTS or hopeless:
            documents = budget * counted // cumulative[-1]
            sample = (haystack[place * documents // EXACT_DOCUMENTS] for place in range(EXACT_DOCUMENTS))
            return Extent(budget, tuple(cumulative), sum(map(count_tokens, sample)) / EXACT_DOCUMENTS)
        cumulative.append(cumulative[-1] + count_tokens(haystack[counted]))
    return Extent(budget, tuple(cumulative))
