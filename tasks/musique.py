"""MuSiQue: questions of two to four hops, composed so that no hop can be skipped (Trivedi et al. 2022).

msa-bench run --task musique --length 128K
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.qa.authors import AuthorsSet
from tasks.qa.data import passage_text
from tasks.qa.original import Original, OriginalRow
from tasks.qa.sources import Declaration
from tasks.qa.task import QATask


def _row(row: Mapping[str, Any]) -> OriginalRow:
    paragraphs = row["paragraphs"]
    passages = tuple((passage_text(one["title"], one["paragraph_text"]), one["is_supporting"]) for one in paragraphs)
    return OriginalRow(row["id"], row["question"], (row["answer"], *row["answer_aliases"]), passages)


MUSIQUE = Declaration(
    name="musique",
    description="MuSiQue: questions of two to four hops that cannot be skipped",
    licence="CC BY 4.0",
    citation="Trivedi et al. 2022, MuSiQue: Multihop Questions via Single-hop Composition, arXiv:2108.00573",
    main_score="f1",
    bank_tokens=1_410_000,
    authors=AuthorsSet("musique", "musique"),
    original=Original("dgslibisey/MuSiQue", "musique_ans_v1.0_dev.jsonl", _row),
)


def task() -> QATask:
    """The task, for the registry."""
    return QATask(MUSIQUE)
