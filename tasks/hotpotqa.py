"""HotpotQA: questions over two Wikipedia paragraphs, one leading to the other or both compared (Yang et al. 2018).

msa-bench run --task hotpotqa --length 128K
"""

from __future__ import annotations

from tasks.qa.authors import AuthorsSet
from tasks.qa.original import Original, with_supporting_facts
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

HOTPOTQA = Declaration(
    name="hotpotqa",
    description="HotpotQA: questions that take two Wikipedia paragraphs",
    licence="CC BY-SA 4.0",
    citation="Yang et al. 2018, HotpotQA: A Dataset for Diverse, Explainable Multi-hop QA, arXiv:1809.09600",
    main_score="f1",
    bank_tokens=1_350_000,
    authors=AuthorsSet("hotpotqa", "hotpotqa"),
    original=Original("hotpotqa/hotpot_qa", "distractor/validation-*.parquet", with_supporting_facts),
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(HOTPOTQA)
