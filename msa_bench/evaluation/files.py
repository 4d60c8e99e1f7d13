"""The files of a run directory by name, reading one that holds a JSON object, and what a record says of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msa_bench.errors import UserError

RECORD, SAMPLES, SUMMARY, JUDGEMENTS = "run.json", "samples.jsonl", "summary.json", "judgements.jsonl"


def read_object(file: Path, what: str | None = None, advice: str = "") -> dict[str, Any]:
    """The JSON object in `file`; a `UserError` if there is none, that begins with `what` and ends with `advice`."""
    before, after = "" if what is None else f"{what}: ", f"; {advice}" if advice else ""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{before}there is no {file.name} in {file.parent}{after}.") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{before}{file} cannot be read as JSON{after}.") from error
    if not isinstance(content, dict):
        raise UserError(f"{before}{file} does not hold a JSON object{after}.")
    return content


def weights_of(described: Mapping[str, Any]) -> dict[str, Any]:
    """What tells the weights of a system apart, as far as its description in a record says."""
    return {part: described.get(part) for part in ("weights_sha256", "adapter_files")}
