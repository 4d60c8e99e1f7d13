"""A memory bank as a directory: written while it is encoded, gone on with after an interruption, re-opened by mapping.

Every part of a layer is a safetensors file of its own: `content`, keys and values, and `keys`, exact routing keys,
however the bank in memory keeps them. `index.json` is written last and names model, sizes and the SHA-256 of every
file; until then `partial.json` says how far the files can be relied on.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.memory.bank import MemoryBank, Placement
from msa_bench.memory.growing import GrowingFile, mapped
from msa_bench.model.config import ModelConfig
from msa_bench.model.passes import Pooled
from msa_bench.storage import sha256

FORMAT = 2
INDEX, PARTIAL = "index.json", "partial.json"
DOCUMENTS = "documents.safetensors"

AT_ONCE = 65_536
"""Chunks read from files at a time."""


class BankWriter:
    """Writes what is added to `bank` behind it. `identity` is all that the files depend on.

    Unfinished files of the same are gone on with, read into `bank` first; those of another are a `UserError`.
    """

    def __init__(self, directory: Path, bank: MemoryBank, identity: Mapping[str, Any]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory, self.bank = directory, bank
        self.identity = {"format": FORMAT, **identity}
        state = _read(directory / PARTIAL) if (directory / PARTIAL).is_file() else {"documents": 0, "chunks": 0}
        if state["documents"]:
            _check_identity(directory, state, self.identity)
        (directory / INDEX).unlink(missing_ok=True)
        heads, rows = (bank.config.kv_heads, bank.config.head_dim), state["chunks"]
        self._each = bank.msa.keys_per_chunk
        self._content, self._keys = (
            {
                layer: GrowingFile(directory / _file(layer, part), part, shape, bank.dtype, rows * each)
                for layer in bank.layers
            }
            for part, shape, each in (("content", (2, *heads), 1), ("keys", heads, self._each))
        )
        self._tokens = int(state.get("tokens", 0))
        self._documents = GrowingFile(directory / DOCUMENTS, "chunks", (), torch.int64, state["documents"])
        if state["documents"]:
            for file in self._files():
                file.flush()
            _fill(bank, directory, state, adopted=False)

    def append(self) -> None:
        """Write what the bank holds beyond the files; it must be complete."""
        self.bank.finish()
        for layer in self.bank.layers:
            first = self._content[layer].rows
            kept = self.bank.pooled(layer)
            self._content[layer].append(torch.stack((kept.keys[first:], kept.values[first:]), dim=1).cpu())
            self._keys[layer].append(self.bank.routing_keys(layer)[first * self._each :].to("cpu", self.bank.dtype))
        self._documents.append(self.bank.offsets.diff()[self._documents.rows :])
        self._tokens = self.bank.tokens

    def save(self) -> None:
        """Make what was written so far what an interrupted encoding goes on from."""
        for file in self._files():
            file.flush()
        _write(self.directory / PARTIAL, self.identity | self._state())

    def finish(self) -> None:
        """Close the files and write the index: the bank is saved."""
        for file in self._files():
            file.close()
        paths = [file.path for file in self._files()]
        with ThreadPoolExecutor() as pool:
            hashes = dict(zip((path.name for path in paths), pool.map(sha256, paths), strict=True))
        _write(self.directory / INDEX, self.identity | self._state() | {"files": hashes})
        (self.directory / PARTIAL).unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the files, finished or not."""
        for file in self._files():
            file.close()

    def _state(self) -> dict[str, int]:
        rows = next(iter(self._content.values())).rows
        return {"documents": self._documents.rows, "chunks": rows, "tokens": self._tokens}

    def _files(self) -> list[GrowingFile]:
        return [self._documents, *self._content.values(), *self._keys.values()]


def save_bank(bank: MemoryBank, directory: Path, identity: Mapping[str, Any]) -> None:
    """Write `bank` into `directory`; `identity` says which model and text it is of (`MemoryBank.identity`)."""
    writer = BankWriter(directory, MemoryBank(bank.config, bank.device, bank.dtype), identity)
    writer.bank = bank
    try:
        writer.append()
        writer.finish()
    finally:
        writer.close()


def is_begun(directory: Path) -> bool:
    """Whether `directory` holds a bank, finished or not."""
    return is_saved(directory) or (directory / PARTIAL).is_file()


@contextmanager
def only_writer(directory: Path) -> Iterator[None]:
    """Wait until no other process encodes into `directory`, and keep others waiting for as long as this lasts."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def is_saved(directory: Path) -> bool:
    """Whether `directory` holds a finished bank."""
    return (directory / INDEX).is_file()


def load_bank(
    directory: Path,
    config: ModelConfig,
    device: torch.device,
    identity: Mapping[str, Any],
    placement: Placement | None = None,
) -> MemoryBank:
    """The bank saved in `directory`; what stays on the CPU is mapped, not read. A `UserError` if it is incomplete,
    altered, or of another model or text."""
    if not is_saved(directory):
        raise UserError(f"{directory} holds no finished memory bank: it has no {INDEX}.")
    index = _read(directory / INDEX)
    bank = MemoryBank(config, device, getattr(torch, str(identity["dtype"])), placement=placement)
    _check_identity(directory, index, {"format": FORMAT, **identity})
    names = [DOCUMENTS, *(_file(layer, part) for layer in bank.layers for part in ("content", "keys"))]
    for name in names:
        if name not in index["files"] or not (directory / name).is_file():
            raise UserError(f"The memory bank in {directory} lacks its file {name}; encode it again.")
    with ThreadPoolExecutor() as pool:
        for name, found in zip(names, pool.map(sha256, [directory / name for name in names]), strict=True):
            if found != index["files"][name]:
                raise UserError(f"{directory / name} was altered after the bank was saved; encode it again.")
    _fill(bank, directory, index, adopted=True)
    return bank


def _fill(bank: MemoryBank, directory: Path, state: Mapping[str, Any], adopted: bool) -> None:
    """Put the first `state["documents"]` documents of the files into `bank`, which is empty; where it may and can, it
    uses them `adopted`, where they lie. Files still to be written must not be."""
    try:
        counts = mapped(directory / DOCUMENTS, "chunks")[: state["documents"]]
        layers = {
            layer: [mapped(directory / _file(layer, part), part) for part in ("content", "keys")]
            for layer in bank.layers
        }
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"The memory bank in {directory} cannot be read ({error}); encode it again.") from error
    each = bank.msa.keys_per_chunk
    if int(counts.sum()) != state["chunks"] or any(
        len(content) < state["chunks"] or len(keys) < state["chunks"] * each for content, keys in layers.values()
    ):
        raise UserError(f"The files of the memory bank in {directory} do not belong together; encode it again.")
    if adopted and bank.adopt(counts, int(state["tokens"]), layers):
        return
    first = bank.reserve(counts, int(state["tokens"]))
    for start in range(0, state["chunks"], AT_ONCE):
        end = min(start + AT_ONCE, state["chunks"])
        part = {
            layer: _pooled(content[start:end].to(bank.device), keys[start * each : end * each].to(bank.device))
            for layer, (content, keys) in layers.items()
        }
        bank.write(torch.arange(first + start, first + end), part)
    bank.finish()


def _pooled(content: Tensor, keys: Tensor) -> Pooled:
    return Pooled(content[:, 0], content[:, 1], keys)


def _file(layer: int, part: str) -> str:
    return f"layer-{layer:02d}.{part}.safetensors"


def _check_identity(directory: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for key, value in wanted.items():
        if found.get(key) != value:
            what = "text" if key == "corpus" else "model"
            raise UserError(
                f"The memory bank in {directory} is of another {what}: its {key} is {found.get(key)}, not {value}."
            )


def _write(path: Path, state: Mapping[str, Any]) -> None:
    partial = path.with_suffix(".tmp")
    partial.write_text(json.dumps(state, indent=1), encoding="utf-8")
    partial.replace(path)


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        numbers = all(isinstance(state[key], int) for key in ("documents", "chunks", "tokens"))
        if numbers and isinstance(state.get("files", {}), dict) and (path.name == PARTIAL or "files" in state):
            return state
    except (OSError, ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{path} is no readable index of a memory bank; remove it and encode again.")
