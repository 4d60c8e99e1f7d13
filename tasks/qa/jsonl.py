"""The plain form of a data set: `questions.jsonl` and `corpus.jsonl` in one directory.

corpus.jsonl     {id, text, title?}
questions.jsonl  {id, question, answers?, gold_ids?, alt_ids?, rel1_ids?, relevance?}

`gold_ids` name the passages an answer rests on, `alt_ids` others that serve as well as any of them. Graded judgements
are `relevance` ({passage id: grade from 1}), or `rel1_ids` for grade 1 beside gold passages of grade 2. Every question
has answers or gold passages, other keys are left alone. Passages are read where they lie, when they are asked for.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, overload

from msa_bench.errors import UserError
from tasks.qa.data import QAData, RawQuestion, passage_text

QUESTIONS, CORPUS = "questions.jsonl", "corpus.jsonl"
_KEYS = frozenset({"id", "question", "answers", "gold_ids", "alt_ids", "rel1_ids", "relevance"})


def read_jsonl(directory: Path) -> QAData:
    """The data set in `directory`; a `UserError` names the file and the line of what is wrong with it."""
    passages, places, corpus_sha256 = _read_corpus(directory / CORPUS)
    digest = sha256(corpus_sha256.encode())
    questions: list[RawQuestion] = []
    seen: dict[str, int] = {}
    unread: set[str] = set()
    file = directory / QUESTIONS
    for number, _, line in _lines(file):
        digest.update(line)
        where = f"Line {number} of {file}"
        row = _object(line, where)
        unread |= row.keys() - _KEYS
        question = _question(row, places, where)
        if question.id in seen:
            raise UserError(f"{where} has the id {question.id!r} of line {seen[question.id]}; ids must differ.")
        seen[question.id] = number
        questions.append(question)
    if not questions:
        raise UserError(f"{file} holds no question; write one JSON object per line with id, question and answers.")
    return QAData(passages, questions, "JSONL files", digest.hexdigest(), unread=tuple(sorted(unread)))


class JsonlPassages(Sequence[str]):
    """The passages of a `corpus.jsonl`, of which only the places of the lines are held."""

    def __init__(self, path: Path, starts: array[int]) -> None:
        self._path, self._starts = path, starts

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        if isinstance(place, slice):
            return [self[one] for one in range(len(self))[place]]
        with self._path.open("rb") as file:
            file.seek(self._starts[place])
            row = json.loads(file.readline())
        return passage_text(row.get("title") or "", row["text"])


def _read_corpus(file: Path) -> tuple[JsonlPassages, dict[str, int], str]:
    """The passages, their places by id, and the hash of the file."""
    digest = sha256()
    starts: array[int] = array("Q")
    places: dict[str, int] = {}
    for number, start, line in _lines(file):
        digest.update(line)
        where = f"Line {number} of {file}"
        row = _object(line, where)
        name = _name(row, where)
        if name in places:
            raise UserError(f"{where} has the id {name!r} of an earlier passage; ids must differ.")
        title, text = row.get("title") or "", row.get("text")
        if not isinstance(title, str) or not isinstance(text, str) or not text.strip():
            raise UserError(f"{where} is no passage; it needs a text that is not empty and may have a title.")
        places[name] = len(starts)
        starts.append(start)
    if not starts:
        raise UserError(f"{file} holds no passage; write one JSON object per line with id and text.")
    return JsonlPassages(file, starts), places, digest.hexdigest()


def _lines(file: Path) -> Iterator[tuple[int, int, bytes]]:
    """Number from 1, first byte and content of every line that is not blank."""
    start = 0
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, start, line
                start += len(line)
    except FileNotFoundError as error:
        raise UserError(f"{file} does not exist; a data directory holds {QUESTIONS} and {CORPUS}.") from error
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}).") from error


def _object(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UserError(f"{where} is not JSON: {error}.") from error
    if not isinstance(row, dict):
        raise UserError(f"{where} is not a JSON object; write one object per line.")
    return row


def _name(row: Mapping[str, Any], where: str) -> str:
    name = row.get("id")
    if isinstance(name, bool) or not isinstance(name, str | int) or name == "":
        raise UserError(f"{where} has no id; give every line a text or a whole number as id.")
    return str(name)


def _question(row: Mapping[str, Any], places: Mapping[str, int], where: str) -> RawQuestion:
    name, text, answers = _name(row, where), row.get("question"), row.get("answers") or []
    if not isinstance(text, str) or not text.strip():
        raise UserError(f"{where} has no question; it needs a text under the key question.")
    if not isinstance(answers, list) or not all(isinstance(one, str) and one.strip() for one in answers):
        raise UserError(f"{where} has answers that are no list of texts; write answers as ['one', 'another wording'].")
    gold = _places(row, "gold_ids", places, where)
    if not answers and not gold:
        raise UserError(f"{where} has neither answers nor gold_ids, so nothing can be scored; give it one of them.")
    others = [one for one in _places(row, "alt_ids", places, where) if one not in gold]
    alternatives = dict.fromkeys(gold, others) if others else {}
    return RawQuestion(name, text.strip(), tuple(answers), gold, alternatives, _grades(row, gold, places, where))


def _places(row: Mapping[str, Any], key: str, places: Mapping[str, int], where: str) -> tuple[int, ...]:
    ids = row.get(key) or []
    if not isinstance(ids, list):
        raise UserError(f"{where} has {key} that are no list; write passage ids as {key}: ['p1', 'p2'].")
    for one in ids:
        if not isinstance(one, str | int) or str(one) not in places:
            raise UserError(f"{where} names the passage {one!r} in {key}, which is not in {CORPUS}.")
    return tuple(dict.fromkeys(places[str(one)] for one in ids))


def _grades(row: Mapping[str, Any], gold: tuple[int, ...], places: Mapping[str, int], where: str) -> dict[int, int]:
    if "relevance" in row:
        relevance = row["relevance"]
        if not isinstance(relevance, dict) or not all(
            type(grade) is int and grade >= 0 for grade in relevance.values()
        ):
            raise UserError(f"{where} has a relevance that is no object of whole grades; write it as {{'p1': 2}}.")
        ids = _places({"relevance": list(relevance)}, "relevance", places, where)
        return {place: grade for place, grade in zip(ids, relevance.values(), strict=True) if grade}
    if "rel1_ids" in row:
        return dict.fromkeys(_places(row, "rel1_ids", places, where), 1) | dict.fromkeys(gold, 2)
    return {}
