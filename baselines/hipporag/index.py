"""What HippoRAG knows of a corpus: names, facts, where each was read, and the graph over them."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from baselines.embeddings import EmbeddingCache
from baselines.encoders import Vectors
from baselines.hipporag.graph import Floats, Graph, Ints, synonyms
from baselines.hipporag.openie import Extraction, Triple
from msa_bench.contracts import Progress


class Table:
    """Distinct items numbered as they come, and in which passages each was read."""

    def __init__(self) -> None:
        self.passages, self.numbers = array("q"), array("q")

    def add(self, passage: int, numbers: Iterable[int]) -> None:
        """Note that the items `numbers` were read in `passage`; passages come in ascending order."""
        for number in numbers:
            self.passages.append(passage)
            self.numbers.append(number)

    def of(self, hidden: Ints) -> Ints:
        """The items read in `hidden` passages, as often as they were."""
        passages, numbers = np.asarray(self.passages, np.int64), np.asarray(self.numbers, np.int64)
        return numbers[np.isin(passages, hidden)] if len(hidden) else numbers[:0]

    def counts(self, items: int) -> Ints:
        """In how many passages each item was read, `[items]`."""
        return np.bincount(np.asarray(self.numbers, np.int64), minlength=items)


@dataclass(frozen=True, eq=False)
class FactIndex:
    """`facts` are distinct triples, `ends` `[facts, 2]` the entity numbers of subject and object.

    Edge i of the graph is mention i of a fact for the first `len(fact_mentions.numbers)` edges, then mention i of an
    entity in a passage, then synonyms; so what hidden passages say can be taken out by setting weights to 0.
    """

    passages: int
    names: dict[str, int]
    facts: list[Triple]
    ends: Ints
    fact_vectors: Vectors
    fact_mentions: Table
    entity_mentions: Table
    graph: Graph
    synonym_edges: int
    failed: int

    @property
    def bytes(self) -> int:
        """Bytes of vectors, graph and mention tables; names and facts as text besides."""
        text = sum(map(len, self.names)) + sum(len(part) for fact in self.facts for part in fact)
        tables = 16 * (len(self.fact_mentions.numbers) + len(self.entity_mentions.numbers))
        return self.fact_vectors.nbytes + self.graph.bytes + tables + self.ends.nbytes + text

    def visible_weights(self, hidden: Ints) -> Floats:
        """Edge weights without those that come from `hidden` passages."""
        if not len(hidden):
            return self.graph.weights
        weights = self.graph.weights.copy()
        start = 0
        for table in (self.fact_mentions, self.entity_mentions):
            gone = np.isin(np.asarray(table.passages, np.int64), hidden)
            weights[start : start + len(gone)][gone] = 0.0
            start += len(gone)
        return weights


def build(extractions: Iterable[Extraction], passages: int, cache: EmbeddingCache, progress: Progress) -> FactIndex:
    """Number what the extractions of `passages` hold, embed names and facts, and lay the graph; in one pass."""
    names: dict[str, int] = {}
    facts: dict[Triple, int] = {}
    ends: list[tuple[int, int]] = []
    fact_mentions, entity_mentions = Table(), Table()
    failed = 0
    for passage, extraction in enumerate(extractions):
        failed += extraction.failed
        held: dict[int, None] = {}
        for name in (*extraction.entities, *(end for one in extraction.triples for end in (one[0], one[2]))):
            held[names.setdefault(name, len(names))] = None
        told: dict[int, None] = {}
        for fact in extraction.triples:
            number = facts.setdefault(fact, len(facts))
            if number == len(ends):
                ends.append((names[fact[0]], names[fact[2]]))
            told[number] = None
        entity_mentions.add(passage, held)
        fact_mentions.add(passage, told)
    name_vectors = cache.embed(names, len(names), progress, "names")
    fact_vectors = cache.embed((" ".join(fact) for fact in facts), len(facts), progress, "facts")
    same, cosines = synonyms(names, name_vectors, progress)
    ends_of = np.array(ends, np.int64).reshape(-1, 2)
    progress("lay the graph", 0, None, "")
    graph = Graph(
        passages + len(names),
        np.concatenate(
            [
                passages + ends_of[np.asarray(fact_mentions.numbers, np.int64)],
                _held(entity_mentions, passages),
                passages + same,
            ]
        ),
        np.concatenate([np.ones(len(fact_mentions.numbers) + len(entity_mentions.numbers)), cosines]),
    )
    return FactIndex(
        passages, names, list(facts), ends_of, fact_vectors, fact_mentions, entity_mentions, graph, len(same), failed
    )


def _held(mentions: Table, passages: int) -> Ints:
    return np.stack(
        [np.asarray(mentions.passages, np.int64), passages + np.asarray(mentions.numbers, np.int64)], axis=1
    )
