"""Dense retrieval: the cosine between a question's vector and every passage's, exactly.

    msa-bench run --task 2wiki --data DIR --system rag-dense
    msa-bench run --task 2wiki --data DIR --system rag-dense --ablate embedding=Qwen/Qwen3-Embedding-0.6B

A million passages of 384 float32 numbers are 1.5 GB and one matrix product per question.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from baselines.embeddings import EmbeddingCache
from baselines.encoders import Encoder, Vectors
from baselines.retrievers import Found, best
from msa_bench.contracts import Corpus, IndexReport, Progress, no_progress
from msa_bench.errors import UserError

ROWS = 2**16
"""Passages multiplied at a time, so that a block stays in the processor's cache."""


class Dense:
    """Exact nearest passages by one encoder."""

    name = "dense"

    def __init__(self, encoder: Encoder, cache: EmbeddingCache | None = None) -> None:
        self.encoder = encoder
        self.cache = cache or EmbeddingCache(encoder)
        self.vectors: Vectors = np.empty((0, encoder.dimension), np.float32)

    def describe(self) -> Mapping[str, Any]:
        return {"name": self.name, "encoder": self.encoder.describe(), "similarity": "cosine, exact search"}

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Embed `corpus`; `tokens` of the report is what the encoder read, 0 for vectors that were in the cache."""
        if not len(corpus):
            raise UserError("The corpus holds no document to retrieve from; give it at least one.")
        started, made = time.perf_counter(), self.cache.made
        tokens, truncated = self.encoder.tokens, self.encoder.truncated
        self.vectors = self.cache.embed((document.text for document in corpus), len(corpus), progress)
        read, cut = self.encoder.tokens - tokens, self.encoder.truncated - truncated
        notes = [f"{self.encoder.name} read {read:,} tokens of {self.cache.made - made:,} passages"]
        if self.cache.made - made < len(corpus):
            notes.append(f"{len(corpus) - self.cache.made + made:,} embeddings were in the cache and cost no time here")
        if cut:
            notes.append(f"{cut:,} passages were cut off at the encoder's {self.encoder.window:,} tokens")
        return IndexReport(
            documents=len(corpus),
            tokens=read,
            seconds=time.perf_counter() - started,
            bytes=self.vectors.nbytes,
            notes=tuple(notes),
        )

    def scores(self, query: Vectors) -> Vectors:
        """Cosines `[passages]` of a unit vector `[dimension]` with every passage."""
        return dot(self.vectors, query)

    def search(self, query: str, k: int, hidden: frozenset[int] = frozenset()) -> Found:
        return Found(best(self.scores(self.encoder.queries([query])[0]), k, hidden))


def dot(rows: Vectors, vector: Vectors) -> Vectors:
    """`rows` `[n, dimension]` times `vector` `[dimension]`, block by block."""
    out = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), ROWS):
        np.matmul(rows[start : start + ROWS], vector, out=out[start : start + ROWS])
    return out
