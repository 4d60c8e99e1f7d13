"""What runs have cost, read from their directories, and what another run will cost by that.

Seconds to make an index are proportional to its tokens. Seconds for an answer are those measured at the nearest length,
or, with several lengths, on the line between them; with a single one they are proportional to the length if an answer
reads the whole text. Memory is that of the nearest length, and what the longer index
takes beyond its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from msa_bench.errors import UserError
from msa_bench.evaluation.files import RECORD, SUMMARY
from msa_bench.evaluation.store import read_json
from msa_bench.sweeps.grid import Cell


@dataclass(frozen=True, slots=True)
class Rate:
    """What one system cost in one finished run.

    `length` is in tokens (0 where the data decide it), `index_tokens` those of all its indexes, each `indexed`
    `corpora`; `index_seconds` of one token is None where every index was opened instead of made, `answer_seconds` are
    of one question in all variants, for which the most a variant reads is `answer_tokens`, `index_bytes` of one corpus,
    `memory_bytes` the most the process held, and `overhead_seconds` what the run took beyond indexing and answering.
    """

    system: str
    task: str
    ablate: Mapping[str, str]
    model: str
    device: str
    length: int
    index_tokens: float
    seconds_per_token: float | None
    answer_seconds: float
    answer_tokens: float
    index_bytes: float
    memory_bytes: int
    overhead_seconds: float | None
    source: str
    hardware: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a run will take; `seconds` None where nothing like it was measured, and `basis` what it rests on.

    `tokens` are those it reads into an index, 0 where another run's is opened; `disk_bytes` those of a saved bank.
    """

    tokens: int
    seconds: float | None
    memory_bytes: int | None
    disk_bytes: int
    basis: str


def rates_in(directories: Iterable[Path]) -> list[Rate]:
    """The rates of every finished run in or below `directories`, those of the first ones first."""
    found = []
    for directory in directories:
        for record in sorted(directory.rglob(RECORD)) if directory.is_dir() else ():
            found += rates_of(record.parent)
    return found


def rates_of(run: Path) -> list[Rate]:
    """The rates of the run in a directory, one for each of its systems; none if it is not finished or not readable."""
    try:
        record, summary = read_json(run / RECORD), read_json(run / SUMMARY)
        if record["status"] != "finished":
            return []
        return [_rate(run, record, summary, system) for system in record["systems"]]
    except (UserError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return []


def estimate(cell: Cell, encodes: bool, rates: Sequence[Rate], device: str) -> Estimate:
    """What `cell` will take on a `device` (`cpu` or `cuda`); with `encodes` it makes its index, else it opens one."""
    length = cell.config.length or 0
    alike = [
        one
        for one in rates
        if one.system == cell.system and one.model == cell.config.model and one.device.startswith(device)
    ]
    same = _best(alike, cell)
    ratio = median([one.index_tokens / one.length for one in _first_source(alike) if one.length] or [1.0])
    tokens = round(cell.corpora * length * ratio) if encodes else 0
    if not same:
        return Estimate(tokens, None, None, 0, "not measured")
    nearest = min(same, key=lambda one: abs(one.length - length))
    made = _first_source([one for one in alike if one.seconds_per_token is not None])
    at = min(made, key=lambda one: (one.ablate != cell.config.ablate, abs(one.length - length)), default=None)
    indexing = 0.0 if not encodes or at is None else tokens * (at.seconds_per_token or 0.0)
    overhead = median([one.overhead_seconds for one in same if one.overhead_seconds is not None] or [0.0])
    grown = nearest.index_bytes * (length / nearest.length if nearest.length and length else 1)
    memory = nearest.memory_bytes + max(0, round(grown - nearest.index_bytes))
    seconds = overhead + indexing + cell.questions * answer_seconds(same, length)
    other = "" if nearest.task == cell.config.task else f", there on {nearest.task}"
    basis = f"{nearest.source} ({nearest.hardware}{other})"
    return Estimate(tokens, seconds, memory, round(grown) * cell.corpora, basis)


def answer_seconds(rates: Sequence[Rate], length: int) -> float:
    """Seconds for an answer at `length` tokens, on the line between the measured lengths around it or, beyond them,
    on that of the last two or, after a single one, in proportion if it read the whole text; never less than at the
    nearest."""
    by_length: dict[int, list[float]] = {}
    for one in rates:
        by_length.setdefault(one.length, []).append(one.answer_seconds)
    points = sorted((key, median(values)) for key, values in by_length.items())
    if len(points) == 1:
        reads_all = 0 < rates[0].length <= rates[0].answer_tokens
        return points[0][1] * (max(length / rates[0].length, 1.0) if reads_all else 1.0)
    if length <= points[0][0]:
        return points[0][1]
    after = next((place for place, (at, _) in enumerate(points) if at >= length), len(points) - 1)
    (x0, y0), (x1, y1) = points[after - 1], points[after]
    line = y0 + (y1 - y0) * (length - x0) / (x1 - x0)
    return max(line, y1) if length > x1 else line


def _best(rates: Sequence[Rate], cell: Cell) -> list[Rate]:
    """Those of the same task and the same ablation, as far as there are any."""
    found = list(rates)
    for wanted in ("task", "ablate"):
        closer = [one for one in found if getattr(one, wanted) == getattr(cell.config, wanted)]
        found = closer or found
    return _first_source(found)


def _first_source(rates: list[Rate]) -> list[Rate]:
    """What the first directory says that says anything, not mixed with what others do."""
    return [one for one in rates if one.source == rates[0].source]


def _rate(run: Path, record: Mapping[str, Any], summary: Mapping[str, Any], system: str) -> Rate:
    indexes = [one for one in record["indexes"] if one["system"] == system]
    made = [one for one in indexes if not one.get("reused") and one["tokens"]]
    tokens, seconds = (sum(one[key] for one in made) for key in ("tokens", "seconds"))
    timings = [one for one in summary["timings"] if one["system"] == system]
    subtasks = max(len({one["subtask"] for one in timings}), 1)
    machine, told = record["hardware"], record["systems"][system]
    gpus = [gpu["name"] for gpu in machine["gpus"]]
    peak = record["peak_memory"]
    return Rate(
        system=system,
        task=record["task"],
        ablate=dict(record["config"]["ablate"]),
        model=record["config"]["model"],
        device=str(told.get("device", "cuda" if gpus else "cpu")),
        length=record["config"]["length"] or 0,
        index_tokens=sum(one["tokens"] for one in indexes) / len(indexes),
        seconds_per_token=seconds / tokens if tokens else None,
        answer_seconds=sum(one["mean_seconds"] for one in timings) / subtasks,
        answer_tokens=max(_tokens_read(summary, system), default=0.0),
        index_bytes=sum(one["bytes"] for one in indexes) / len(indexes),
        memory_bytes=max(peak["rss_bytes"], peak.get("gpu_bytes", 0)),
        overhead_seconds=_overhead(record, summary),
        source=str(run.parent if len(record["systems"]) == 1 else run),
        hardware=f"{gpus[0] if gpus else machine['cpu']}, {machine['cores']} cores",
    )


def _tokens_read(summary: Mapping[str, Any], system: str) -> list[float]:
    """Mean tokens an answer of each variant and subtask reads."""
    parts = [part for row in summary["rows"] if row["system"] == system for part in row["subtasks"]]
    return [float(part["tokens_in"]) for part in parts]


def _overhead(record: Mapping[str, Any], summary: Mapping[str, Any]) -> float | None:
    """Seconds a run in one sitting took beyond its indexes and answers: loading, making text, drawing."""
    if record["earlier_sittings"] or not record.get("finished"):
        return None
    began, ended = (datetime.fromisoformat(record[key]) for key in ("started", "finished"))
    answering: float = sum(one["mean_seconds"] * one["n"] for one in summary["timings"])
    indexing: float = sum(one["seconds"] for one in record["indexes"])
    return max(0.0, (ended - began).total_seconds() - answering - indexing)
