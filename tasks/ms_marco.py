"""MS MARCO: web queries over web passages (Bajaj et al. 2016), with TREC's graded judgements where the data have them.

    msa-bench run --task ms_marco --length 16K

This is the paper's scaling task: the same questions from 16K to 100M tokens. A question may have judged passages and no
answer text (TREC Deep Learning), or an answer and the passages it was written from (version 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.qa.authors import AuthorsSet
from tasks.qa.original import Original, OriginalRow
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

_NONE = "No Answer Present."


def _row(row: Mapping[str, Any]) -> OriginalRow:
    passages = zip(row["passages"]["passage_text"], row["passages"]["is_selected"], strict=True)
    answers = tuple(answer for answer in row["answers"] if answer.strip() and answer != _NONE)
    read = tuple((text.strip(), bool(chosen)) for text, chosen in passages if text.strip())
    return OriginalRow(str(row["query_id"]), row["query"], answers, read)


MS_MARCO = Declaration(
    name="ms_marco",
    description="MS MARCO: web queries over web passages, the paper's task from 16K to 100M tokens",
    licence="non-commercial research use (MS MARCO terms)",
    citation="Bajaj et al. 2016, MS MARCO: A Human Generated MAchine Reading COmprehension Dataset, arXiv:1611.09268",
    main_score="ndcg@10",
    prompt="The passages below may help to answer the query that follows them. Answer in a sentence or two.",
    bank_tokens=7_340_000,
    authors=AuthorsSet("msmarco_v1", "msmarco_v1"),
    authors_scaled=AuthorsSet("msmarco_16K", "msmarco_100M"),
    original=Original("microsoft/ms_marco", "v1.1/validation-*.parquet", _row),
    graded=True,
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(MS_MARCO)
