"""Safetensors files of one tensor that is written from its first row to its last, and can be gone on with."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from msa_bench.errors import UserError

HEADER_BYTES = 512
"""Room for the header, which is filled up with blanks, so that it can say more rows without moving them."""

_NAMES = {
    torch.bfloat16: "BF16",
    torch.float16: "F16",
    torch.float32: "F32",
    torch.int64: "I64",
}


class GrowingFile:
    """The file `path`, whose tensor `name` has rows of `shape`; it begins with the `rows` that are there already."""

    def __init__(self, path: Path, name: str, shape: Sequence[int], dtype: torch.dtype, rows: int = 0) -> None:
        self.path, self.name, self.shape, self.dtype, self.rows = path, name, list(shape), dtype, rows
        self._row_bytes = math.prod(shape) * dtype.itemsize
        if rows and path.stat().st_size < HEADER_BYTES + rows * self._row_bytes:
            raise UserError(
                f"{path} was cut short, so its encoding cannot be gone on with; remove it and encode again."
            )
        self._file = path.open("r+b" if rows else "w+b", buffering=1 << 20)
        self._file.truncate(HEADER_BYTES + rows * self._row_bytes)
        self._file.seek(0, 2)

    def append(self, rows: Tensor) -> None:
        """Add `rows` (on the CPU)."""
        self._file.write(rows.contiguous().view(-1).view(torch.uint8).numpy().data)
        self.rows += len(rows)

    def flush(self) -> None:
        """Make the file as it stands readable."""
        entry = {
            "dtype": _NAMES[self.dtype],
            "shape": [self.rows, *self.shape],
            "data_offsets": [0, self.rows * self._row_bytes],
        }
        header = json.dumps({self.name: entry}).encode().ljust(HEADER_BYTES - 8)
        self._file.seek(0)
        self._file.write((HEADER_BYTES - 8).to_bytes(8, "little") + header)
        self._file.seek(0, 2)
        self._file.flush()

    def close(self) -> None:
        """Flush and let go of the file."""
        if not self._file.closed:
            self.flush()
            self._file.close()


def mapped(path: Path, name: str) -> Tensor:
    """The tensor `name` of a safetensors file, read from the disk as it is used."""
    with safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(name)
    return tensor
