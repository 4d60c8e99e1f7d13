"""A seeded permutation of 0..size-1 that needs no table.

A Feistel network over the smallest square grid that holds `size` places (row, column); what falls outside `size` is
sent through again (cycle walking; Black and Rogaway 2002), which is rare because the grid is at most 2 sqrt(size) + 1
places too large.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isqrt

from msa_bench.seeding import derive

_ROUNDS = 6
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class Permutation:
    """A bijection of 0..size-1: `p(i)` forwards, `p.inverse(p(i)) == i`."""

    size: int
    seed: int

    @cached_property
    def _side(self) -> int:
        return isqrt(max(self.size - 1, 0)) + 1

    @cached_property
    def _keys(self) -> tuple[int, ...]:
        return tuple(derive("permutation", self.seed, round_) for round_ in range(_ROUNDS))

    def __call__(self, index: int) -> int:
        """Where `index` goes; an `IndexError` outside 0..size-1."""
        self._check(index)
        side = self._side
        while True:
            row, column = divmod(index, side)
            for key in self._keys:
                row, column = column, (row + _mix(column, key)) % side
            index = row * side + column
            if index < self.size:
                return index

    def inverse(self, index: int) -> int:
        """What goes to `index`."""
        self._check(index)
        side = self._side
        while True:
            row, column = divmod(index, side)
            for key in reversed(self._keys):
                row, column = (column - _mix(row, key)) % side, row
            index = row * side + column
            if index < self.size:
                return index

    def _check(self, index: int) -> None:
        if not 0 <= index < self.size:
            raise IndexError(f"{index} is outside 0..{self.size - 1}")


def _mix(value: int, key: int) -> int:
    """64 well-mixed bits of `value` under `key` (a multiply-and-shift finaliser)."""
    value = (value ^ key) * 0x9E3779B97F4A7C15 & _MASK
    value = (value ^ value >> 32) * 0xD6E8FEB86659FD93 & _MASK
    return value ^ value >> 32
