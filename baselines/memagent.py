"""Overwrite memory in the manner of MemAgent (Yu et al. 2025): read chunk after chunk, keep a note, answer from it.

    msa-bench run --task niah --length 16K --system memagent --samples 1

The visible text is cut into chunks. Each is read together with the question and the note so far, and what the model
then writes, within a bound, replaces the note. The answer is written from the last note alone, so the time grows with
the length of the memory and the prompt does not. MemAgent trains its model for this; here it is the
unmodified backbone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from baselines.reader import PROMPT_STYLE, Frame, Reader, Reading, read
from baselines.readers import load_reader
from msa_bench.contracts import Answer, Corpus, IndexReport, Progress, Question, SystemRequest, no_progress
from msa_bench.errors import UserError

NOTE_TOKENS = 256
_CHUNK = "The question is: {question}\n\nYour note so far:\n"
_SECTION = "\n\nThe next section of the text:\n"
_ASK = (
    "\n\nWrite the new note. Keep everything in the old note and in the section that may help to answer the question, "
    "and nothing else."
)
_NOTE = "What you noted while you read the text:\n"
NOTHING = "(nothing yet)"


@dataclass
class _Progressing:
    """One question on its way through the text."""

    question: Question
    chunks: Iterator[list[int]]
    note: list[int]
    chunk: list[int] = field(default_factory=list)
    tokens: int = 0
    sections: int = 0
    seconds: float = 0.0


class MemAgent:
    """The backbone reading chunk after chunk and overwriting a bounded note."""

    name = "memagent"
    variants: Sequence[str | None] = (None,)
    ablations: ClassVar[Mapping[str, str]] = {
        "chunk": "tokens of text read at a time (half of the window)",
        "note": f"most tokens of the note ({NOTE_TOKENS})",
    }

    def __init__(self, request: SystemRequest) -> None:
        self._request = request
        self._reader: Reader = load_reader(request)
        most = self._reader.window // 4
        self._note = _tokens("note", request.ablations.get("note", str(min(NOTE_TOKENS, most))), most)
        default = str(self._reader.window // 2)
        self._chunk = _tokens("chunk", request.ablations.get("chunk", default), self._reader.window // 2)
        self._corpus: Corpus | None = None

    def describe(self) -> Mapping[str, Any]:
        return {
            **self._reader.provenance,
            "prompt": PROMPT_STYLE,
            "chunk_tokens": self._chunk,
            "note_tokens": self._note,
            "max_answer_tokens": self._request.max_answer_tokens,
            "notes": ["the model was not trained to keep such a note"],
        }

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        """Nothing to do: every question reads the text itself."""
        self._corpus = corpus
        notes = ("memagent has no index; its reading is in the query time",)
        return IndexReport(documents=len(corpus), tokens=0, seconds=0.0, bytes=0, notes=notes)

    def answer(self, questions: Sequence[Question], progress: Progress = no_progress) -> Iterator[Answer]:
        if self._corpus is None:
            raise RuntimeError("index() comes before answer()")
        encode = self._reader.tokenizer.encode
        corpus = self._corpus
        open_ = [_Progressing(one, self._chunks(corpus, one), encode(NOTHING)) for one in questions]
        reading, sections = open_, 0
        while reading := [one for one in reading if self._advance(one)]:
            self._read_chunk(reading)
            sections += 1
            progress("read the text", sections, None, "sections")
        request = self._request
        yield from read(
            self._reader, [self._final(one) for one in open_], request.max_answer_tokens, request.batch_size, progress
        )

    def _chunks(self, corpus: Corpus, question: Question) -> Iterator[list[int]]:
        """The visible text in pieces of the chunk's size; a document may lie across two."""
        held: list[int] = []
        order = corpus.reading_order(question)
        for place in range(len(order)):
            held += self._reader.tokenizer.encode(f"{corpus[order[place]].text}\n")
            while len(held) >= self._chunk:
                yield held[: self._chunk]
                held = held[self._chunk :]
        if held:
            yield held

    def _advance(self, one: _Progressing) -> bool:
        began = time.perf_counter()
        one.chunk = next(one.chunks, [])
        one.seconds += time.perf_counter() - began
        return bool(one.chunk)

    def _read_chunk(self, reading: Sequence[_Progressing]) -> None:
        """Replace the note of every question by what the model writes after its next chunk."""
        tokenizer = self._reader.tokenizer
        prompts = []
        for one in reading:
            asked = tokenizer.encode(_CHUNK.format(question=one.question.text))
            user = [*asked, *one.note, *tokenizer.encode(_SECTION), *one.chunk, *tokenizer.encode(_ASK)]
            prompt = tokenizer.chat(user)
            if len(prompt) + self._note > self._reader.window:
                raise UserError(
                    f"Question {one.question.id!r} and a chunk take {len(prompt):,} tokens, too many for the window of "
                    f"{self._reader.window:,}; set a smaller --ablate chunk=N."
                )
            prompts.append(prompt)
        for written in self._reader.write(prompts, self._note, self._request.batch_size):
            one = reading[written.index]
            one.note = tokenizer.encode(written.text.strip() or NOTHING)[: self._note]
            one.tokens += written.tokens_in
            one.seconds += written.seconds
            one.sections += 1

    def _final(self, one: _Progressing) -> Reading:
        tokenizer = self._reader.tokenizer
        frame = Frame.of(one.question, tokenizer, self._reader.window, self._request.max_answer_tokens)
        note = [*tokenizer.encode(_NOTE), *one.note]
        return Reading(
            question_id=one.question.id,
            prompt=frame.prompt(tokenizer, note[: frame.room]),
            documents=(),
            seconds=one.seconds,
            notes=(f"read in {one.sections:,} sections of {self._chunk:,} tokens",),
            tokens_before=one.tokens,
        )


def _tokens(key: str, value: str, most: int) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= most:
        raise UserError(f"--ablate {key}={value} is not possible; {key} takes a whole number from 1 to {most:,} here.")
    return int(value)
