"""NarrativeQA: questions about whole books and film scripts, answered in free words (Kočiský et al. 2018).

msa-bench run --task narrativeqa
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.qa.authors import AuthorsSet
from tasks.qa.original import Original, OriginalRow
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask


def _row(row: Mapping[str, Any]) -> OriginalRow:
    document, question = row["document"], row["question"]["text"]
    answers = tuple(answer["text"] for answer in row["answers"])
    return OriginalRow(f"{document['id']}: {question}", question, answers, ((document["text"].strip(), True),))


NARRATIVEQA = Declaration(
    name="narrativeqa",
    description="NarrativeQA: questions about whole books and film scripts",
    licence="Apache-2.0",
    citation="Kočiský et al. 2018, The NarrativeQA Reading Comprehension Challenge, arXiv:1712.07040",
    main_score="f1",
    prompt="The text below tells the story that the question after it is about. Answer in a few words.",
    bank_tokens=538_000,
    authors=AuthorsSet("hipporag_narrative", "hipporag_narrative"),
    original=Original("deepmind/narrativeqa", "data/test-*.parquet", _row, "2e643e7363944af1c33a652d1c87320d0871c4e4"),
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(NARRATIVEQA)
