"""TriviaQA: trivia questions over web and Wikipedia pages (Joshi et al. 2017).

msa-bench run --task triviaqa --length 1M
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.qa.authors import AuthorsSet
from tasks.qa.data import passage_text
from tasks.qa.original import Original, OriginalRow
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask


def _row(row: Mapping[str, Any]) -> OriginalRow:
    pages = zip(row["entity_pages"]["title"], row["entity_pages"]["wiki_context"], strict=True)
    answers = dict.fromkeys([row["answer"]["value"], *row["answer"]["aliases"]])
    # The pages were gathered for the question, and any may hold its answer; none was marked by a person.
    passages = tuple((passage_text(title, text), True) for title, text in pages if text.strip())
    return OriginalRow(row["question_id"], row["question"], tuple(answers), passages)


TRIVIAQA = Declaration(
    name="triviaqa",
    description="TriviaQA: trivia questions over web and Wikipedia pages",
    licence="Apache-2.0",
    citation="Joshi et al. 2017, TriviaQA: A Large Scale Distantly Supervised Challenge Dataset, arXiv:1705.03551",
    main_score="em",
    bank_tokens=10_000_000,
    authors=AuthorsSet("triviaqa_10M", "triviaqa_10M"),
    original=Original("mandarjoshi/trivia_qa", "rc.wikipedia/validation-*.parquet", _row),
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(TRIVIAQA)
