"""What a gate compares with: a run's scores per question in one file, and what a run must share with it.

    msa-bench gate results/runs/ci --write-reference results/reference/ci.json --tolerance 10

The data, the configuration, the backbone and the systems' settings must be the same; a run that differs in one of them
measures something else. Code, package versions, machine and device may differ: that they change nothing is what a gate
is to find out. Two more things may differ when they are accepted by name, because a gate can be about them: the adapter
on the same backbone, and the ablation switches.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

from msa_bench.errors import UserError, unknown
from msa_bench.evaluation.files import read_object
from msa_bench.evaluation.finished import DATA_HASHES, Run, value_of
from msa_bench.evaluation.judge.grades import span_of
from msa_bench.evaluation.store import write_json

FORMAT = 1
ACCEPTABLE = {
    "adapter": "another adapter on the same backbone",
    "ablate": "other ablation switches",
}
"""What may differ from a reference when it is accepted by this name."""

_Difference = tuple[str, object, object, tuple[str, ...]]

# What a system says of itself that changes no answer, or no more than rounding does.
_FREE = {"device", "notes"}
_BACKBONE = {"weights_sha256", "family", "layers", "hidden_size", "window_tokens", "dtype"}
_ADAPTER = {"model", "adapter_files"}
_ROUTING = {"router_layers", "chunk_tokens", "keys_per_chunk", "top_k", "similarity"}
_KEYS = ("score", "tolerance_points", "task", "config", "systems", "datasets", "rows")


def make_reference(run: Run, tolerance_points: float, score: str | None = None) -> dict[str, Any]:
    """The reference that `run` is, as JSON values; a `UserError` for an unfinished run and for scores of no number."""
    _require_finished(run)
    name = score or run.main_score
    rows = {row: row_scores(run, row, name) for row in run.rows}
    if not all(rows.values()):
        raise unknown("score of the run", name, {one for lines in run.rows.values() for one in lines[0]["scores"]})
    kept = ("task", "config", "config_sha256", "systems")
    return {
        "format": FORMAT,
        "score": name,
        "tolerance_points": tolerance_points,
        **{key: run.record.get(key) for key in kept},
        "datasets": [{key: one[key] for key in ("subtask", *DATA_HASHES)} for one in run.record["datasets"]],
        "made": {key: run.record.get(key) for key in ("started", "finished", "versions", "hardware", "git")},
        "rows": rows,
    }


def write_reference(reference: Mapping[str, Any], file: Path) -> None:
    """Write `reference` to `file`, in a form whose changes a diff shows."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, reference)
    except OSError as error:
        raise UserError(f"The reference {file} cannot be written: {error.strerror}.") from error


def read_reference(file: Path) -> dict[str, Any]:
    """The reference in `file`; a `UserError` if it is missing, is none, or holds scores that are no numbers."""
    if not file.exists():
        raise UserError(
            f"There is no reference {file}; make one from a run you trust with "
            f"msa-bench gate DIR --write-reference {file}."
        )
    content = read_object(file, f"{file} is no reference")
    missing = [key for key in _KEYS if key not in content]
    if missing or content.get("format") != FORMAT:
        what = f"it lacks {', '.join(missing)}" if missing else f"its format is not {FORMAT}"
        raise UserError(f"{file} is no reference of a gate: {what}; make one with msa-bench gate --write-reference.")
    for row, scores in content["rows"].items():
        for sample, value in scores.items():
            number = isinstance(value, int | float) and math.isfinite(value)
            if not number or not 0 <= value <= span_of(content["score"]):
                shown = "NaN" if value is None else json.dumps(value)
                raise UserError(f"{file} holds no score but {shown} for {sample} by {row}; make the reference again.")
    return content


def row_scores(run: Run, row: str, score: str) -> dict[str, float]:
    """A row's scores by question, the mean where a question was repeated."""
    found: dict[str, list[float]] = {}
    for line in run.rows[row]:
        if score in line["scores"]:
            found.setdefault(line["sample_id"], []).append(value_of(line, score, run.directory))
    return {sample: fmean(values) for sample, values in found.items()}


def require_comparable(run: Run, reference: Mapping[str, Any], file: Path, accepted: Collection[str]) -> None:
    """A `UserError` that names the first thing in which `run` and the `reference` from `file` differ, if they do."""
    for name in accepted:
        if name not in ACCEPTABLE:
            raise unknown("difference to accept", name, ACCEPTABLE)
    _require_finished(run)
    where = f"{run.directory} cannot be compared with {file}"
    for what, ours, theirs, kinds in _differences(run, reference):
        if set(kinds) & set(accepted):
            continue
        hint = f"; --accept {kinds[0]} compares {ACCEPTABLE[kinds[0]]} all the same" if kinds else ""
        raise UserError(f"{where}: {what} is {_short(ours)}, in the reference {_short(theirs)}{hint}.")


def _differences(run: Run, reference: Mapping[str, Any]) -> list[_Difference]:
    """What differs, both values, and the names under which it can be accepted, if it can."""
    ours, theirs = run.record, reference
    found: list[_Difference] = []
    if ours["task"] != theirs["task"]:
        found.append(("the task", ours["task"], theirs["task"], ()))
    for key in {**theirs["config"], **ours["config"]}:
        if ours["config"].get(key) != theirs["config"].get(key):
            kinds = {"model": ("adapter",), "ablate": ("ablate",)}.get(key, ())
            found.append((f"the setting {key}", ours["config"].get(key), theirs["config"].get(key), kinds))
    for entry in theirs["datasets"]:
        mine = run.data.get(entry["subtask"], {})
        for key in DATA_HASHES:
            if mine.get(key) != entry[key]:
                found.append((f"{key} of {entry['subtask'] or 'the data'}", mine.get(key), entry[key], ()))
    for name, described in theirs["systems"].items():
        mine = ours["systems"].get(name, {})
        # A key that came later, with newer code, is no difference in what the reference knew of.
        for key in sorted(described.keys() - _FREE):
            if mine.get(key) != described[key]:
                found.append((f"{key} of the system {name}", mine.get(key), described[key], _kinds(key)))
    # What cannot be accepted is said first, so that nobody accepts one difference to be told of the next.
    return sorted(found, key=lambda one: bool(one[3]))


def _kinds(key: str) -> tuple[str, ...]:
    if key in _BACKBONE:
        return ()
    if key in _ADAPTER:
        return ("adapter",)
    # An adapter brings its routing settings, and switches change them.
    return ("adapter", "ablate") if key in _ROUTING else ("ablate",)


def _require_finished(run: Run) -> None:
    if not run.finished:
        raise UserError(
            f"{run.directory} holds a run that is {run.record['status']}, not finished; continue it with the command "
            "that began it."
        )


def _short(value: object) -> str:
    if isinstance(value, str) and len(value) == 64:
        return value[:12] + "..."
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
