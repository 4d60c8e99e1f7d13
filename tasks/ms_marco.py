"""MS MARCO: web queries over web passages (Bajaj et al. 2016), with TREC's graded judgements where the data have them.

    msa-bench run --task ms_marco --length 16K

This is the paper's scaling task: the same questions from 16K to 100M tokens. A question may have judged passages and no
answer text (TREC Deep Learning), or an answer and the passages it was written from (version 1).
"""

from __future__ import annotations

from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

MS_MARCO = Declaration(
    name="ms_marco",
    description="MS MARCO: web queries over web passages, the paper's task from 16K to 100M tokens",
    licence="non-commercial research use (MS MARCO terms)",
    citation="Bajaj et al. 2016, MS MARCO: A Human Generated MAchine Reading COmprehension Dataset, arXiv:1611.09268",
    main_score="ndcg@10",
    prompt="The passages below may help to answer the query that follows them. Answer in a sentence or two.",
    bank_tokens=7_340_000,
    authors_name="msmarco_v1",
    graded=True,
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(MS_MARCO)
