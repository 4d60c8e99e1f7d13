"""Natural Questions: real search queries over Wikipedia paragraphs (Kwiatkowski et al. 2019).

msa-bench run --task natural_questions --length 128K
"""

from __future__ import annotations

from tasks.qa.authors import AuthorsSet
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

NATURAL_QUESTIONS = Declaration(
    name="natural_questions",
    description="Natural Questions: real search queries over Wikipedia paragraphs",
    licence="CC BY-SA 3.0",
    citation="Kwiatkowski et al. 2019, Natural Questions: A Benchmark for Question Answering Research, TACL 7",
    main_score="em",
    bank_tokens=1_470_000,
    authors=AuthorsSet("nature_questions", "nature_questions"),
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(NATURAL_QUESTIONS)
