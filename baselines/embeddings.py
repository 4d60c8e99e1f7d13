"""Embeddings of many texts, kept on disk by the content they are of.

A cache is a directory per encoder with pairs of files, `N.keys.npy` (128-bit BLAKE2 hashes of the texts) and
`N.vectors.npy` (float32, memory-mapped). Each pair is written when its block is done and never changed, so an
interrupted run continues with what it has, and a corpus that shares passages with an earlier one shares their vectors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from hashlib import blake2b
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.encoders import Encoder, Vectors
from msa_bench.contracts import Progress, no_progress
from msa_bench.places import cache_root

BLOCK = 2048
"""Texts embedded between two writes."""


def key_of(text: str) -> bytes:
    """16 bytes that name `text`."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class EmbeddingCache:
    """The vectors an encoder has made so far, under `directory`."""

    def __init__(self, encoder: Encoder, directory: Path | None = None) -> None:
        self.encoder = encoder
        content = f"{encoder.weights_sha256} {encoder.window}"
        root = directory or cache_root() / "embeddings"
        self.directory = root / f"{Path(encoder.name).name}-{blake2b(content.encode(), digest_size=6).hexdigest()}"
        self.made = 0
        self._parts: list[Vectors] = []
        self._where: dict[bytes, tuple[int, int]] = {}
        self._seen: set[str] = set()

    def embed(
        self, texts: Iterable[str], total: int, progress: Progress = no_progress, what: str = "passages"
    ) -> Vectors:
        """Unit vectors `[total, dimension]` of `texts`, made where the cache has none; a block of texts at a time.

        `made` counts the vectors that were not there before, nor written by another cache of the directory since.
        """
        progress(f"embed {what}", 0, total, what)
        self._catch_up()
        vectors = np.empty((total, self.encoder.dimension), np.float32)
        done = 0
        source = iter(texts)
        while block := list(islice(source, BLOCK)):
            keys = [key_of(text) for text in block]
            new = {key: text for key, text in zip(keys, block, strict=True) if key not in self._where}
            if new:
                self.made += len(new)
                self._write(list(new), self.encoder.encode(list(new.values())))
            for row, key in enumerate(keys, start=done):
                part, place = self._where[key]
                vectors[row] = self._parts[part][place]
            done += len(block)
            progress(f"embed {what}", done, total, what)
        return vectors

    def _catch_up(self) -> None:
        """Read what has come to the directory: before this cache, or by another system of the same run."""
        for keys in sorted(self.directory.glob("*.keys.npy")):
            if keys.name not in self._seen:
                self._seen.add(keys.name)
                self._read(keys)

    def _read(self, keys_file: Path) -> None:
        vectors_file = keys_file.with_name(keys_file.name.replace(".keys.", ".vectors."))
        try:
            keys = np.load(keys_file, allow_pickle=False)
            vectors = np.load(vectors_file, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return  # a damaged pair is as good as none: its texts are embedded again
        if keys.shape[1:] == (16,) and vectors.shape == (len(keys), self.encoder.dimension):
            self._add(keys, vectors)

    def _add(self, keys: NDArray[np.uint8], vectors: Vectors) -> None:
        self._where |= {row.tobytes(): (len(self._parts), place) for place, row in enumerate(keys)}
        self._parts.append(vectors)

    def _write(self, keys: list[bytes], vectors: Vectors) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        rows = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 16)
        # Named by content: two processes that embed the same texts write the same files.
        stem = blake2b(rows.tobytes(), digest_size=8).hexdigest()
        for kind, array in (("vectors", vectors), ("keys", rows)):
            part = self.directory / f".{stem}.{kind}.{os.getpid()}"
            with part.open("wb") as file:
                np.save(file, array, allow_pickle=False)
            part.replace(self.directory / f"{stem}.{kind}.npy")
        self._seen.add(f"{stem}.keys.npy")
        self._add(rows, vectors)
