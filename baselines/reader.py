"""How a plain backbone reads a context and answers: one prompt style and one decoding loop for every baseline.

    <user turn>
    {intro, if the question has one}
    {context}
    {question}
    <assistant turn> {answer_prefix}

Everything between the template's own tokens is encoded as content, piece by piece, so no text can spell a control
token. What the context may take is exact: window - answer tokens - tokens of all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from msa_bench.contracts import Answer, Progress, Question, no_progress
from msa_bench.errors import UserError
from msa_bench.generation.plain import generate
from msa_bench.model.backbone import Backbone
from msa_bench.model.tokenizer import TextTokenizer

PROMPT_STYLE = "intro, context, question in one user turn; answer prefix prefilled"
CONTEXT_TRUNCATED = "context_truncated"
ANSWER_TOKENS = "max_answer_tokens"


@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive context tokens: part of document `document`, or of none (headings and separators)."""

    tokens: Sequence[int]
    document: int | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What is left of the pieces within a budget, the ids of documents with a token in it, and if any was cut off."""

    tokens: list[int]
    documents: tuple[int, ...]
    truncated: bool


def keep_start(pieces: Iterable[Piece], budget: int) -> Context:
    """The first `budget` tokens of `pieces`; takes no piece more than it needs to know that they do not all fit."""
    tokens: list[int] = []
    documents: list[int] = []
    truncated = False
    for piece in pieces:
        kept = piece.tokens[: budget - len(tokens)]
        if kept and piece.document is not None:
            documents.append(piece.document)
        tokens.extend(kept)
        if len(kept) < len(piece.tokens):
            truncated = True
            break
    return Context(tokens, tuple(dict.fromkeys(documents)), truncated)


def keep_ends(pieces: Sequence[Piece], budget: int) -> Context:
    """`pieces` whole if they fit, else their first and last half of `budget` tokens; an odd one goes to the start."""
    whole = keep_start(pieces, budget)
    if not whole.truncated:
        return whole
    start = keep_start(pieces, budget - budget // 2)
    backwards = keep_start((Piece(piece.tokens[::-1], piece.document) for piece in reversed(pieces)), budget // 2)
    documents = dict.fromkeys(start.documents + backwards.documents[::-1])
    return Context(start.tokens + backwards.tokens[::-1], tuple(documents), truncated=True)


@dataclass(frozen=True, slots=True)
class Frame:
    """The prompt of one question around a context of at most `room` tokens."""

    before: list[int]
    after: list[int]
    answer_prefix: list[int]
    room: int

    @classmethod
    def of(cls, question: Question, tokenizer: TextTokenizer, window: int, answer_tokens: int) -> Frame:
        """The frame of `question`; a `UserError` if it leaves no room for the answer in a `window` of tokens."""
        before = tokenizer.encode(f"{question.intro}\n") if question.intro else []
        after = tokenizer.encode(f"\n{question.text}")
        prefix = tokenizer.encode(question.answer_prefix) if question.answer_prefix else []
        fixed = len(tokenizer.chat(before + after, prefix))
        if fixed + answer_tokens > window:
            raise UserError(
                f"Question {question.id!r} takes {fixed:,} tokens before any context and {answer_tokens:,} for its "
                f"answer, more than the model's window of {window:,}; shorten the question or the answer."
            )
        return cls(before, after, prefix, window - answer_tokens - fixed)

    def prompt(self, tokenizer: TextTokenizer, context: Sequence[int]) -> list[int]:
        """Token ids of the whole prompt with `context` in its place."""
        return tokenizer.chat([*self.before, *context, *self.after], self.answer_prefix)


@dataclass(frozen=True, slots=True)
class Reading:
    """A prompt ready to be answered, and what its answer will say of it; `seconds` went into preparing it and
    `tokens_before` were read for that."""

    question_id: str
    prompt: Sequence[int]
    documents: tuple[int, ...]
    seconds: float
    variant: str | None = None
    ranking: tuple[int, ...] = ()
    bounds: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    tokens_before: int = 0


@dataclass(frozen=True, slots=True)
class Written:
    """What was written after prompt number `index`, and what it took."""

    index: int
    text: str
    tokens_in: int
    tokens_out: int
    seconds: float
    stopped: bool


class Reader(Protocol):
    """What reads the prompts: the backbone itself or a model behind an endpoint."""

    @property
    def tokenizer(self) -> TextTokenizer: ...

    @property
    def window(self) -> int: ...

    @property
    def provenance(self) -> Mapping[str, Any]: ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What every answer has to say of the reader."""
        ...

    def write(self, prompts: Sequence[Sequence[int]], max_tokens: int, batch_size: int) -> Iterator[Written]:
        """Continue every prompt, each yielded when it is complete."""
        ...


class BackboneReader:
    """Greedy decoding by a backbone of ours."""

    notes: tuple[str, ...] = ()

    def __init__(self, backbone: Backbone) -> None:
        self._backbone = backbone
        self.tokenizer, self.window = backbone.tokenizer, backbone.window

    @property
    def provenance(self) -> Mapping[str, Any]:
        return self._backbone.provenance

    def write(self, prompts: Sequence[Sequence[int]], max_tokens: int, batch_size: int) -> Iterator[Written]:
        for one in generate(self._backbone, prompts, max_tokens, batch_size):
            text = self.tokenizer.decode(one.tokens)
            yield Written(one.index, text, len(prompts[one.index]), len(one.tokens), one.seconds, one.stopped)


def read(
    reader: Reader,
    readings: Sequence[Reading],
    max_answer_tokens: int,
    batch_size: int,
    progress: Progress = no_progress,
) -> Iterator[Answer]:
    """Answer every reading greedily in batches, each yielded when it is complete (not in the order given)."""
    prompts = [reading.prompt for reading in readings]
    for done, written in enumerate(reader.write(prompts, max_answer_tokens, batch_size), start=1):
        reading = readings[written.index]
        progress("answer", done, len(readings), "answers")
        yield Answer(
            question_id=reading.question_id,
            text=written.text.strip(),
            variant=reading.variant,
            documents=reading.documents,
            ranking=reading.ranking,
            bounds=reading.bounds if written.stopped else (*reading.bounds, ANSWER_TOKENS),
            tokens_in=reading.tokens_before + written.tokens_in,
            tokens_out=written.tokens_out,
            seconds=reading.seconds + written.seconds,
            notes=(*reading.notes, *reader.notes),
        )
