"""Extractions on disk: a JSON line per passage, appended as they come, so that none is ever made twice.

Runs that go on at the same time append to the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from baselines.embeddings import key_of
from baselines.hipporag.openie import Extraction, OpenIE
from msa_bench.contracts import Progress, no_progress
from msa_bench.places import cache_root

BLOCK = 256
"""Passages handed to a backend at a time."""


class ExtractionCache:
    """What a backend has read so far. Unusable replies are not kept: a later run asks again."""

    def __init__(self, backend: OpenIE, directory: Path | None = None) -> None:
        self.backend = backend
        self.file = (directory or cache_root() / "openie") / f"{backend.name.replace('/', '-')}.jsonl"
        self.made = self.failed = 0
        self._places: dict[bytes, int] = {}
        if self.file.exists():
            with self.file.open("rb") as lines:
                place = 0
                for line in lines:
                    # The last line of a killed run may be torn; what follows it starts on a line of its own.
                    if line.endswith(b"\n") and line[:8] == b'{"key": ' and b'"triples"' in line:
                        self._places[bytes.fromhex(line[9:41].decode("ascii", "replace"))] = place
                    place += len(line)

    def extract(self, passages: Iterable[str], total: int, progress: Progress = no_progress) -> Iterator[Extraction]:
        """The extraction of each of `passages`, in order; holds one block of texts at a time."""
        source, done = iter(passages), 0
        while block := list(islice(source, BLOCK)):
            keys = [key_of(text) for text in block]
            new = {key: text for key, text in zip(keys, block, strict=True) if key not in self._places}
            failed = self._make(new) if new else set()
            with self.file.open("rb") as stored:
                for key in keys:
                    yield (
                        Extraction(failed=True) if key in failed else self._read(stored.seek(self._places[key]), stored)
                    )
            done += len(block)
            progress("extract facts", done, total, "passages")

    def _make(self, new: dict[bytes, str]) -> set[bytes]:
        """Extract and append, each passage as soon as it is read; the keys of those whose replies were unusable."""
        failed: set[bytes] = set()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("ab", buffering=0) as file:
            if file.tell() and not _ends_in_line_break(self.file):
                file.write(b"\n")
            for key, extraction in zip(new, self.backend.extract(list(new.values())), strict=True):
                self.made += 1
                if extraction.failed:
                    self.failed += 1
                    failed.add(key)
                    continue
                row = {"key": key.hex(), "entities": extraction.entities, "triples": extraction.triples}
                line = json.dumps(row).encode() + b"\n"
                file.write(line)
                # Where the line begins is known only now: another run may have appended its own before it.
                self._places[key] = file.tell() - len(line)
        return failed

    def _read(self, place: int, stored: Iterable[bytes]) -> Extraction:
        row = json.loads(next(iter(stored)))
        return Extraction(tuple(row["entities"]), tuple((a, b, c) for a, b, c in row["triples"]))


def _ends_in_line_break(file: Path) -> bool:
    with file.open("rb") as content:
        content.seek(-1, 2)
        return content.read(1) == b"\n"
