"""HippoRAG 2 retrieval (Gutierrez et al. 2025): facts near the question seed a walk over entities and passages.

    msa-bench run --task 2wiki --data DIR --system hipporag
    msa-bench run --task 2wiki --data DIR --system hipporag --ablate openie=llm --ablate filter=llm

Of the five facts nearest the question a filter keeps some ("recognition memory"; `none` keeps all five). Their entities
are seeds by the mean of their facts' scores over the number of passages that hold the entity, the best five of them;
every passage is a weak seed by its dense score. Personalised PageRank ranks the passages. Where no fact is kept, the
dense ranking is the answer and the answer says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from baselines.dense import Dense, dot
from baselines.hipporag.extractions import ExtractionCache
from baselines.hipporag.graph import DAMPING, SYNONYM_COSINE, SYNONYMS, Floats, Ints
from baselines.hipporag.index import FactIndex, build
from baselines.hipporag.openie import Triple
from baselines.retrievers import Found, best
from msa_bench.contracts import Corpus, IndexReport, Progress, no_progress

FACTS = 5
ENTITIES = 5
PASSAGE_WEIGHT = 0.05
FALLBACK = "no fact was kept for the question; passages are in dense order"

Filter = Callable[[str, Sequence[Triple]], Sequence[Triple]]
"""Recognition memory: the facts that bear on a question."""


class HippoRAG:
    """Graph retrieval over what a backend extracts; `keep` None keeps the five nearest facts as they are."""

    name = "hipporag"

    def __init__(self, dense: Dense, extractions: ExtractionCache, keep: Filter | None = None) -> None:
        self._dense, self._extractions, self._keep = dense, extractions, keep
        self._index: FactIndex | None = None

    def describe(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "openie": self._extractions.backend.name,
            "filter": "llm" if self._keep else "none",
            "encoder": self._dense.encoder.describe(),
            "facts": FACTS,
            "seed_entities": ENTITIES,
            "passage_weight": PASSAGE_WEIGHT,
            "damping": DAMPING,
            "synonyms": f"cosine >= {SYNONYM_COSINE}, nearest {SYNONYMS}",
            "pagerank": "igraph prpack",
        }

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Embed and extract `corpus` and lay its graph; what is on disk from before is not done again."""
        report = self._dense.index(corpus, progress)
        started, made, embedded = time.perf_counter(), self._extractions.made, self._dense.cache.made
        tokens = self._dense.encoder.tokens
        extractions = self._extractions.extract((document.text for document in corpus), len(corpus), progress)
        index = self._index = build(extractions, len(corpus), self._dense.cache, progress)
        new = self._extractions.made - made
        notes = [
            *report.notes,
            f"facts by {self._extractions.backend.name} of {new:,} passages, {len(corpus) - new:,} were there before",
            f"{len(index.names):,} entities, {len(index.facts):,} facts, {index.synonym_edges:,} synonym edges; "
            f"{self._dense.cache.made - embedded:,} names and facts embedded",
        ]
        if index.failed:
            notes.append(f"{index.failed:,} passages have no facts because the reply for them was unusable")
        return IndexReport(
            documents=len(corpus),
            tokens=report.tokens + self._dense.encoder.tokens - tokens,
            seconds=report.seconds + time.perf_counter() - started,
            bytes=report.bytes + index.bytes,
            notes=tuple(notes),
        )

    def search(self, query: str, k: int, hidden: frozenset[int] = frozenset()) -> Found:
        index = self._index
        if index is None:
            raise RuntimeError("index() comes before search()")
        vector = self._dense.encoder.queries([query])[0]
        passage_scores = self._dense.scores(vector)
        masked = np.fromiter(sorted(hidden), np.int64, len(hidden))
        facts = self._facts(index, query, dot(index.fact_vectors, vector), masked)
        if not facts:
            return Found(best(passage_scores, k, hidden), (FALLBACK,))
        seeds = np.zeros(index.passages + len(index.names))
        visible = np.ones(index.passages, bool)
        visible[masked] = False
        seeds[: index.passages][visible] = PASSAGE_WEIGHT * min_max(passage_scores[visible].astype(np.float64))
        for entity, weight in _entity_seeds(index, facts, masked):
            seeds[index.passages + entity] += weight
        walked = index.graph.pagerank(seeds, index.visible_weights(masked))
        return Found(best(walked[: index.passages], k, hidden))

    def _facts(self, index: FactIndex, query: str, scores: Any, hidden: Ints) -> list[tuple[int, float]]:
        """The facts kept for `query` with their min-max normalised scores; a fact only hidden passages tell is none."""
        if not len(scores):
            return []
        told = index.fact_mentions.counts(len(index.facts))
        told = told - np.bincount(index.fact_mentions.of(hidden), minlength=len(told))
        untold = frozenset(np.flatnonzero(told <= 0).tolist())
        normal = min_max(scores.astype(np.float64))
        nearest = [fact for fact, _ in best(scores, FACTS, untold)]
        if self._keep is not None:
            kept = set(self._keep(query, [index.facts[fact] for fact in nearest]))
            nearest = [fact for fact in nearest if index.facts[fact] in kept]
        return [(fact, float(normal[fact])) for fact in nearest]


def _entity_seeds(index: FactIndex, facts: Sequence[tuple[int, float]], hidden: Ints) -> list[tuple[int, float]]:
    """The best entities of `facts`: the mean score of their facts over the number of passages that hold them."""
    scores: dict[int, list[float]] = {}
    for fact, score in facts:
        for entity in dict.fromkeys(index.ends[fact].tolist()):
            scores.setdefault(entity, []).append(score)
    held = index.entity_mentions.counts(len(index.names))
    held = held - np.bincount(index.entity_mentions.of(hidden), minlength=len(held))
    weighted = [(one, float(np.mean(found)) / max(int(held[one]), 1)) for one, found in scores.items()]
    return sorted(weighted, key=lambda pair: (-pair[1], pair[0]))[:ENTITIES]


def min_max(values: Floats) -> Floats:
    """`values` stretched to 0..1; all 1 where they are alike."""
    if not len(values):
        return values
    low, high = values.min(), values.max()
    return (values - low) / (high - low) if high > low else np.ones_like(values)
