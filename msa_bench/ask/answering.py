"""One question to a folder of documents.

Passages are written once per content of the folder, and what a system encodes of them is kept beside them, so a second
question starts with everything read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from msa_bench.ask.files import document_files, files_sha256, read_files
from msa_bench.contracts import Answer, Document, Progress, Question, System, no_progress
from msa_bench.errors import UserError
from tasks.splitting import split_text

PASSAGE_TOKENS = 256


@dataclass(frozen=True)
class Library:
    """The passages of a user's documents, numbered in the order of the files, and where each stands."""

    places: tuple[str, ...]
    texts: tuple[str, ...]
    fingerprint: str
    private_ids: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, document_id: int, /) -> Document:
        return Document(document_id, self.texts[document_id])

    def __iter__(self) -> Iterator[Document]:
        return map(self.__getitem__, range(len(self)))

    def reading_order(self, question: Question) -> Sequence[int]:
        return range(len(self))


@dataclass(frozen=True)
class Source:
    """A passage an answer rests on: where it stands and its text."""

    place: str
    text: str


@dataclass(frozen=True)
class Found:
    """An answer with its sources, in the order they were used."""

    answer: Answer
    sources: tuple[Source, ...]


def open_library(docs: Path, model: str, kept: Path, count_tokens: Callable[[str], int]) -> Library:
    """The passages of `docs`, as kept in the directory `kept` or else read; `model` is whose tokens are counted."""
    files = document_files(docs)
    digest = sha256(repr((files_sha256(docs, files), model, PASSAGE_TOKENS)).encode()).hexdigest()
    file = kept / f"{digest[:16]}.jsonl"
    rows = _kept(file)
    if rows is None:
        split = lambda text: split_text(text, PASSAGE_TOKENS, count_tokens)  # noqa: E731
        rows = list(read_files(docs, files, split))
        if not rows:
            raise UserError(f"The documents in {docs} hold no text.")
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        part.replace(file)
    places, texts = zip(*rows, strict=True)
    return Library(places, texts, digest)


def ask(system: System, library: Library, question: str, progress: Progress = no_progress) -> Found:
    """The answer of `system`, in its last variant, to `question` from `library`."""
    if not question.strip():
        raise UserError("The question is empty; write it in quotation marks after the options.")
    system.index(library, progress)
    asked = Question("question", question.strip(), (), intro="Answer the question from these documents.")
    answers = {answer.variant: answer for answer in system.answer([asked], progress)}
    answer = answers[list(system.variants)[-1]]
    return Found(answer, tuple(Source(library.places[one], library.texts[one]) for one in answer.documents))


def _kept(file: Path) -> list[tuple[str, str]] | None:
    try:
        with file.open(encoding="utf-8") as lines:
            return [(place, text) for place, text in map(json.loads, lines)] or None
    except (OSError, ValueError, TypeError):
        return None
