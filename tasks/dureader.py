"""DuReader: Chinese search queries over web passages (He et al. 2018); answers are compared by characters.

msa-bench run --task dureader
"""

from __future__ import annotations

from tasks.qa.authors import AuthorsSet
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

DUREADER = Declaration(
    name="dureader",
    description="DuReader: Chinese search queries over web passages",
    licence="Apache-2.0",
    citation="He et al. 2018, DuReader: a Chinese Machine Reading Comprehension Dataset, arXiv:1711.05073",
    main_score="f1",
    normaliser="characters",
    prompt="请根据下面的段落回答最后的问题，答案尽量简短。",
    bank_tokens=277_000,
    authors=AuthorsSet("dureader", "dureader"),
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(DUREADER)
