"""A stored run of made-up answers, with as many subtasks and variants as a real one."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from msa_bench.evaluation.summary import summarise
from msa_bench.reporting.stored import StoredRun

SUBTASKS = (
    *("niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multikey_3"),
    *("niah_multivalue", "niah_multiquery"),
)
ROWS = (("msa", None), ("full-context", None), ("rag-bm25", "k=1"), ("rag-bm25", "k=5"), ("rag-bm25", "k=10"))


def needle_run(samples: int = 3, subtasks: tuple[str | None, ...] = SUBTASKS) -> StoredRun:
    lines = [
        _line(system, variant, subtask, place)
        for system, variant in ROWS
        for subtask in subtasks
        for place in range(samples)
    ]
    record = {
        "task": "niah",
        "subtasks": list(subtasks),
        "systems": {"msa": {"notes": ["untrained [routing]"]}, "full-context": {}, "rag-bm25": {"notes": "one note"}},
        "datasets": [{"subtask": subtask, "notes": ["generated prose"]} for subtask in subtasks],
        "indexes": [{"system": "msa", "subtask": subtasks[0], "notes": ["bank in memory", "untrained [routing]"]}],
        "hardware": {
            "cpu": "AMD EPYC 9R14 96-Core Processor",
            "cores": 16,
            "memory_bytes": 128 * 2**30,
            "gpus": [{"name": "NVIDIA H200", "memory_bytes": 139 * 2**30}],
        },
    }
    return StoredRun(record, summarise(lines, task="niah", length=16384, seed=42, main_score="string_match_all"))


def _line(system: str, variant: str | None, subtask: str | None, place: int) -> dict[str, Any]:
    byte = sha256(f"{system}{variant}{subtask}{place}".encode()).digest()[0]
    score = round(byte / 255 * 4) / 4 if subtask in ("niah_multivalue", "niah_multiquery") else float(byte > 100)
    return {
        "sample_id": f"{subtask}/{place}",
        "system": system,
        "variant": variant,
        "subtask": subtask,
        "repeat": 0,
        "scores": {"string_match_all": score},
        "tokens": {"in": 10, "out": 5},
        "seconds": 0.5,
        "rounds": 0,
        "notes": ["truncated from the middle"] if system == "full-context" else [],
        "bounds": [],
    }
