"""Tensors on disk: files of bounded size, and the hash that names a file's content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from torch import Tensor

SHARD_BYTES = 15_000_000
"""A little under 16 MB, so that files stay easy to carry and to keep under version control."""


def shards(tensors: Mapping[str, Tensor], limit: int = SHARD_BYTES) -> Iterator[dict[str, Tensor]]:
    """`tensors` on the CPU in groups of at most `limit` bytes, in order; a larger tensor is a group of its own."""
    shard: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        if shard and size + tensor.nbytes > limit:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor.detach().cpu().contiguous()
        size += tensor.nbytes
    if shard:
        yield shard


def sha256(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
