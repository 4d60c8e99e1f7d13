"""What every measurement says of itself beside its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from msa_bench.evaluation.provenance import hardware, versions


def result(
    perf: str, what: Mapping[str, Any], device: torch.device, dtype: torch.dtype, rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The object `perf ... --json` prints: `what` was measured, on what, and `rows`, a single one at the top too."""
    single = rows[0] if len(rows) == 1 else {}
    return {
        "perf": perf,
        **what,
        "device": str(device),
        "dtype": str(dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "hardware": hardware(),
        "versions": versions(),
        **single,
        "rows": list(rows),
    }


def place(result: Mapping[str, Any]) -> str:
    """The device a result is from, in a few words."""
    on_gpu = result["device"].startswith("cuda")
    return str(result["hardware"]["gpus"][0]["name"]) if on_gpu else f"{result['threads']} threads"
