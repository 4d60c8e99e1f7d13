"""Tensors that grow along their first dimension."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Tier:
    """A growing tensor; `rows` of `storage` are in use."""

    storage: Tensor
    rows: int = 0

    @classmethod
    def empty(cls, room: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tier:
        """Room for `room` rows of `shape`."""
        return cls(torch.empty((room, *shape), dtype=dtype, device=device))

    def used(self) -> Tensor:
        """The rows in use."""
        return self.storage[: self.rows]

    def grow(self, rows: int) -> None:
        """Have `rows` rows; those in use stay."""
        if rows > len(self.storage):
            bigger = self.storage.new_empty(max(rows, len(self.storage) * 3 // 2), *self.storage.shape[1:])
            bigger[: self.rows] = self.used()
            self.storage = bigger
        self.rows = rows


def ranges(first: Tensor, counts: Tensor) -> Tensor:
    """The numbers from `first[i]` on, `counts[i]` of them, for one i after the other (int64, on the CPU)."""
    skipped = counts.cumsum(0) - counts
    return torch.arange(int(counts.sum())) + (first - skipped).repeat_interleave(counts)
