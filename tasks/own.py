"""Your own questions over your own passages: a directory with `questions.jsonl` and `corpus.jsonl`.

msa-bench data check DIR
msa-bench run --task qa --data DIR
"""

from __future__ import annotations

from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

OWN = Declaration(
    name="qa",
    description="your own questions over your own passages, given with --data",
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(OWN)
