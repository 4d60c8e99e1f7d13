"""Run directories of made-up answers, as `msa-bench run` leaves them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

Line = dict[str, Any]
SYSTEMS: Mapping[str, Sequence[str | None]] = {"msa": (None,), "rag-bm25": ("k=1", "k=5")}
NIAH = ("niah_single_1", "niah_multikey_1")


def write_run(
    directory: Path,
    *,
    task: str = "niah",
    length: int | None = 16384,
    seed: int = 42,
    samples: int = 4,
    systems: Mapping[str, Sequence[str | None]] = SYSTEMS,
    subtasks: Sequence[str | None] = NIAH,
    main_score: str = "string_match_all",
    ablate: Mapping[str, str] | None = None,
    data: str = "",
    adapter: str = "adapter",
    status: str = "finished",
    change: Callable[[Line], Line | None] = lambda line: line,
    config: Mapping[str, Any] | None = None,
) -> Path:
    """Write a run; `data` names other documents, `change` may alter a line or, by None, leave it out."""
    settings = {
        "task": task, "length": length, "system": list(systems), "model": "tiny", "samples": samples, "seed": seed,
        "subtask": [], "ablate": dict(ablate or {}), "data": None, "haystack": None, "doc_tokens": 128,
        "max_answer_tokens": 64, **(config or {}),
    }  # fmt: skip
    parts = [(name, subtask) for name in systems for subtask in subtasks]
    record = {
        "task": task,
        "main_score": main_score,
        "subtasks": list(subtasks),
        "config": settings,
        "config_sha256": sha256(json.dumps(settings).encode()).hexdigest(),
        "ablations": {name: dict(ablate or {}) if name == "msa" else {} for name in systems},
        "systems": {name: {"weights_sha256": "w", "adapter_files": {"a": adapter}} for name in systems},
        "datasets": [
            {"subtask": subtask, "documents_fingerprint": f"{subtask}{length}{seed}{data}", "questions_sha256": "q"}
            for subtask in subtasks
        ],
        "indexes": [
            {"system": name, "subtask": subtask, "seconds": 2.0, "bytes": 3_000_000, "tokens": 16_000, "notes": []}
            for name, subtask in parts
        ],
        "status": status,
        "started": f"2026-01-01T00:00:00+00:00 {directory.name}",
        "hardware": {"cpu": "a CPU", "cores": 2, "memory_bytes": 2**34, "gpus": []},
        "peak_memory": {"rss_bytes": 2_500_000_000},
    }
    lines = [
        line
        for name, subtask in parts
        for variant in systems[name]
        for place in range(samples)
        if (line := change(sample(name, variant, subtask, place, task, length, seed, main_score))) is not None
    ]
    directory.mkdir(parents=True)
    (directory / "run.json").write_text(json.dumps(record))
    (directory / "samples.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if status == "finished":
        (directory / "summary.json").write_text("{}")
    return directory


def sample(
    system: str,
    variant: str | None,
    subtask: str | None,
    place: int,
    task: str,
    length: int | None,
    seed: int,
    main: str,
) -> Line:
    """One answer, right or wrong by the hash of what it is to."""
    byte = sha256(f"{system}{variant}{subtask}{place}{seed}{length}".encode()).digest()[0]
    return {
        "sample_id": f"{subtask or task}/seed{seed}/{place:05}", "system": system, "variant": variant, "task": task,
        "subtask": subtask, "length_tokens": length, "depth": byte / 256, "seed": seed, "repeat": 0,
        "question": f"What is number {place} of {subtask}, seed {seed}?", "gold": [str(place)], "answer": str(byte),
        "scores": {main: float(byte > 80), "f1": byte / 255, "recall@10": 1.0}, "documents": [place, place + 1],
        "gold_documents": [place], "ranking": list(range(20)), "rounds": 2, "bounds": [],
        "tokens": {"in": 100 + byte, "out": 5}, "seconds": 0.5, "notes": [],
        "trace": {"rounds": [[place], [place + 1]]},
    }  # fmt: skip
