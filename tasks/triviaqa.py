"""TriviaQA: trivia questions over web and Wikipedia pages (Joshi et al. 2017).

msa-bench run --task triviaqa --length 1M
"""

from __future__ import annotations

from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

TRIVIAQA = Declaration(
    name="triviaqa",
    description="TriviaQA: trivia questions over web and Wikipedia pages",
    licence="Apache-2.0",
    citation="Joshi et al. 2017, TriviaQA: A Large Scale Distantly Supervised Challenge Dataset, arXiv:1705.03551",
    main_score="em",
    bank_tokens=10_000_000,
    authors_name="triviaqa_10M",
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(TRIVIAQA)
