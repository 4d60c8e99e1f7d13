"""Retrieval measured by itself: recall of rankings with intervals, and what they cost. No text is generated."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from msa_bench.contracts import Answer, Corpus, Dataset, IndexReport, Progress, Question, hidden_ids, no_progress
from msa_bench.errors import UserError
from msa_bench.evaluation import metrics
from msa_bench.evaluation.provenance import environment
from msa_bench.evaluation.statistics import mean_interval, paired_difference

DEPTH = 100


class Ranking(Protocol):
    """What a search gives: ids, best first."""

    @property
    def ids(self) -> tuple[int, ...]: ...


class Retriever(Protocol):
    """What is measured: an index over a corpus, and searches in it."""

    def describe(self) -> Mapping[str, Any]: ...

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport: ...

    def search(self, query: str, k: int, hidden: frozenset[int] = frozenset()) -> Ranking: ...


def measure(
    task: str, dataset: Dataset, retrievers: Mapping[str, Retriever], progress: Progress = no_progress
) -> dict[str, Any]:
    """Recall at 1, 5, 10 and 16 of each retriever on `dataset`, its costs, and differences to the first one.

    Differences are over the same questions, with the interval of a paired bootstrap and the p-value of a sign-flip
    test. A `UserError` if no question of the data set has gold passages.
    """
    questions = [question for question in dataset.questions if question.gold_ids]
    if not questions:
        raise UserError(f"No question of {task} names its gold passages, so recall cannot be measured.")
    rows: list[dict[str, Any]] = []
    scores: dict[str, dict[str, list[float]]] = {}
    for name, retriever in retrievers.items():
        report = retriever.index(dataset.corpus, progress)
        scores[name], seconds = _recalls(retriever, dataset.corpus, questions, progress)
        rows.append(
            {
                "task": task,
                "system": name,
                "questions": len(questions),
                "scores": {
                    score: asdict(mean_interval(found, _ids(questions))) for score, found in scores[name].items()
                },
                "difference": _differences(scores, name, questions),
                "query_seconds": seconds / len(questions),
                "index": asdict(report),
                "notes": list(dataset.notes),
                "retriever": dict(retriever.describe()),
            }
        )
    return {"rows": rows, **environment()}


def _recalls(
    retriever: Retriever, corpus: Corpus, questions: Sequence[Question], progress: Progress
) -> tuple[dict[str, list[float]], float]:
    """The values of each score by question, and the seconds of all searches."""
    scores: dict[str, list[float]] = {}
    seconds = 0.0
    for done, question in enumerate(questions, start=1):
        began = time.perf_counter()
        ids = retriever.search(question.text, DEPTH, hidden_ids(corpus, question)).ids
        seconds += time.perf_counter() - began
        found = metrics.retrieval_scores(Answer(question.id, "", ranking=ids), question.gold_ids, question.substitutes)
        for name, value in found.items():
            if name.startswith("recall@"):
                scores.setdefault(name, []).append(value)
        progress("search", done, len(questions), "questions")
    return scores, seconds


def _differences(
    scores: Mapping[str, Mapping[str, Sequence[float]]], name: str, questions: Sequence[Question]
) -> dict[str, Any]:
    first = next(iter(scores))
    if name == first:
        return {}
    return {
        score: asdict(paired_difference(found, scores[first][score], _ids(questions)))
        for score, found in scores[name].items()
    }


def _ids(questions: Sequence[Question]) -> list[str]:
    return [question.id for question in questions]
