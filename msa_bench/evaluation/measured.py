"""What has been measured, gathered from run directories and stored results: one `Point` per score of a system.

A stored summary is a JSON file of an evaluation whose run directories were not kept. It names `model`, `command` and
`code`, and its scores stand under `mean_of_subtasks` by length. The JSON of `msa-bench perf storage` counts too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msa_bench.errors import UserError
from msa_bench.evaluation.combined import Estimate
from msa_bench.evaluation.files import RECORD, SUMMARY, weights_of
from msa_bench.evaluation.samples import row_name
from msa_bench.evaluation.store import read_json
from msa_bench.lengths import format_length, parse_length

PAPER_SHAPE = ("qwen3", 36, 2560)
"""Family, layers and hidden size of Qwen3-4B, the paper's backbone."""


@dataclass(frozen=True)
class Point:
    """One system's mean of one score on one task and length; of a stored summary `seed` and `weights` are not known."""

    task: str
    system: str
    variant: str | None
    ablate: Mapping[str, str]
    length: int | None
    score: str
    value: Estimate
    samples: int
    subtasks: int
    model: str
    paper_backbone: bool
    source: str
    notes: tuple[str, ...] = ()
    seed: int | None = None
    weights: Mapping[str, object] = field(default_factory=dict)

    @property
    def length_name(self) -> str:
        """`1M`, or `whole bank`."""
        return "whole bank" if self.length is None else format_length(self.length)


@dataclass(frozen=True)
class Index:
    """What one system's index of one memory took; one that was `reused` took its `seconds` to be opened."""

    system: str
    length: int | None
    tokens: int
    seconds: float
    bytes: int
    model: str
    paper_backbone: bool
    machine: str
    gpus: int
    gpu_bytes: int
    reused: bool
    source: str


@dataclass(frozen=True)
class Held:
    """A memory of random numbers in the sizes of a model, as `perf storage` held and routed it: the `bytes` of all of
    it and of its routing keys, and what of it was kept in 8 bits."""

    shape: str
    length: int
    bytes: int
    keys_bytes: int
    in_8_bits: tuple[str, ...]
    gpus: int
    gpu_bytes: int
    source: str


@dataclass
class Measured:
    """Everything found, and what was left out and why."""

    points: list[Point] = field(default_factory=list)
    indexes: list[Index] = field(default_factory=list)
    held: list[Held] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def gather(directories: Sequence[Path]) -> Measured:
    """What the runs and stored summaries at or below `directories` measured; a `UserError` if there are none."""
    found = Measured()
    for directory in directories:
        if not directory.is_dir():
            raise UserError(f"There is no directory {directory}; give directories of runs.")
        for file in sorted(directory.rglob("*.json")):
            if file.name == RECORD:
                _add_run(file.parent, found)
            elif not (file.parent / RECORD).exists():
                _add_stored(file, found)
    if not found.sources:
        why = f" ({found.skipped[0]})" if found.skipped else ""
        raise UserError(f"No finished run is in {', '.join(map(str, directories))}{why}; run something first.")
    return found


def _add_run(directory: Path, found: Measured) -> None:
    record = read_json(directory / RECORD)
    if record.get("status") != "finished" or not (directory / SUMMARY).exists():
        found.skipped.append(f"{directory} is not finished: {record.get('status', 'unknown')}")
        return
    summary = read_json(directory / SUMMARY)
    try:
        points = list(_points(directory, record, summary))
        indexes = list(_indexes(directory, record))
    except (KeyError, TypeError) as error:
        raise UserError(f"The run in {directory} cannot be read: its files lack {error}; run it again.") from error
    found.sources.append(str(directory))
    found.points += points
    found.indexes += indexes


def _points(directory: Path, record: Mapping[str, Any], summary: Mapping[str, Any]) -> Iterator[Point]:
    config = record["config"]
    for row in summary["rows"]:
        described = record["systems"].get(row["system"], {})
        for score, interval in row["overall"].items():
            yield Point(
                task=record["task"],
                system=row["system"],
                variant=row["variant"],
                ablate=dict(config.get("ablate") or {}),
                length=summary["length_tokens"],
                score=score,
                value=Estimate(interval["mean"], interval["low"], interval["high"]),
                samples=row["n"],
                subtasks=len(row["subtasks"]),
                model=str(config["model"]),
                paper_backbone=_is_paper_backbone(described),
                source=str(directory),
                notes=tuple(
                    f"{row_name(row['system'], row['variant'])}: {note}" for note in described.get("notes") or ()
                ),
                seed=config.get("seed"),
                weights=weights_of(described),
            )


def _indexes(directory: Path, record: Mapping[str, Any]) -> Iterator[Index]:
    gpus = record["hardware"]["gpus"]
    for entry in record["indexes"]:
        described = record["systems"].get(entry["system"], {})
        yield Index(
            system=entry["system"],
            length=record["config"].get("length"),
            tokens=entry["tokens"],
            seconds=entry["seconds"],
            bytes=entry["bytes"],
            model=str(record["config"]["model"]),
            paper_backbone=_is_paper_backbone(described),
            machine=" ".join(
                [*(gpu["name"] for gpu in gpus), str(record["hardware"]["cpu"]), str(described.get("dtype"))]
            ),
            gpus=len(gpus),
            gpu_bytes=max((gpu["memory_bytes"] for gpu in gpus), default=0),
            reused=bool(entry.get("reused")),
            source=str(directory),
        )


def _add_stored(file: Path, found: Measured) -> None:
    """What a stored result holds, if `file` is one; any other JSON is none of ours."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    if not isinstance(content, dict):
        return
    if {"mean_of_subtasks", "model", "command", "code"} <= content.keys():
        found.sources.append(str(file))
        found.points += _means(file, content)
    elif content.get("perf") == "storage" and {"keys_bytes", "bank_bytes"} <= content.keys():
        found.sources.append(str(file))
        found.held.append(_held(file, content))


def _held(file: Path, content: Mapping[str, Any]) -> Held:
    kinds = {"keys": content["keys"], "content": content["content_as"]}
    gpus = content["hardware"]["gpus"]
    return Held(
        shape=content["shape"],
        length=content["length_tokens"],
        bytes=content["bank_bytes"],
        keys_bytes=content["keys_bytes"],
        in_8_bits=tuple(f"{part} in {kind}" for part, kind in kinds.items() if kind != "exact"),
        gpus=1 if str(content["device"]).startswith("cuda") else 0,
        gpu_bytes=max((gpu["memory_bytes"] for gpu in gpus), default=0),
        source=str(file),
    )


def _means(file: Path, content: Mapping[str, Any]) -> Iterator[Point]:
    for length, mean in content["mean_of_subtasks"].items():
        yield Point(
            task="niah",
            system="msa",
            variant=None,
            ablate={},
            length=parse_length(length),
            score="string_match_all",
            value=Estimate(mean["mean"], mean["low"], mean["high"]),
            samples=mean["n"],
            subtasks=mean["subtasks"],
            model=content["model"],
            paper_backbone=False,
            source=str(file),
            notes=(f"a stored summary without its answers, of {content['code']}",),
        )


def _is_paper_backbone(described: Mapping[str, Any]) -> bool:
    return (described.get("family"), described.get("layers"), described.get("hidden_size")) == PAPER_SHAPE
