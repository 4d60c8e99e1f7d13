"""Passage retrieval: the small interface that RAG reads through, and BM25 from one document to 100M tokens.

BM25 (Robertson and Zaragoza 2009) is computed by one of two libraries, chosen by the size of the corpus: `rank-bm25`
up to 2**20 terms, and the sparse matrix of `bm25s` above. Both see the same terms and give the same scores to the last
bit, so where one takes over from the other no ranking changes:

- k1 = 1.5 and b = 0.75, float64, term-frequency part tf (k1 + 1) / (tf + k1 (1 - b + b dl / avgdl)), "atire" in bm25s;
- idf = ln(1 + (N - df + 0.5) / (df + 0.5)), "lucene" in bm25s. `BM25Okapi` of rank-bm25 comes with ln((N - df + 0.5) /
  (df + 0.5)), lifts negative values to a quarter of the mean idf, and so ranks a word of every document above one of
  nearly half of them; bm25s has no such rule. Lucene's idf is positive without a rule, so rank-bm25 takes it over.

Terms: lower-cased runs of letters, digits and underscores; a hyphenated compound counts as itself and as each of its
parts (`quick-fox` -> `quick-fox`, `quick`, `fox`); a Chinese or Japanese character is a term of its own. No stemming,
no stop words. N, df and avgdl are taken over the whole corpus, hidden documents included; hidden documents are masked
before the best k are chosen.

What it takes, measured on one CPU core: 10,000 documents of 75 terms index in 0.6 s and answer a query of 11 terms in
30 ms (rank-bm25); 1,000,000 such documents, about 100M model tokens, in 90 s, 1.5 GB at the peak and 35 ms (bm25s).
"""

from __future__ import annotations

import math
import re
import sys
import time
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import bm25s
import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from msa_bench.contracts import Corpus, IndexReport, Progress, no_progress
from msa_bench.errors import UserError

K1 = 1.5
B = 0.75
RANK_BM25_TERMS = 2**20
NO_TERM = "no term of the question occurs in a document it may see; passages are the first by id"

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TERM = re.compile(rf"[{_CJK}]|[^\W{_CJK}]+(?:-[^\W{_CJK}]+)*")


@dataclass(frozen=True, slots=True)
class Found:
    """What one search found: (id, score), best first; what the answer should say of how it was found; and how many
    tokens language models read for it."""

    hits: list[tuple[int, float]]
    notes: tuple[str, ...] = ()
    tokens: int = 0

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids alone."""
        return tuple(document for document, _ in self.hits)


class Retriever(Protocol):
    """Finds the documents of a corpus that a query is about."""

    name: str

    def describe(self) -> Mapping[str, Any]:
        """Name, library and parameters for the run record."""
        ...

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Read `corpus` once, keeping no text; replaces what was indexed before."""
        ...

    def search(self, query: str, k: int, hidden: frozenset[int] = frozenset()) -> Found:
        """The best `k` documents not in `hidden`, best first, equal scores by ascending id."""
        ...


def terms(text: str) -> list[str]:
    """The BM25 terms of `text` in reading order, by the rule in this module's docstring."""
    found = []
    for word in _TERM.findall(text.lower()):
        found.append(word)
        if "-" in word:
            found.extend(word.split("-"))
    return found


def best(scores: NDArray[np.floating[Any]], k: int, hidden: frozenset[int]) -> list[tuple[int, float]]:
    """The `k` highest of `scores` `[documents]` outside `hidden`, as (id, score); equal scores by ascending id."""
    visible = np.ones(len(scores), dtype=bool)
    visible[np.fromiter(hidden, dtype=np.int64, count=len(hidden))] = False
    ids = np.flatnonzero(visible)
    shown = scores[ids]
    if 0 < k < len(ids):
        kth = np.partition(shown, len(shown) - k)[len(shown) - k]
        ids, shown = ids[shown >= kth], shown[shown >= kth]
    order = np.argsort(-shown, kind="stable")[:k]
    return [(int(ids[i]), float(shown[i])) for i in order]


class TermRows:
    """The term numbers of all documents in one flat int32 array, read row by row as the lists both libraries take."""

    def __init__(self) -> None:
        self.flat = array("i")
        self._ends = array("q")

    def append(self, row: Sequence[int]) -> None:
        self.flat.extend(row)
        self._ends.append(len(self.flat))

    def __len__(self) -> int:
        return len(self._ends)

    def __iter__(self) -> Iterator[list[int]]:
        start = 0
        for end in self._ends:
            yield self.flat[start:end].tolist()
            start = end


class _DictScorer(BM25Okapi):  # type: ignore[misc]  # rank-bm25 has no types
    """rank-bm25 with the idf of this module: a dictionary of term counts per document, scanned for every query."""

    library = "rank-bm25"

    def __init__(self, rows: TermRows, vocabulary: dict[str, int]) -> None:
        super().__init__(rows, k1=K1, b=B)

    def _calc_idf(self, nd: dict[int, int]) -> None:
        size = self.corpus_size
        self.idf = {term: math.log(1 + (size - df + 0.5) / (df + 0.5)) for term, df in nd.items()}

    def scores(self, query: list[int]) -> NDArray[np.float64]:
        """BM25 of every document `[documents]` for the term numbers of a query, all of them known."""
        scores: NDArray[np.float64] = self.get_scores(query)
        return scores

    @property
    def bytes(self) -> int:
        return sum(sys.getsizeof(counts) for counts in self.doc_freqs) + sys.getsizeof(self.idf)


class _SparseScorer:
    """bm25s: the score of every (term, document) that occurs, computed once, in a sparse matrix by term."""

    library = "bm25s"

    def __init__(self, rows: TermRows, vocabulary: dict[str, int]) -> None:
        self._matrix = bm25s.BM25(
            k1=K1, b=B, method="atire", idf_method="lucene", dtype="float64", backend="numpy", csc_backend="scipy"
        )
        tokenized = bm25s.tokenization.Tokenized(ids=rows, vocab=vocabulary)
        self._matrix.index(tokenized, create_empty_token=False, show_progress=False)

    def scores(self, query: list[int]) -> NDArray[np.float64]:
        """BM25 of every document `[documents]` for the term numbers of a query, all of them known."""
        scores: NDArray[np.float64] = self._matrix.get_scores_from_ids(query)
        return scores

    @property
    def bytes(self) -> int:
        return sum(int(self._matrix.scores[part].nbytes) for part in ("data", "indices", "indptr"))


_SCORERS: tuple[type[_DictScorer] | type[_SparseScorer], ...] = (_DictScorer, _SparseScorer)
BM25_LIBRARIES = tuple(scorer.library for scorer in _SCORERS)


class BM25:
    """BM25 with the library that fits the corpus; `library` of `BM25_LIBRARIES` overrides the choice."""

    name = "bm25"

    def __init__(self, library: str | None = None) -> None:
        self._wanted = library
        self._vocabulary: dict[str, int] = {}
        self._scorer: _DictScorer | _SparseScorer | None = None
        self._documents = 0

    def describe(self) -> Mapping[str, Any]:
        return {
            "name": self.name,
            "library": self._scorer.library if self._scorer else None,
            "library_rule": self._wanted or f"rank-bm25 up to {RANK_BM25_TERMS:,} terms, bm25s above",
            "k1": K1,
            "b": B,
            "idf": "ln(1 + (N - df + 0.5) / (df + 0.5))",
            "terms": "lower-cased words; hyphenated compounds whole and in parts; CJK characters singly; no stemming",
        }

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Index `corpus`; `tokens` of the report is 0 because BM25 reads terms, whose number is in the notes."""
        started = time.perf_counter()
        self._documents, self._scorer, self._vocabulary = len(corpus), None, {}
        if not self._documents:
            raise UserError("The corpus holds no document to retrieve from; give it at least one.")
        rows = TermRows()
        number = self._vocabulary
        for document in corpus:
            rows.append([number.setdefault(term, len(number)) for term in terms(document.text)])
            progress("read terms", len(rows), self._documents, "documents")
        library = self._wanted or ("rank-bm25" if len(rows.flat) <= RANK_BM25_TERMS else "bm25s")
        if number:
            progress(f"build the {library} index", 0, None, "documents")
            self._scorer = next(scorer for scorer in _SCORERS if scorer.library == library)(rows, number)
        words = sys.getsizeof(number) + sum(map(sys.getsizeof, number))
        return IndexReport(
            documents=self._documents,
            tokens=0,
            seconds=time.perf_counter() - started,
            bytes=words + (self._scorer.bytes if self._scorer else 0),
            notes=(f"BM25 by {library}",),
        )

    def search(self, query: str, k: int, hidden: frozenset[int] = frozenset()) -> Found:
        """The best `k` visible documents; where no term of `query` occurs all score 0 and ids ascend."""
        known = [self._vocabulary[term] for term in terms(query) if term in self._vocabulary]
        scores = self._scorer.scores(known) if known and self._scorer else np.zeros(self._documents)
        hits = best(scores, k, hidden)
        return Found(hits, () if hits and hits[0][1] else (NO_TERM,))
