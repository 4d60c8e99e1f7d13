"""The samples as the page carries them: an index to filter by, and blocks of samples to unpack when they are shown.

All of them are gzipped JSON in base64, whose letters cannot end an element or begin one.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msa_bench.reporting.report.pooling import Cell
from msa_bench.reporting.report.runs import Line, length_name

SIZE = 250
"""Samples in a block: a page of the list needs one or two of them unless the filter is narrow."""
RANKED = 10
"""Documents of a ranking that are shown; the run directory has all of them."""


@dataclass(frozen=True)
class Block:
    """One element with data: its id and its letters."""

    name: str
    data: str


def blocks(cells: Sequence[Cell]) -> Iterator[Block]:
    """The index, named `index`, then the blocks `block-0`, `block-1` and on.

    The index has `groups` (what samples have in common), for each sample its group in `group` and its main score in
    `score`, and the `size` of a block.
    """
    groups: dict[tuple[Any, ...], int] = {}
    group: list[int] = []
    score: list[float | None] = []
    samples: list[dict[str, Any]] = []
    numbered: list[Block] = []
    for cell in cells:
        for run, lines in cell.parts:
            common = length_name(cell.length), cell.series.label, cell.main_score, run.name, run.seed, run.finished
            for line in lines:
                key = cell.task, line["subtask"], *common
                group.append(groups.setdefault(key, len(groups)))
                value = line["scores"].get(cell.main_score)
                score.append(None if value is None else round(value, 4))
                samples.append(_sample(line))
                if len(samples) == SIZE:
                    numbered.append(_packed(f"block-{len(numbered)}", samples))
                    samples = []
    if samples:
        numbered.append(_packed(f"block-{len(numbered)}", samples))
    fields = ("task", "subtask", "length", "system", "main", "run", "seed", "finished")
    index = {
        "size": SIZE,
        "groups": [dict(zip(fields, key, strict=True)) for key in groups],
        "group": group,
        "score": score,
    }
    yield _packed("index", index)
    yield from numbered


def _sample(line: Line) -> dict[str, Any]:
    """What the page shows of a sample."""
    trace = line.get("trace")
    rounds = trace.get("rounds") if isinstance(trace, Mapping) else None
    shown = {
        "id": line["sample_id"],
        "question": line["question"],
        "gold": line.get("gold"),
        "answer": line["answer"],
        "documents": line.get("documents"),
        "gold_documents": line.get("gold_documents"),
        "ranking": (line.get("ranking") or [])[:RANKED],
        "round_documents": rounds,
        "rounds": line.get("rounds"),
        "scores": line["scores"],
        "depth": line["depth"],
        "repeat": line["repeat"],
        "tokens": line.get("tokens"),
        "seconds": line.get("seconds"),
        "bounds": line.get("bounds"),
        "notes": line.get("notes"),
    }
    return {key: value for key, value in shown.items() if value not in (None, [], "", {})} | {
        "question": line["question"],
        "answer": line["answer"],
    }


def _packed(name: str, content: object) -> Block:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    # A lone surrogate, which a model may write, has no UTF-8.
    data = gzip.compress(text.encode("utf-8", "replace"), compresslevel=6, mtime=0)
    return Block(name, base64.b64encode(data).decode("ascii"))
