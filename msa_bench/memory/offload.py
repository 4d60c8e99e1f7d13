"""From a GPU to host memory, without waiting for what the GPU has not made yet."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from msa_bench.memory.tier import Tier

IN_FLIGHT = 2
"""Batches on their way: while one is copied the next is computed."""

Part = tuple[Tier, Tensor, Tensor]
"""A tier, rows of it (int64, on the CPU), and what belongs there."""


class Offload:
    """Batches of chunks on their way from a GPU into tiers in host memory."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[torch.cuda.Event | None, list[Part]]] = deque()

    def push(self, parts: Sequence[Part]) -> None:
        """Send every one of `parts` to where it belongs, soon."""
        copies, event = [], None
        for tier, rows, chunks in parts:
            copy = torch.empty(chunks.shape, dtype=chunks.dtype, pin_memory=chunks.is_cuda)
            copies.append((tier, rows, copy.copy_(chunks, non_blocking=chunks.is_cuda)))
        if any(chunks.is_cuda for _, _, chunks in parts):
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record()
        self._waiting.append((event, copies))
        while len(self._waiting) > IN_FLIGHT:
            self._land()

    def finish(self) -> None:
        """Wait until everything has arrived."""
        while self._waiting:
            self._land()

    def _land(self) -> None:
        event, copies = self._waiting.popleft()
        if event is not None:
            event.synchronize()
        for tier, rows, chunks in copies:
            tier.storage[rows] = chunks
