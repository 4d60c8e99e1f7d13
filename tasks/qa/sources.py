"""What a data set declares, and where its data are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from msa_bench.errors import UserError
from tasks.qa.data import QAData
from tasks.qa.jsonl import read_jsonl

SHORT_ANSWERS = (
    "The passages below may help to answer the question that follows them. "
    "Answer with a name, a number or a few words, without a sentence around it."
)


@dataclass(frozen=True)
class Declaration:
    """A data set: what it is, what it is scored by, and where to get it.

    `normaliser` names how answers are compared (`msa_bench.evaluation.normalisers`), `bank_tokens` is the size of the
    paper's bank, `authors_name` the set's name in the MSA authors' benchmark. `prompt` stands before the passages
    where a system puts them into a prompt. A `graded` set has nDCG among its scores.
    """

    name: str
    description: str
    licence: str = ""
    citation: str = ""
    main_score: str = "f1"
    normaliser: str = "squad"
    prompt: str = SHORT_ANSWERS
    bank_tokens: int | None = None
    authors_name: str | None = None
    graded: bool = False


def load_data(declaration: Declaration, directory: Path | None) -> QAData:
    """The data set in `directory`; a `UserError` says what is wrong with it or how to provide it."""
    if directory is None:
        raise UserError(
            f"There are no data for {declaration.name} here; give a directory with questions.jsonl and corpus.jsonl "
            "as --data."
        )
    return read_jsonl(directory)
