"""What the MSA paper (arXiv 2603.23516) and its announcement report, as numbers: `claims.yaml` with types.

>>> paper().table2["hotpotqa"]["rag"][5], paper().table2["hotpotqa"]["msa"][None]
(3.582, 4.061)
>>> paper().figure4["msa"][1048576]
Value(score=0.9484, exact=True)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal, cast, get_args

import yaml

from msa_bench.lengths import parse_length

Direction = Literal["at_most", "at_least", "exponent_at_most", "about"]
ByPassages = Mapping[int | None, float]
"""A score by the number of passages that were fed to the generator; None for a system that chooses by itself."""

_PASSAGES = (1, 5, 10)


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim: what it `says` in words, its `value`, and on which side of it a reproduction has to lie."""

    id: str
    says: str
    value: float
    direction: Direction


@dataclass(frozen=True, slots=True)
class Value:
    """A point of a figure; not `exact` where it was read off the drawing."""

    score: float
    exact: bool


@dataclass(frozen=True, slots=True)
class Paper:
    """The tables and figures. Judge scores go from 0 to 5; NIAH is accuracy, a share; lengths are in tokens.

    `table2` is by task (and `average`), then system, then passages; `table3` by system, then passages; `table4` by
    variant, then task (and `average`); `figure1` (MS MARCO, judge) and `figure4` (NIAH) by system, then length.
    """

    backbone: str
    bank_tokens: Mapping[str, int]
    table2: Mapping[str, Mapping[str, ByPassages]]
    table3: Mapping[str, ByPassages]
    table4: Mapping[str, Mapping[str, float]]
    figure1: Mapping[str, Mapping[int, Value]]
    figure4: Mapping[str, Mapping[int, Value]]
    claims: tuple[Claim, ...]


@cache
def paper() -> Paper:
    """The paper's numbers."""
    content = yaml.safe_load((files(__name__) / "claims.yaml").read_text(encoding="utf-8"))
    table2 = {name: row for name, row in content["table2_same_backbone"].items() if name != "systems"}
    return Paper(
        backbone=content["backbone"],
        # YAML 1.1 takes 7.34e6, which has no sign in its exponent, for text.
        bank_tokens={name: round(float(tokens)) for name, tokens in content["qa_banks_tokens"].items()},
        table2={task: {name: _by_passages(scores) for name, scores in row.items()} for task, row in table2.items()},
        table3={name: _by_passages(scores) for name, scores in content["table3_best_of_breed"]["average"].items()},
        table4={
            variant: dict(zip(_TABLE4_COLUMNS, scores, strict=True))
            for variant, scores in content["table4_ablation"].items()
        },
        figure1=_figure1(content["figure1_ms_marco_scaling"]),
        figure4=_figure4(content["figure4_niah"]),
        claims=tuple(_claim(entry) for entry in content["claims"]),
    )


_TABLE4_COLUMNS = ("average", "ms_marco", "natural_questions", "dureader", "hotpotqa")


def _by_passages(scores: float | list[float]) -> ByPassages:
    return dict(zip(_PASSAGES, scores, strict=True)) if isinstance(scores, list) else {None: scores}


def _figure1(content: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[int, Value]]:
    curves: dict[str, dict[int, Value]] = {}
    for name, points in content.items():
        curves.setdefault(name.removesuffix("_read_off"), {}).update(_points(points))
    return {name: dict(sorted(points.items())) for name, points in curves.items()}


def _figure4(content: Mapping[str, Any]) -> dict[str, dict[int, Value]]:
    """The curves as read off, with the points that the text gives exactly in their place."""
    lengths = [parse_length(length) for length in content["lengths"]]
    curves = {
        name: {length: Value(score, exact=False) for length, score in zip(lengths, scores, strict=True)}
        for name, scores in content.items()
        if name != "lengths" and not name.endswith("_exact")
    }
    for name, exact in (("msa", "msa_exact"), ("qwen3-4b-instruct", "backbone_exact")):
        curves[name].update(_points(content[exact]))
    return curves


def _points(points: Mapping[str, Any]) -> Iterator[tuple[int, Value]]:
    exact = bool(points.get("exact", True))
    return ((parse_length(length), Value(float(score), exact)) for length, score in points.items() if length != "exact")


def _claim(entry: Mapping[str, Any]) -> Claim:
    direction = entry["direction"]
    if direction not in get_args(Direction):
        raise ValueError(f"the claim {entry['id']} has the unknown direction {direction!r}")
    return Claim(entry["id"], entry["says"], float(entry["value"]), cast(Direction, direction))
