"""Run directories of made-up answers, written as a run leaves them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from msa_bench.evaluation.summary import summarise

MSA = {
    "model": "smollm2-135m",
    "weights_sha256": "7" * 64,
    "family": "llama",
    "layers": 30,
    "hidden_size": 576,
    "device": "cpu",
    "dtype": "float32",
    "adapter_files": {"adapter.safetensors": "a" * 64},
    "top_k": 16,
    "notes": [],
}
QWEN3_4B = {**MSA, "model": "EverMind-AI/MSA-4B", "family": "qwen3", "layers": 36, "hidden_size": 2560}
CONFIG = {"task": "niah", "length": 16384, "system": ["msa"], "model": "smollm2-135m", "samples": 4, "ablate": {}}

Scores = Mapping[str, Sequence[float | None]]


def write_run(
    directory: Path,
    rows: Mapping[str, Scores],
    *,
    score: str = "string_match_all",
    config: Mapping[str, Any] | None = None,
    systems: Mapping[str, Any] | None = None,
    status: str = "finished",
    **record: Any,
) -> Path:
    """Write a run whose `rows` (`rag-bm25 k=5`) hold the scores of the questions of each subtask, in order."""
    settings = {**CONFIG, **(config or {})}
    lines = [
        _line(row, subtask, place, score, value, settings)
        for row, subtasks in rows.items()
        for subtask, values in subtasks.items()
        for place, value in enumerate(values)
    ]
    subtasks = list(dict.fromkeys(line["subtask"] for line in lines))
    directory.mkdir(parents=True, exist_ok=True)
    content = {
        "task": settings["task"],
        "main_score": score,
        "subtasks": subtasks,
        "config": settings,
        "config_sha256": "c" * 64,
        "systems": systems or {line["system"]: MSA for line in lines},
        "datasets": [
            {"subtask": one, "documents_fingerprint": f"d{one}", "questions_sha256": f"q{one}", "notes": []}
            for one in subtasks
        ],
        "indexes": [],
        "status": status,
        "hardware": {"cpu": "a CPU", "cores": 2, "memory_bytes": 2**34, "gpus": []},
        **record,
    }
    (directory / "run.json").write_text(json.dumps(content))
    (directory / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if all(value is not None for line in lines for value in line["scores"].values()):
        summary = summarise(lines, task=settings["task"], length=settings["length"], seed=42, main_score=score)
        (directory / "summary.json").write_text(json.dumps(summary))
    return directory


def change(file: Path, **values: Any) -> None:
    """Replace keys at the top of a JSON file."""
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def _line(
    row: str, subtask: str, place: int, score: str, value: float | None, settings: Mapping[str, Any]
) -> dict[str, Any]:
    system, _, variant = row.partition(" ")
    return {
        "sample_id": f"{subtask}/{place}",
        "system": system,
        "variant": variant or None,
        "task": settings["task"],
        "subtask": subtask,
        "repeat": 0,
        "question": f"What is number {place}?",
        "gold": [f"gold {place}"],
        "answer": f"{row} says {value}",
        "scores": {score: value},
        "tokens": {"in": 10, "out": 5},
        "seconds": 0.5,
        "rounds": 1,
        "notes": [],
        "bounds": [],
    }
