"""2WikiMultihopQA: questions over two to four Wikipedia paragraphs, made from Wikidata relations (Ho et al. 2020).

msa-bench run --task 2wiki --length 128K
"""

from __future__ import annotations

from tasks.qa.authors import AuthorsSet
from tasks.qa.original import Original, with_supporting_facts
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask

TWO_WIKI = Declaration(
    name="2wiki",
    description="2WikiMultihopQA: questions that take two to four Wikipedia paragraphs",
    licence="Apache-2.0",
    citation="Ho et al. 2020, Constructing A Multi-hop QA Dataset (2WikiMultihopQA), arXiv:2011.01060",
    main_score="f1",
    bank_tokens=722_000,
    authors=AuthorsSet("2wikimultihopqa", "2wikimultihopqa"),
    original=Original("framolfese/2WikiMultihopQA", "data/validation-*.parquet", with_supporting_facts),
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(TWO_WIKI)
