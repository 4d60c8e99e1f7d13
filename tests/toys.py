"""A small task and small systems in the shape another package would bring them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from msa_bench.contracts import (
    Answer,
    Corpus,
    Dataset,
    Document,
    IndexReport,
    Progress,
    Question,
    SystemRequest,
    TaskRequest,
    no_progress,
)
from msa_bench.errors import UserError

ENTRY_POINTS = """\
[msa_bench.tasks]
toy = toys:ToyTask
[msa_bench.systems]
toy-echo = toys:Echo
toy-ranked = toys:Ranked
"""


def count_words(text: str) -> int:
    return len(text.split())


@dataclass(frozen=True)
class ToyCorpus:
    texts: tuple[str, ...]
    private_ids: Sequence[int] = ()

    @property
    def fingerprint(self) -> str:
        return sha256("\n".join(self.texts).encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, document_id: int, /) -> Document:
        return Document(document_id, self.texts[document_id])

    def __iter__(self) -> Iterator[Document]:
        return (self[place] for place in range(len(self)))

    def reading_order(self, question: Question) -> Sequence[int]:
        return range(len(self))


class ToyTask:
    """Codes of boxes; subtask `toy_pair` wants two of them."""

    name = "toy"
    description = "Codes of boxes, one document each."
    subtasks: Sequence[str] = ("toy_one", "toy_pair")
    main_score = "string_match_all"

    def load(self, request: TaskRequest) -> Dataset:
        wanted = 2 if request.subtask == "toy_pair" else 1
        codes = [f"{(request.seed * 7919 + place * 104729) % 10**6:06}" for place in range(request.samples + 1)]
        texts = tuple(f"The code of box {place} is {code}." for place, code in enumerate(codes))
        assert sum(map(request.count_tokens, texts)) == 7 * len(texts)
        questions = [
            Question(
                id=f"q{place}",
                text=f"What is the code of box {place}?",
                answers=tuple(codes[place : place + wanted]),
                gold_ids=tuple(range(place, place + wanted)),
                depth=place / request.samples,
            )
            for place in range(request.samples)
        ]
        return Dataset(ToyCorpus(texts), questions, ("the boxes are toys",))


class Echo:
    """Answers with the right document about every other time, by a hash of the question."""

    ablations: Mapping[str, str] = {"voice": "loud or quiet"}
    name = "toy-echo"
    variants: Sequence[str | None] = (None,)

    def __init__(self, request: SystemRequest) -> None:
        self.request = request
        self.corpus: Corpus = ToyCorpus(())

    def describe(self) -> Mapping[str, Any]:
        return {
            "model": {"sha256": os.environ.get("TOY_MODEL", "m1")},
            "ablations": dict(self.request.ablations),
            "notes": ["untrained routing"],
        }

    def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
        self.corpus = corpus
        progress("encoding", len(corpus), len(corpus), "documents")
        return IndexReport(len(corpus), sum(count_words(one.text) for one in corpus), 0.01, 100, ("indexed as text",))

    def answer(self, questions: Sequence[Question], progress: Progress = no_progress) -> Iterator[Answer]:
        for question in questions:
            for variant in self.variants:
                time.sleep(float(os.environ.get("TOY_SECONDS", "0")))
                yield self.one(question, variant)

    def one(self, question: Question, variant: str | None) -> Answer:
        right = sha256(f"{question.id}{question.text}{variant}".encode()).digest()[0] % 2 == 0
        found = question.gold_ids[0] if right and question.gold_ids else len(self.corpus) - 1
        text = self.corpus[found].text
        loud = self.request.ablations.get("voice") == "loud"
        return Answer(
            question.id,
            text.upper() if loud else text,
            variant,
            documents=(found,),
            ranking=(found, *(one for one in range(len(self.corpus)) if one != found)),
            rounds=1,
            bounds=() if right else ("documents per round",),
            tokens_in=10,
            tokens_out=5,
            seconds=0.25,
            notes=("an echo",),
        )


class Ranked(Echo):
    """An echo in two variants."""

    ablations: Mapping[str, str] = {}
    name = "toy-ranked"
    variants: Sequence[str | None] = ("k=5", "k=10")


@dataclass(frozen=True)
class CrashingCorpus(ToyCorpus):
    """A corpus whose document 25 ends the process that makes it, or raises."""

    crash: str = "exit"

    def __getitem__(self, document_id: int, /) -> Document:
        if document_id == 25:
            if self.crash == "raise":
                raise UserError("document 25 is broken")
            os._exit(1)
        return super().__getitem__(document_id)
