"""Seeds made of what they are for, so that no two uses of one seed share random numbers."""

from __future__ import annotations

from hashlib import blake2b
from random import Random


def derive(*parts: object) -> int:
    """A 64-bit number that depends on all of `parts` (as text) and is the same on every machine and Python version."""
    return int.from_bytes(blake2b("\x1f".join(map(str, parts)).encode(), digest_size=8).digest(), "big")


def generator(*parts: object) -> Random:
    """A generator seeded with `derive(*parts)`; of its methods only `random()` and `getrandbits()` never change."""
    return Random(derive(*parts))
