"""The MSA authors' benchmark set: `qdata_NAME.pkl` with questions and `mdata_NAME.pkl` with the passages of their bank.

qdata  list of {"query": text, "reference_list": texts of the gold passages, "answer": text or texts}
mdata  list of passage texts
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msa_bench.errors import UserError
from tasks.qa.data import QAData, RawQuestion, content_sha256
from tasks.qa.plain_pickle import read_plain_pickle

REPOSITORY = "EverMind-AI/MSA-RAG-BENCHMARKS"


@dataclass(frozen=True, slots=True)
class AuthorsSet:
    """Names of the questions and of the bank in the authors' files; both are the same but for the scaling bank."""

    questions: str
    bank: str

    @property
    def files(self) -> tuple[str, str]:
        """Names of its files, questions first."""
        return f"qdata_{self.questions}.pkl", f"mdata_{self.bank}.pkl"

    def found(self, directory: Path) -> bool:
        """Whether `directory` has both files."""
        return all((directory / name).is_file() for name in self.files)


def read_authors(directory: Path, chosen: AuthorsSet) -> QAData:
    """The set `chosen` in `directory`; a `UserError` names the file and the entry of what is not as it should be."""
    questions_file, bank_file = (directory / name for name in chosen.files)
    passages = _passages(bank_file)
    places: dict[str, list[int]] = {}
    for place, text in enumerate(passages):
        places.setdefault(_key(text), []).append(place)
    rows = list(_rows(questions_file))
    read = (_question(number, row, places) for number, row in enumerate(rows))
    questions = [question for question in read if question]
    if not questions:
        raise UserError(f"No gold passage of {questions_file} is in {bank_file}; these files do not belong together.")
    missing = sum(_key(text) not in places for row in rows for text in row["reference_list"])
    notes: tuple[str, ...] = ()
    if missing:
        notes = (
            f"{missing:,} gold passages are not in the authors' bank; {len(rows) - len(questions):,} questions without "
            "any are left out.",
        )
    source = f"the authors' benchmark set, {' and '.join(chosen.files)}"
    return QAData(passages, questions, source, content_sha256(passages, questions), notes)


def _passages(file: Path) -> list[str]:
    passages = read_plain_pickle(file)
    if not isinstance(passages, list | tuple) or not passages:
        raise UserError(f"{file} does not hold a list of passages.")
    for number, text in enumerate(passages):
        if not isinstance(text, str) or not text.strip():
            raise UserError(f"Entry {number} of {file} is no passage but {_shown(text)}; it must be a text.")
    return [text.strip() for text in passages]


def _rows(file: Path) -> Iterator[Mapping[str, Any]]:
    rows = read_plain_pickle(file)
    if not isinstance(rows, list | tuple) or not rows:
        raise UserError(f"{file} does not hold a list of questions.")
    for number, row in enumerate(rows):
        whole = isinstance(row, dict) and isinstance(row.get("query"), str) and row["query"].strip()
        if not whole or not _texts(row.get("reference_list")) or not _texts(_listed(row.get("answer"))):
            raise UserError(
                f"Entry {number} of {file} is {_shown(row)}; it must have a query, a reference_list of texts and an "
                "answer."
            )
        yield row


def _question(number: int, row: Mapping[str, Any], places: Mapping[str, Sequence[int]]) -> RawQuestion | None:
    """The question, or None where none of its gold passages is in the bank; equal passages serve for each other."""
    found = [places[key] for key in dict.fromkeys(map(_key, row["reference_list"])) if key in places]
    if not found:
        return None
    answers = tuple(answer.strip() for answer in _listed(row["answer"]) if answer.strip())
    gold = tuple(same[0] for same in found)
    return RawQuestion(
        f"q{number}", row["query"].strip(), answers, gold, {same[0]: same[1:] for same in found if same[1:]}
    )


def _key(text: str) -> str:
    """What two copies of a passage share whatever became of their white space."""
    return " ".join(text.split())


def _listed(answer: Any) -> Any:
    return [answer] if isinstance(answer, str) else answer


def _texts(values: object) -> bool:
    return isinstance(values, list | tuple) and bool(values) and all(isinstance(one, str) for one in values)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
