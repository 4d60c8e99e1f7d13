"""Timing things against each other in one process: alternating runs, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

from msa_bench.contracts import Progress, no_progress


def alternate(
    ways: Mapping[str, Callable[[], object]],
    repeats: int,
    device: torch.device,
    progress: Progress = no_progress,
) -> dict[str, list[float]]:
    """Wall seconds of `repeats` runs of each way, by name, in the order A B A B ... after one warm-up run of each.
    `progress` hears of every run before it begins, never while one is timed."""
    rounds, names = repeats + 1, list(ways)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in range(rounds):
        for place, name in enumerate(names):
            progress(f"timing {name}", turn * len(names) + place, rounds * len(names), "runs")
            _finish(device)
            began = time.perf_counter()
            ways[name]()
            _finish(device)
            if turn > 0:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
