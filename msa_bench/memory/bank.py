"""The memory bank: per router layer, the pooled keys, values and routing keys of every chunk of every document.

Documents are numbered from 0 in the order they were added, chunks lie in document order, and `offsets` gives each
document's first chunk. Text is not kept: it is fetched from the corpus by the same numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.model.config import ModelConfig
from msa_bench.model.passes import Context, Pooled
from msa_bench.storage import sha256

FORMAT = 1
_DTYPES = ("bfloat16", "float16", "float32")
_PARTS = ("keys", "values", "routing_keys")


@dataclass
class _Tier:
    """A tensor that grows along its first dimension; `rows` of it are in use."""

    storage: Tensor
    rows: int = 0

    def used(self) -> Tensor:
        return self.storage[: self.rows]

    def grow(self, rows: int) -> None:
        if rows > len(self.storage):
            bigger = self.storage.new_empty(max(rows, len(self.storage) * 3 // 2), *self.storage.shape[1:])
            bigger[: self.rows] = self.used()
            self.storage = bigger
        self.rows = rows


class MemoryBank:
    """Chunks of documents, ready to be routed to. Room for `chunks` is taken at the start, more as it is needed."""

    def __init__(self, config: ModelConfig, device: torch.device, dtype: torch.dtype, chunks: int = 0) -> None:
        if config.msa is None:
            raise ValueError("a memory bank needs a model with memory attention")
        self.config, self.msa, self.device, self.dtype = config, config.msa, device, dtype
        shape = (max(chunks, 1024), config.kv_heads, config.head_dim)
        self._tiers = {
            (layer, part): _Tier(torch.empty(shape, device=device, dtype=dtype))
            for layer in config.msa.router_layers
            for part in _PARTS
        }
        self._offsets = _Tier(torch.zeros(1024, dtype=torch.int64), rows=1)
        self.tokens = 0

    @property
    def documents(self) -> int:
        """Documents held."""
        return self._offsets.rows - 1

    @property
    def chunks(self) -> int:
        """Chunks held, per router layer."""
        return int(self._offsets.storage[self.documents])

    @property
    def offsets(self) -> Tensor:
        """First chunk of each document and the number of chunks: int64 `[documents + 1]` on the CPU."""
        return self._offsets.used()

    @property
    def bytes(self) -> int:
        """Bytes in use by keys, values and routing keys."""
        return self.chunks * bytes_per_chunk(self.config, self.dtype)

    def reserve(self, counts: Tensor, tokens: int) -> int:
        """Take room for documents of `counts` chunks each (int64 `[documents]`), `tokens` in all; their first chunk."""
        first, known = self.chunks, self.documents
        self._offsets.grow(known + 1 + len(counts))
        self._offsets.storage[known + 1 : known + 1 + len(counts)] = first + counts.cumsum(0)
        for tier in self._tiers.values():
            tier.grow(self.chunks)
        self.tokens += tokens
        return first

    def write(self, rows: Tensor, pooled: Mapping[int, Pooled]) -> None:
        """Put `pooled` chunks, by layer, at `rows` (int64 `[chunks]`, on the bank's device)."""
        for layer, kept in pooled.items():
            for part in _PARTS:
                self._tiers[layer, part].storage[rows] = getattr(kept, part).to(self.device, self.dtype)

    def routing_keys(self, layer: int) -> Tensor:
        """Routing keys of a layer, `[chunks, kv_heads, head_dim]`."""
        return self._tiers[layer, "routing_keys"].used()

    def pooled(self, layer: int) -> Pooled:
        """Everything held of a layer."""
        return Pooled(*(self._tiers[layer, part].used() for part in _PARTS))

    def fetch(self, layer: int, selection: list[Tensor]) -> Context:
        """All chunks of the selected documents of each row, in ascending document order, padded to the longest row.

        `selection` holds the document ids of each row. A row that selected nothing sees nothing.
        """
        starts, ends = self.offsets[:-1], self.offsets[1:]
        rows = []
        for ids in selection:
            ordered = ids.cpu().sort().values
            spans = [torch.arange(int(starts[i]), int(ends[i])) for i in ordered]
            rows.append(torch.cat(spans) if spans else torch.empty(0, dtype=torch.int64))
        index = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(self.device)
        lengths = torch.tensor([len(row) for row in rows], device=self.device)
        visible = torch.arange(index.shape[1], device=self.device) < lengths[:, None]
        keys = self._tiers[layer, "keys"].storage[index].transpose(1, 2)
        values = self._tiers[layer, "values"].storage[index].transpose(1, 2)
        return Context(keys, values, visible)

    def save(self, directory: Path, model_sha256: str) -> None:
        """Write the bank as one safetensors file per router layer and an `index.json`, which is written last."""
        directory.mkdir(parents=True, exist_ok=True)
        files: dict[str, str] = {}
        shared = {"offsets": self.offsets.contiguous()}
        for name, tensors in [("offsets.safetensors", shared), *self._by_file()]:
            save_file(tensors, directory / name)
            files[name] = sha256(directory / name)
        index = self._identity(model_sha256) | {"documents": self.documents, "tokens": self.tokens, "files": files}
        partial = directory / "index.json.partial"
        partial.write_text(json.dumps(index, indent=1), encoding="utf-8")
        partial.replace(directory / "index.json")

    @classmethod
    def load(cls, directory: Path, config: ModelConfig, model_sha256: str, device: torch.device) -> MemoryBank:
        """The bank saved in `directory`; a `UserError` if it is incomplete, altered, or of another model."""
        index = _read_index(directory)
        bank = cls(config, device, getattr(torch, index["dtype"]))
        for key, value in bank._identity(model_sha256).items():
            if index.get(key) != value:
                raise UserError(
                    f"The memory bank in {directory} is of another model: its {key} is {index.get(key)}, not {value}."
                )
        for name in ("offsets.safetensors", *map(_layer_file, bank.msa.router_layers)):
            if name not in index["files"] or not (directory / name).is_file():
                raise UserError(f"The memory bank in {directory} lacks its file {name}; encode it again.")
            if sha256(directory / name) != index["files"][name]:
                raise UserError(f"{directory / name} was altered after the bank was saved; encode it again.")
        offsets = load_file(directory / "offsets.safetensors")["offsets"]
        bank.reserve(offsets.diff(), int(index["tokens"]))
        for layer in bank.msa.router_layers:
            for part, tensor in load_file(directory / _layer_file(layer)).items():
                bank._tiers[layer, part].used().copy_(tensor)
        return bank

    def _by_file(self) -> list[tuple[str, dict[str, Tensor]]]:
        return [
            (_layer_file(layer), {part: self._tiers[layer, part].used().cpu().contiguous() for part in _PARTS})
            for layer in self.msa.router_layers
        ]

    def _identity(self, model_sha256: str) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "model_sha256": model_sha256,
            "chunk_tokens": self.msa.chunk_tokens,
            "router_layers": list(self.msa.router_layers),
            "similarity": self.msa.similarity,
            "dtype": str(self.dtype).removeprefix("torch."),
        }


def bytes_per_chunk(config: ModelConfig, dtype: torch.dtype) -> int:
    """Bytes one chunk takes over all router layers: key, value and routing key."""
    layers = len(config.msa.router_layers) if config.msa else 0
    return layers * len(_PARTS) * config.kv_heads * config.head_dim * dtype.itemsize


def _layer_file(layer: int) -> str:
    return f"layer-{layer:02d}.safetensors"


def _read_index(directory: Path) -> dict[str, Any]:
    path = directory / "index.json"
    if not path.is_file():
        raise UserError(f"{directory} holds no finished memory bank: it has no index.json.")
    try:
        index: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        readable = isinstance(index["files"], dict) and isinstance(index["tokens"], int) and index["dtype"] in _DTYPES
    except (OSError, ValueError, KeyError, TypeError):
        readable = False
    if not readable:
        raise UserError(f"{path} is no readable index of a memory bank; encode it again.")
    return index
