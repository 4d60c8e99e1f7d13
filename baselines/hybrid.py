"""Reciprocal rank fusion of several retrievers (Cormack, Clarke and Buettcher 2009): sum of 1 / (60 + rank)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from baselines.retrievers import Found, Retriever
from msa_bench.contracts import Corpus, IndexReport, Progress, no_progress

RANK_CONSTANT = 60
DEPTH = 100
"""Passages taken of each ranking; one that is in none of them cannot be found."""


class Hybrid:
    """The fused ranking of `retrievers`, each over the same corpus."""

    name = "hybrid"

    def __init__(self, retrievers: Sequence[Retriever]) -> None:
        self._retrievers = retrievers

    def describe(self) -> Mapping[str, Any]:
        parts = [dict(one.describe()) for one in self._retrievers]
        return {"name": self.name, "fusion": f"sum of 1 / ({RANK_CONSTANT} + rank), best {DEPTH} of each", "of": parts}

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Index `corpus` with every retriever; costs are summed."""
        reports = [one.index(corpus, progress) for one in self._retrievers]
        return IndexReport(
            documents=len(corpus),
            tokens=sum(report.tokens for report in reports),
            seconds=sum(report.seconds for report in reports),
            bytes=sum(report.bytes for report in reports),
            notes=tuple(note for report in reports for note in report.notes),
        )

    def search(self, query: str, k: int, hidden: frozenset[int] = frozenset()) -> Found:
        found = [one.search(query, max(k, DEPTH), hidden) for one in self._retrievers]
        # A ranking that says it found nothing is in the order of ids and would only add noise.
        ranked = [one.ids for one in found if not one.notes] or [one.ids for one in found]
        return Found(fuse(ranked)[:k], tuple(note for one in found for note in one.notes))


def fuse(rankings: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """(id, fused score) of everything ranked, best first, equal scores by ascending id."""
    scores: dict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, document in enumerate(ranking, start=1):
            scores[document] += 1 / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
