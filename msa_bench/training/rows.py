"""Rows that texts of a batch are laid out in: few widths, so that all batches have one shape and little is padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

Rows = tuple[tuple[int, int], ...]
"""Rows of the same width in tokens, as `(rows, width)`, narrowest first."""


def places(lengths: Sequence[int], rows: Rows, taken: Sequence[int]) -> list[int] | None:
    """For each text the rows it goes to, the narrowest that hold it and have room; None if one finds none."""
    free = [count - used for (count, _), used in zip(rows, taken, strict=True)]
    found = []
    for length in lengths:
        place = next((at for at, (_, width) in enumerate(rows) if width >= length and free[at]), None)
        if place is None:
            return None
        free[place] -= 1
        found.append(place)
    return found


def in_rows(parts: Sequence[Sequence[Item]], rows: Rows) -> list[Item | None]:
    """The items of `parts` row by row, None in rows that hold nothing."""
    return [
        item for part, (count, _) in zip(parts, rows, strict=True) for item in (*part, *(None,) * (count - len(part)))
    ]
