"""PopQA: one fact about an entity of known popularity (Mallen et al. 2023).

    msa-bench run --task popqa --length 128K

The original has no passages; banks for it are the authors' and HippoRAG's. An answer counts if it contains an alias,
as in the paper that introduced the set.
"""

from __future__ import annotations

from tasks.qa.authors import AuthorsSet
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

POPQA = Declaration(
    name="popqa",
    description="PopQA: one fact about an entity, popular or not",
    licence="MIT; passages CC BY-SA",
    citation="Mallen et al. 2023, When Not to Trust Language Models, arXiv:2212.10511",
    main_score="containment",
    bank_tokens=1_180_000,
    authors=AuthorsSet("hipporag_popqa", "hipporag_popqa"),
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(POPQA)
