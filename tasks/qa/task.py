"""What a question-answering task is: a declaration, and what turns it and a request into a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from msa_bench.contracts import Dataset, Progress, Question, TaskRequest, no_progress
from msa_bench.errors import UserError
from msa_bench.seeding import generator
from tasks.qa.bank import Bank, build_bank
from tasks.qa.data import QAData, RawQuestion
from tasks.qa.sources import Declaration, fetch_data, load_data


class QATask:
    """Questions over the bank of one declared data set."""

    subtasks: Sequence[str] = ()

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.description = declaration.description
        self.main_score = declaration.main_score
        self.normaliser = declaration.normaliser
        self.bank_tokens = declaration.bank_tokens
        self.source = declaration.source

    def available(self) -> str:
        return self.declaration.available()

    def fetch(self, scaled: bool = False, original: bool = False, progress: Progress = no_progress) -> Path:
        return fetch_data(self.declaration, scaled, original, progress)

    def check(self, directory: Path) -> Mapping[str, int | str]:
        """What is in `directory`, counted; a `UserError` points at what is wrong with it."""
        data = load_data(self.declaration, directory)
        return {
            "source": data.source,
            "passages": len(data.passages),
            "questions": len(data.questions),
            "questions with answers": sum(bool(question.answers) for question in data.questions),
            "questions with gold passages": sum(bool(question.gold) for question in data.questions),
            "questions with graded passages": sum(bool(question.grades) for question in data.questions),
            "keys of questions that are not read": ", ".join(data.unread) or "none",
            "sha256": data.sha256,
        }

    def load(self, request: TaskRequest) -> Dataset:
        """The bank and the first `samples` questions in a seeded order; a `UserError` where that cannot be had."""
        if request.samples < 1:
            raise UserError(f"{request.samples} samples are too few; ask for at least 1.")
        if request.haystack is not None:
            raise UserError(f"{self.name} has passages of its own and takes no --haystack; niah and chains do.")
        if request.pad and request.length is None:
            raise UserError("--pad fills a memory up to a length; give --length too, or leave --pad out.")
        data = load_data(self.declaration, request.data, scaled=request.length is not None)
        order = generator("qa questions", request.seed)
        asked = sorted(data.questions, key=lambda question: order.random())[: request.samples]
        bank = build_bank(data, asked, request.length, bool(request.pad), request.seed, request.count_tokens)
        questions = [_question(one, bank, self.declaration) for one in asked]
        return Dataset(bank.corpus, questions, tuple(_notes(data, asked, request.samples, bank)))


def _question(raw: RawQuestion, bank: Bank, declaration: Declaration) -> Question:
    """`raw` with its evidence as document ids; of a split passage the pieces that hold an answer, else all of them."""
    substitutes: dict[int, Sequence[int]] = {}
    gold = []
    for place in raw.gold:
        same = [one for one in raw.alternatives.get(place, ()) if one in bank.documents]
        first, *rest = [document for one in (place, *same) for document in _evidence(raw, one, bank)]
        gold.append(first)
        if rest:
            substitutes[first] = tuple(rest)
    grades = raw.grades or (dict.fromkeys(raw.gold, 1) if declaration.graded else {})
    relevance: dict[int, int] = {}
    for place, grade in grades.items():
        if place in bank.documents:
            first, *rest = _evidence(raw, place, bank)
            relevance[first] = grade
            if rest and first not in substitutes:
                substitutes[first] = tuple(rest)
    return Question(
        id=raw.id,
        text=raw.text,
        answers=raw.answers,
        gold_ids=tuple(gold),
        intro=declaration.prompt,
        substitutes=substitutes,
        relevance=relevance,
    )


def _evidence(raw: RawQuestion, place: int, bank: Bank) -> Sequence[int]:
    ids = bank.documents[place]
    if len(ids) == 1:
        return ids
    answers = [answer.casefold() for answer in raw.answers]
    holding = [one for one in ids if any(answer in bank.corpus[one].text.casefold() for answer in answers)]
    return holding or ids


def _notes(data: QAData, asked: Sequence[RawQuestion], samples: int, bank: Bank) -> Iterator[str]:
    yield f"Source: {data.source}."
    yield from data.notes
    if len(asked) < len(data.questions):
        yield f"{len(asked):,} of {len(data.questions):,} questions, drawn by the seed."
    elif samples > len(asked):
        yield f"{samples:,} questions were asked for; the data set has {len(asked):,}."
    yield from bank.notes
