"""What a question-answering task is: a declaration, and what turns it and a request into a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msa_bench.contracts import Dataset, Question, TaskRequest
from msa_bench.errors import UserError
from msa_bench.seeding import generator
from tasks.qa.bank import Bank, build_bank
from tasks.qa.data import QAData, RawQuestion
from tasks.qa.sources import Declaration, load_data


class QATask:
    """Questions over the bank of one declared data set."""

    subtasks: Sequence[str] = ()

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.name = declaration.name
        self.description = declaration.description
        self.main_score = declaration.main_score
        self.normaliser = declaration.normaliser

    def load(self, request: TaskRequest) -> Dataset:
        """The bank and the first `samples` questions in a seeded order; a `UserError` where that cannot be had."""
        if request.samples < 1:
            raise UserError(f"{request.samples} samples are too few; ask for at least 1.")
        if request.haystack is not None:
            raise UserError(f"{self.name} has passages of its own and takes no --haystack; niah and chains do.")
        if request.pad and request.length is None:
            raise UserError("--pad fills a memory up to a length; give --length too, or leave --pad out.")
        data = load_data(self.declaration, request.data)
        order = generator("qa questions", request.seed)
        asked = sorted(data.questions, key=lambda question: order.random())[: request.samples]
        bank = build_bank(data, asked, request.length, bool(request.pad), request.seed, request.count_tokens)
        questions = [_question(one, bank, self.declaration) for one in asked]
        return Dataset(bank.corpus, questions, tuple(_notes(data, asked, request.samples, bank)))


def _question(raw: RawQuestion, bank: Bank, declaration: Declaration) -> Question:
    """`raw` with its evidence as document ids; of a split passage the pieces that hold an answer, else all of them."""
    gold, substitutes = [], {}
    others = [one for place in raw.alternatives if place in bank.documents for one in _evidence(raw, place, bank)]
    for place in raw.gold:
        first, *rest = _evidence(raw, place, bank)
        gold.append(first)
        if rest or others:
            substitutes[first] = (*rest, *others)
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
