"""NarrativeQA: questions about whole books and film scripts, answered in free words (Kočiský et al. 2018).

msa-bench run --task narrativeqa
"""

from __future__ import annotations

from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

NARRATIVEQA = Declaration(
    name="narrativeqa",
    description="NarrativeQA: questions about whole books and film scripts",
    licence="Apache-2.0",
    citation="Kočiský et al. 2018, The NarrativeQA Reading Comprehension Challenge, arXiv:1712.07040",
    main_score="f1",
    prompt="The text below tells the story that the question after it is about. Answer in a few words.",
    bank_tokens=538_000,
    authors_name="hipporag_narrative",
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(NARRATIVEQA)
