"""Retrieval-augmented generation: a retriever finds passages, the unmodified backbone reads the best k of them.

One retrieval per question serves k = 1, 5 and 10, three answers as in the paper's R@1, R@5 and R@10 columns (which are
answer scores, not recall). Passages stand in rank order under a numbered heading, and the last is cut at its end where
they exceed the window.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from baselines.reader import CONTEXT_TRUNCATED, PROMPT_STYLE, Frame, Piece, Reading, keep_start, read
from baselines.readers import load_reader
from baselines.retrievers import Retriever
from msa_bench.contracts import (
    Answer,
    Corpus,
    IndexReport,
    Progress,
    Question,
    SystemRequest,
    hidden_ids,
    no_progress,
)
from msa_bench.model.tokenizer import TextTokenizer

KS = (1, 5, 10)
RANKING = 100
COUNTED_TOKENS = 2 * 2**20
"""Corpora up to here have their tokens counted exactly for the index report; counting 100M would take minutes."""


class Rag:
    """Any retriever in front of any backbone, answering every question once for each of `KS`, or for the one k that the
    request names as its `passages`."""

    def __init__(self, name: str, retriever: Retriever, request: SystemRequest) -> None:
        self.name = name
        self._retriever = retriever
        self._request = request
        self._ks = KS if request.passages is None else (request.passages,)
        self.variants: Sequence[str | None] = tuple(f"k={k}" for k in self._ks)
        self._reader = load_reader(request)
        self._corpus: Corpus | None = None

    def describe(self) -> Mapping[str, Any]:
        return {
            **self._reader.provenance,
            "retriever": dict(self._retriever.describe()),
            "prompt": PROMPT_STYLE,
            "context": "passages in rank order, each under a numbered heading",
            "truncation": "at the end: keeps the first window - answer - rest of the prompt tokens of the passages",
            "max_answer_tokens": self._request.max_answer_tokens,
        }

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Index `corpus`; `seconds` are the retriever's. One that reads terms and no tokens is given the number of the
        reader's tokens in the corpus, whose counting is not among the seconds."""
        self._corpus = corpus
        report = self._retriever.index(corpus, progress)
        if report.tokens:
            return report
        tokens = _count_tokens(corpus, self._reader.tokenizer, COUNTED_TOKENS, progress)
        if tokens is None:
            return replace(report, notes=(*report.notes, f"tokens not counted beyond {COUNTED_TOKENS:,}"))
        return replace(report, tokens=tokens)

    def answer(self, questions: Sequence[Question], progress: Progress = no_progress) -> Iterator[Answer]:
        if self._corpus is None:
            raise RuntimeError("index() comes before answer()")
        readings: list[Reading] = []
        for done, question in enumerate(questions, start=1):
            readings += self._readings(self._corpus, question)
            progress("retrieve", done, len(questions), "questions")
        request = self._request
        yield from read(self._reader, readings, request.max_answer_tokens, request.batch_size, progress)

    def _readings(self, corpus: Corpus, question: Question) -> Iterator[Reading]:
        """The prompts of `question`, one for each k; the time of the one retrieval counts for each of them."""
        started = time.perf_counter()
        found = self._retriever.search(question.text, RANKING, hidden_ids(corpus, question))
        retrieved = time.perf_counter() - started
        tokenizer = self._reader.tokenizer
        frame = Frame.of(question, tokenizer, self._reader.window, self._request.max_answer_tokens)
        ranking = found.ids
        for k in self._ks:
            started = time.perf_counter()
            context = keep_start(_passages(corpus, ranking[:k], tokenizer), frame.room)
            prompt = frame.prompt(tokenizer, context.tokens)
            yield Reading(
                question_id=question.id,
                prompt=prompt,
                documents=context.documents,
                seconds=retrieved + time.perf_counter() - started,
                variant=f"k={k}",
                ranking=ranking,
                bounds=(CONTEXT_TRUNCATED,) if context.truncated else (),
                notes=found.notes,
                tokens_before=found.tokens,
            )


def _passages(corpus: Corpus, ranking: Sequence[int], tokenizer: TextTokenizer) -> Iterator[Piece]:
    for rank, document in enumerate(ranking, start=1):
        yield Piece(tokenizer.encode(f"{'' if rank == 1 else chr(10) * 2}Passage {rank}:\n"))
        yield Piece(tokenizer.encode(corpus[document].text), document)


def _count_tokens(corpus: Corpus, tokenizer: TextTokenizer, limit: int, progress: Progress) -> int | None:
    """Exact model tokens of `corpus`, or None as soon as they exceed `limit`."""
    tokens = 0
    for done, document in enumerate(corpus, start=1):
        tokens += tokenizer.count(document.text)
        if tokens > limit:
            return None
        progress("count tokens", done, len(corpus), "documents")
    return tokens
