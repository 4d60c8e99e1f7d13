from collections import Counter
from dataclasses import dataclass

import pytest

from tasks import extent
from tasks.extent import measure


@dataclass
class Lengths:
    """A haystack whose document n is 5 to 14 characters long."""

    recipe = "lengths"

    def notes(self, documents: int) -> tuple[str, ...]:
        return ()

    def __getitem__(self, place: int) -> str:
        return "x" * (5 + place * 7 % 10)


def test_as_many_documents_as_fit_and_not_one_more() -> None:
    for budget in (5, 100, 1_000, 4_321):
        found = measure(Lengths(), budget, at_least=1, count_tokens=len)
        total = sum(len(Lengths()[place]) for place in range(found.fits))
        assert found.tokens(found.fits) == total <= budget
        assert total + len(Lengths()[found.fits]) > budget


def test_a_few_documents_are_counted_even_without_a_budget() -> None:
    found = measure(Lengths(), budget=-3, at_least=5, count_tokens=len)
    assert found.fits < 0
    assert found.tokens(5) == sum(len(Lengths()[place]) for place in range(5))


def test_a_long_haystack_is_judged_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extent, "EXACT_DOCUMENTS", 500)
    counted: Counter[str] = Counter()

    def count_tokens(text: str) -> int:
        counted["calls"] += 1
        return len(text)

    for budget in (4_700, 5_000, 1_000_000):
        counted.clear()
        found = measure(Lengths(), budget, at_least=1, count_tokens=count_tokens)
        assert abs(found.fits - budget / 9.5) <= 0.01 * budget / 9.5
        assert abs(found.tokens(found.fits) - budget) < 20
        assert counted["calls"] <= 1_000
