"""The unmodified backbone reading everything, up to its window: the baseline that a memory has to beat.

A text longer than the window loses its middle: the first and the last half of what fits are kept, as long-context
benchmarks do it (LongBench, Bai et al. 2024), and the answer says so. Only the documents at the two ends are made at
all, so a memory of 100M tokens costs no more to truncate than one of 100K.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from baselines.reader import CONTEXT_TRUNCATED, PROMPT_STYLE, BackboneReader, Frame, Piece, Reading, keep_ends, read
from msa_bench.contracts import Answer, Corpus, IndexReport, Progress, Question, SystemRequest, no_progress
from msa_bench.model.backbone import load_backbone
from msa_bench.model.tokenizer import TextTokenizer

_BETWEEN = "\n"


class FullContext:
    """The backbone with the visible documents in its prompt, in reading order."""

    name = "full-context"
    variants: Sequence[str | None] = (None,)

    def __init__(self, request: SystemRequest) -> None:
        self._request = request
        self._backbone = load_backbone(request.model, request.device, request.dtype)
        self._corpus: Corpus | None = None

    def describe(self) -> Mapping[str, Any]:
        return {
            **self._backbone.provenance,
            "prompt": PROMPT_STYLE,
            "context": "documents in reading order, one newline between two",
            "truncation": "from the middle: keeps the first and last half of window - answer - rest of prompt tokens",
            "max_answer_tokens": self._request.max_answer_tokens,
        }

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Nothing to do: every question reads the text itself."""
        self._corpus = corpus
        notes = ("full-context has no index; its reading is in the query time",)
        return IndexReport(documents=len(corpus), tokens=0, seconds=0.0, bytes=0, notes=notes)

    def answer(self, questions: Sequence[Question], progress: Progress = no_progress) -> Iterator[Answer]:
        if self._corpus is None:
            raise RuntimeError("index() comes before answer()")
        readings = []
        for question in questions:
            readings.append(self._reading(self._corpus, question))
            progress("read", len(readings), len(questions), "questions")
        request = self._request
        yield from read(
            BackboneReader(self._backbone), readings, request.max_answer_tokens, request.batch_size, progress
        )

    def _reading(self, corpus: Corpus, question: Question) -> Reading:
        started = time.perf_counter()
        tokenizer = self._backbone.tokenizer
        frame = Frame.of(question, tokenizer, self._backbone.window, self._request.max_answer_tokens)
        order = corpus.reading_order(question)
        pieces, complete = _both_ends(corpus, order, tokenizer, frame.room)
        context = keep_ends(pieces, frame.room)
        truncated = context.truncated or not complete
        note = f"the middle of the context was left out, to fit the window of {self._backbone.window:,} tokens"
        return Reading(
            question_id=question.id,
            prompt=frame.prompt(tokenizer, context.tokens),
            documents=context.documents,
            seconds=time.perf_counter() - started,
            bounds=(CONTEXT_TRUNCATED,) if truncated else (),
            notes=(note,) if truncated else (),
        )


def _both_ends(corpus: Corpus, order: Sequence[int], tokenizer: TextTokenizer, room: int) -> tuple[list[Piece], bool]:
    """The documents of `order` that hold the first and the last half of `room` tokens, and if that is all of them."""
    start = _read_until(room - room // 2, corpus, (order[i] for i in range(len(order))), tokenizer)
    documents_read = len(start) // 2
    end = _read_until(room // 2, corpus, (order[i] for i in range(len(order) - 1, documents_read - 1, -1)), tokenizer)
    complete = documents_read + len(end) // 2 == len(order)
    if complete and start:
        start.pop()  # a whole text has one separator less than documents
    return [*start, *reversed(end)], complete


def _read_until(room: int, corpus: Corpus, ids: Iterator[int], tokenizer: TextTokenizer) -> list[Piece]:
    """Documents of `ids`, each with a separator after it, until they hold `room` tokens."""
    between = Piece(tokenizer.encode(_BETWEEN))
    pieces: list[Piece] = []
    held = 0
    while held < room and (document := next(ids, None)) is not None:
        text = Piece(tokenizer.encode(corpus[document].text), document)
        pieces += [text, between]
        held += len(text.tokens) + len(between.tokens)
    return pieces
