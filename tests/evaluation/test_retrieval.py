from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from toys import ToyCorpus

from msa_bench.contracts import Corpus, Dataset, IndexReport, Progress, Question, no_progress
from msa_bench.errors import UserError
from msa_bench.evaluation.retrieval import measure
from msa_bench.reporting.retrieval import retrieval_table


@dataclass
class Found:
    ids: tuple[int, ...]


class Fixed:
    """Ranks all documents, those in `first` before the others, less the hidden ones."""

    def __init__(self, *first: int) -> None:
        self.first = first
        self.size = 0

    def describe(self) -> Mapping[str, Any]:
        return {"name": "fixed"}

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        self.size = len(corpus)
        return IndexReport(len(corpus), 0, 2.0, 10_000_000)

    def search(self, query: str, k: int, hidden: frozenset[int] = frozenset()) -> Found:
        order = dict.fromkeys((*self.first, *range(self.size)))
        return Found(tuple(one for one in order if one not in hidden)[:k])


QUESTIONS = [
    Question("a", "A?", (), gold_ids=(0, 30)),
    Question("b", "B?", (), gold_ids=(7,), substitutes={7: (31,)}),
    Question("c", "no gold", ()),
]


def _dataset() -> Dataset:
    return Dataset(ToyCorpus([str(number) for number in range(40)]), QUESTIONS, ("a note",))


def test_recall_is_the_share_of_gold_found_with_intervals_and_differences_to_the_first() -> None:
    result = measure("toy", _dataset(), {"plain": Fixed(), "better": Fixed(30, 31)})
    plain, better = result["rows"]
    assert plain["questions"] == 2
    assert (plain["scores"]["recall@5"]["mean"], plain["scores"]["recall@10"]["mean"]) == (0.25, 0.75)
    assert better["scores"]["recall@5"]["mean"] == 1.0
    assert plain["difference"] == {}
    assert better["difference"]["recall@5"]["mean"] == 0.75
    assert better["difference"]["recall@5"]["low"] <= 0.75 <= better["difference"]["recall@5"]["high"]
    assert plain["notes"] == ["a note"]


def test_the_table_has_recall_with_interval_and_cost() -> None:
    result = measure("toy", _dataset(), {"plain": Fixed()})
    (row,) = zip(*(column.cells for column in retrieval_table(result["rows"]).columns), strict=True)
    assert row[:3] == ("toy", "plain", "0.250 [0.000, 0.500]")
    assert row[5:9] == ("40", "2.0", "20", "10.0")


def test_without_gold_passages_there_is_nothing_to_measure() -> None:
    dataset = Dataset(_dataset().corpus, QUESTIONS[2:])
    with pytest.raises(UserError, match="names its gold passages"):
        measure("toy", dataset, {"plain": Fixed()})
