"""MuSiQue: questions of two to four hops, composed so that no hop can be skipped (Trivedi et al. 2022).

msa-bench run --task musique --length 128K
"""

from __future__ import annotations

from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

MUSIQUE = Declaration(
    name="musique",
    description="MuSiQue: questions of two to four hops that cannot be skipped",
    licence="CC BY 4.0",
    citation="Trivedi et al. 2022, MuSiQue: Multihop Questions via Single-hop Composition, arXiv:2108.00573",
    main_score="f1",
    bank_tokens=1_410_000,
    authors_name="musique",
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(MUSIQUE)
