"""Timing things against each other in one process: alternating runs, so that a busy machine slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch


def alternate(ways: Mapping[str, Callable[[], object]], repeats: int, device: torch.device) -> dict[str, list[float]]:
    """Wall seconds of `repeats` runs of each way, by name, in the order A B A B ... after one warm-up run of each."""
    for run in ways.values():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, run in ways.items():
            _finish(device)
            began = time.perf_counter()
            run()
            _finish(device)
            seconds[name].append(time.perf_counter() - began)
    return seconds


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
