"""The retrieval baselines by name: each is `Rag` with a retriever, and gives that retriever alone for `retrieval`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from baselines.dense import Dense
from baselines.encoders import DEFAULT, load_encoder
from baselines.hipporag.extractions import ExtractionCache
from baselines.hipporag.language_model import LanguageModel, LanguageModelOpenIE, recognition
from baselines.hipporag.openie import Heuristic, OpenIE
from baselines.hipporag.retriever import Filter, HippoRAG
from baselines.hybrid import Hybrid
from baselines.rag import Rag
from baselines.rerankers import LIKELIHOOD, Reranked, load_reranker
from baselines.retrievers import BM25, BM25_LIBRARIES, Retriever
from msa_bench.contracts import SystemRequest
from msa_bench.errors import unknown

_BM25 = {"bm25": "BM25's library: rank-bm25 or bm25s (the one that fits the corpus; their scores are equal)"}
_EMBEDDING = {"embedding": f"embedding model: a directory or hub id, such as Qwen/Qwen3-Embedding-0.6B ({DEFAULT})"}


def dense(request: SystemRequest) -> Dense:
    """Dense retrieval with the embedding model of `request`."""
    return Dense(load_encoder(request.ablations.get("embedding", DEFAULT), request.device))


def bm25(request: SystemRequest) -> BM25:
    """BM25 by the library of `request`, or by the one that fits the corpus."""
    library = request.ablations.get("bm25")
    if library is not None and library not in BM25_LIBRARIES:
        raise unknown("BM25 library", library, BM25_LIBRARIES)
    return BM25(library)


def hybrid(request: SystemRequest) -> Retriever:
    """BM25 and dense retrieval fused."""
    return Hybrid([bm25(request), dense(request)])


class RagBM25(Rag):
    """RAG over BM25 passages, k = 1, 5 and 10."""

    ablations: ClassVar[Mapping[str, str]] = _BM25

    def __init__(self, request: SystemRequest) -> None:
        super().__init__("rag-bm25", self.retriever(request), request)

    @staticmethod
    def retriever(request: SystemRequest) -> Retriever:
        """The retriever alone."""
        return bm25(request)


class RagDense(Rag):
    """RAG over the passages nearest in an embedding space, k = 1, 5 and 10."""

    ablations: ClassVar[Mapping[str, str]] = _EMBEDDING

    def __init__(self, request: SystemRequest) -> None:
        super().__init__("rag-dense", self.retriever(request), request)

    @staticmethod
    def retriever(request: SystemRequest) -> Retriever:
        """The retriever alone."""
        return dense(request)


class RagHybrid(Rag):
    """RAG over BM25 and dense rankings fused by reciprocal rank, k = 1, 5 and 10."""

    ablations: ClassVar[Mapping[str, str]] = {**_BM25, **_EMBEDDING}

    def __init__(self, request: SystemRequest) -> None:
        super().__init__("rag-hybrid", self.retriever(request), request)

    @staticmethod
    def retriever(request: SystemRequest) -> Retriever:
        """The retriever alone."""
        return hybrid(request)


class RagRerank(Rag):
    """RAG over the first 100 of another ranking, read again and reordered by a reranker, k = 1, 5 and 10."""

    ablations: ClassVar[Mapping[str, str]] = {
        **_BM25,
        **_EMBEDDING,
        "first": "the first ranking: bm25, dense or hybrid (hybrid)",
        "reranker": "a cross-encoder's or Qwen3-Reranker's directory or hub id, or likelihood: the model's own "
        f"probability of the question given the passage ({LIKELIHOOD})",
    }

    def __init__(self, request: SystemRequest) -> None:
        super().__init__("rag-rerank", self.retriever(request), request)

    @staticmethod
    def retriever(request: SystemRequest) -> Retriever:
        """The first ranking and the reranker, without a reader."""
        firsts: dict[str, Callable[[SystemRequest], Retriever]] = {
            "bm25": RagBM25.retriever,
            "dense": dense,
            "hybrid": hybrid,
        }
        first = request.ablations.get("first", "hybrid")
        if first not in firsts:
            raise unknown("first ranking", first, firsts)
        return Reranked(firsts[first](request), load_reranker(request))


class RagHippo(Rag):
    """RAG over passages ranked by a walk through a graph of entities and facts (HippoRAG 2), k = 1, 5 and 10."""

    ablations: ClassVar[Mapping[str, str]] = {
        **_EMBEDDING,
        "openie": "what extracts facts: heuristic, llm (the model itself) or MODEL@URL (heuristic)",
        "filter": "what keeps facts that bear on a question: none, llm or MODEL@URL (none)",
    }

    def __init__(self, request: SystemRequest) -> None:
        super().__init__("hipporag", self.retriever(request), request)

    @staticmethod
    def retriever(request: SystemRequest) -> Retriever:
        """The retriever alone."""
        openie, keep = request.ablations.get("openie", "heuristic"), request.ablations.get("filter", "none")
        backend: OpenIE
        if openie == "heuristic":
            backend = Heuristic()
        else:
            backend = LanguageModelOpenIE(LanguageModel.of(openie, request))
        chosen: Filter | None = None if keep == "none" else recognition(LanguageModel.of(keep, request))
        return HippoRAG(dense(request), ExtractionCache(backend), chosen)
