"""The memory bank: per router layer, the pooled keys, values and routing keys of every chunk of every document.

Documents are numbered from 0 in the order they were added, chunks lie in document order, and `offsets` gives each
document's first chunk. The routing keys of a chunk, one or several, lie one after the other. Text is not kept: it is
fetched from the corpus by the same numbers. Routing keys lie where the model is, because every question reads all of
them. Content, the keys and values a query attends, may lie in host memory or in mapped files: only that of the selected
documents is fetched. How a bank is saved stands in `msa_bench.memory.files`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor

from msa_bench.memory.keys import KeyKind, RoutingKeys, stored_content, stored_keys
from msa_bench.memory.offload import Offload, Part
from msa_bench.memory.routing import Spans
from msa_bench.memory.tier import Tier, ranges
from msa_bench.memory.topk import Best, best
from msa_bench.model.config import ModelConfig
from msa_bench.model.passes import Context, Pooled
from msa_bench.model.upload import upload

PADDED_COLUMNS = 8192
"""Columns up to which a selection on a GPU is padded to its longest possible, so that nobody waits for its length."""

ContentPlace = Literal["device", "host"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where and how a bank is kept: routing `keys` on the model's device, exact or in 8 bits, and `content` on it or in
    host memory, exact or in 8 bits with a scale for each head of a chunk (`content_as`). With `rescore`, 8-bit keys
    only choose a shortlist, which is scored again with exact keys kept beside the content."""

    keys: KeyKind = "exact"
    content: ContentPlace = "device"
    rescore: bool = True
    content_as: KeyKind = "exact"

    @property
    def keeps_exact(self) -> bool:
        """Whether exact keys are kept beside 8-bit ones."""
        return self.keys != "exact" and self.rescore

    @property
    def is_exact(self) -> bool:
        """Whether nothing of the bank is lost to 8 bits."""
        return (self.keys == "exact" or self.rescore) and self.content_as == "exact"


class MemoryBank:
    """Chunks of documents, ready to be routed to. Room for `chunks` is taken at the start, more as it is needed."""

    def __init__(
        self,
        config: ModelConfig,
        device: torch.device,
        dtype: torch.dtype,
        chunks: int = 0,
        placement: Placement | None = None,
    ) -> None:
        if config.msa is None:
            raise ValueError("a memory bank needs a model with memory attention")
        self.config, self.msa, self.device, self.dtype = config, config.msa, device, dtype
        self.placement = placement or Placement()
        self.content_device = torch.device("cpu") if self.placement.content == "host" else device
        heads, room = (config.kv_heads, config.head_dim), max(chunks, 1024)
        key_room = room * self.msa.keys_per_chunk
        empty = stored_keys(torch.empty(0, *heads, dtype=dtype), self.placement.keys)
        self._keys = {layer: Tier.empty(key_room, heads, empty.values.dtype, device) for layer in self.layers}
        part = stored_content(torch.empty(0, 2, *heads, dtype=dtype), self.placement.content_as)
        self._content = self._per_layer(room, (2, *heads), part.values.dtype, self.content_device)
        sizes = {} if part.scales is None else self._per_layer(room, (2, heads[0]), torch.float32, self.content_device)
        self._content_scales = sizes
        self._scales = {} if empty.scales is None else self._per_layer(key_room, (), torch.float32, device)
        self._exact = self._per_layer(key_room, heads, dtype, self.content_device) if self.placement.keeps_exact else {}
        self._offsets = Tier(torch.zeros(1024, dtype=torch.int64), rows=1)
        self._offload = Offload()
        self.tokens = 0
        self.first_document = 0

    @property
    def totals(self) -> tuple[int, int, int]:
        """Documents, tokens and bytes of the whole bank, wherever its parts are."""
        return self.documents, self.tokens, self.bytes

    @property
    def layers(self) -> tuple[int, ...]:
        """The router layers."""
        return self.msa.router_layers

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

    @cached_property
    def spans(self) -> Spans:
        """Whose the chunks are, on the bank's device."""
        return Spans.of(self.offsets, self.device)

    @cached_property
    def key_spans(self) -> Spans:
        """Whose the routing keys are, on the bank's device."""
        each = self.msa.keys_per_chunk
        return self.spans if each == 1 else Spans.of(self.offsets * each, self.device)

    @property
    def bytes(self) -> int:
        """Bytes in use by keys, values and routing keys, wherever they lie."""
        return sum(tier.used().nbytes for tier in (*self._key_tiers(), *self._content_tiers()))

    def reserve(self, counts: Tensor, tokens: int) -> int:
        """Take room for documents of `counts` chunks each (int64 `[documents]`), `tokens` in all; their first chunk."""
        first, known = self.chunks, self.documents
        self._offsets.grow(known + 1 + len(counts))
        self._offsets.storage[known + 1 : known + 1 + len(counts)] = first + counts.cumsum(0)
        for tier in self._content_tiers():
            tier.grow(self.chunks)
        for tier in self._key_tiers():
            tier.grow(self.chunks * self.msa.keys_per_chunk)
        self.tokens += tokens
        for name in ("spans", "key_spans"):
            self.__dict__.pop(name, None)
        return first

    def write(self, rows: Tensor, pooled: Mapping[int, Pooled]) -> None:
        """Put `pooled` chunks, by layer, at `rows` (int64 `[chunks]`, on the CPU). Host memory is written once the GPU
        has made them; `finish` waits for that."""
        chunks_at = rows, upload(rows, self.device)
        finer = keys_of(rows, self.msa.keys_per_chunk)
        keys_at = chunks_at if finer is rows else (finer, upload(finer, self.device))
        below: list[Part] = []

        def lay(tier: Tier, at: tuple[Tensor, Tensor], values: Tensor) -> None:
            if self.content_device == self.device:
                tier.storage[at[1]] = values.to(self.device)
            else:
                below.append((tier, at[0], values))

        for layer, kept in pooled.items():
            keys = stored_keys(kept.routing_keys.to(self.device, self.dtype), self.placement.keys)
            self._keys[layer].storage[keys_at[1]] = keys.values
            if keys.scales is not None:
                self._scales[layer].storage[keys_at[1]] = keys.scales
            exact = torch.stack((kept.keys, kept.values), dim=1).to(self.dtype)
            content = stored_content(exact, self.placement.content_as)
            lay(self._content[layer], chunks_at, content.values)
            if content.scales is not None:
                lay(self._content_scales[layer], chunks_at, content.scales)
            if self._exact:
                lay(self._exact[layer], keys_at, kept.routing_keys.to(self.dtype))
        if below:
            self._offload.push(below)

    def adopt(self, counts: Tensor, tokens: int, layers: Mapping[int, Sequence[Tensor]]) -> bool:
        """Let an empty bank hold the given content `[chunks, 2, kv_heads, head_dim]` and exact keys of each layer where
        they lie, as far as the bank would keep the same on the CPU; False if it would not."""
        if self.device.type != "cpu" or self.placement != Placement():
            return False
        self._content = {layer: Tier(content) for layer, (content, _) in layers.items()}
        self._keys = {layer: Tier(keys) for layer, (_, keys) in layers.items()}
        self.reserve(counts, tokens)
        return True

    def finish(self) -> None:
        """Wait until everything written is where it belongs."""
        self._offload.finish()

    def routing_keys(self, layer: int) -> Tensor:
        """Routing keys of a layer as exactly as they are kept, `[keys, kv_heads, head_dim]`."""
        if layer in self._exact:
            return self._exact[layer].used()
        return self._keys[layer].used() if self.placement.keys == "exact" else self.stored_keys(layer).floats()

    def stored_keys(self, layer: int) -> RoutingKeys:
        """Routing keys of a layer as they are kept for routing."""
        scales = self._scales[layer].used() if layer in self._scales else None
        return RoutingKeys(self._keys[layer].used(), scales)

    def pooled(self, layer: int) -> Pooled:
        """Everything held of a layer."""
        content = self._exactly(
            self._content[layer].used(), self._content_scales[layer].used() if self._content_scales else None
        )
        return Pooled(content[:, 0], content[:, 1], self.routing_keys(layer))

    def best(self, scores: Tensor, k: int) -> Best:
        """The at most `k` best documents of each row of `scores` `[batch, documents]`."""
        return best(scores, k)

    def fetch(self, layer: int, ids: Tensor) -> Context:
        """All chunks of the documents `ids` int64 `[batch, k]` (-1 for none), in ascending document order in each row.

        A row that selected nothing sees nothing. Rows are padded to the longest.
        """
        index, visible = self.chunks_of(ids, ordered=True)
        content = self.content(layer, index)
        return Context(content[:, :, 0].transpose(1, 2), content[:, :, 1].transpose(1, 2), visible)

    def content(self, layer: int, index: Tensor) -> Tensor:
        """Keys and values `[batch, columns, 2, kv_heads, head_dim]` of the chunks `index`, which lies where the
        content does; they come on the bank's device and in its type."""
        scales = gathered(self._content_scales[layer].storage, index, self.device) if self._content_scales else None
        return self._exactly(gathered(self._content[layer].storage, index, self.device), scales)

    def exact_keys(self, layer: int, index: Tensor) -> Tensor:
        """Exact routing keys `[batch, columns, kv_heads, head_dim]`, on the bank's device, of the numbers `index`."""
        return gathered(self._exact[layer].storage, index, self.device)

    def chunks_of(self, ids: Tensor, ordered: bool = False) -> tuple[Tensor, Tensor]:
        """Chunks of the documents `ids` int64 `[batch, k]` (-1 for none): their numbers int64 `[batch, columns]`, where
        the content is, and which of them count, bool on the bank's device. With `ordered` documents ascend."""
        ids = ids.sort(dim=1).values if ordered else ids
        if ids.is_cuda and self.content_device == self.device and ids.shape[1] * self.spans.most <= PADDED_COLUMNS:
            starts, ends = self.spans.offsets[ids.clamp(min=0)], self.spans.offsets[ids.clamp(min=0) + 1]
            chunk = starts[:, :, None] + torch.arange(self.spans.most, device=ids.device)
            visible = ((chunk < ends[:, :, None]) & (ids >= 0)[:, :, None]).flatten(1)
            return chunk.flatten(1) * visible, visible
        index, visible = padded_chunks(self.offsets, ids)
        return upload(index, self.content_device), upload(visible, self.device)

    def identity(self, model_sha256: str) -> dict[str, Any]:
        """What a saved bank must agree in to be this model's."""
        return {
            "model_sha256": model_sha256,
            "chunk_tokens": self.msa.chunk_tokens,
            "router_layers": list(self.layers),
            "similarity": self.msa.similarity,
            "dtype": str(self.dtype).removeprefix("torch."),
            # Left out where there is one, so that older banks are still good.
        } | ({"keys_per_chunk": self.msa.keys_per_chunk} if self.msa.keys_per_chunk > 1 else {})

    def _exactly(self, values: Tensor, scales: Tensor | None) -> Tensor:
        return values if scales is None else (values.float() * scales[..., None]).to(self.dtype)

    def _per_layer(
        self, room: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
    ) -> dict[int, Tier]:
        return {layer: Tier.empty(room, shape, dtype, device) for layer in self.layers}

    def _key_tiers(self) -> list[Tier]:
        return [*self._keys.values(), *self._scales.values(), *self._exact.values()]

    def _content_tiers(self) -> list[Tier]:
        return [*self._content.values(), *self._content_scales.values()]


def keys_of(chunks: Tensor, each: int) -> Tensor:
    """Numbers of the `each` routing keys of every one of `chunks` int64 `[..., columns]`, chunk by chunk."""
    if each == 1:
        return chunks
    return (chunks[..., None] * each + torch.arange(each, device=chunks.device)).flatten(-2)


def padded_chunks(offsets: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Chunks of the documents `ids` int64 `[batch, k]` (-1 for none) that begin at `offsets`, one document after the
    other: their numbers and which of them count, `[batch, columns]`, on the CPU."""
    chosen = [row[row >= 0] for row in ids.cpu()]
    rows = [ranges(offsets[row], offsets[row + 1] - offsets[row]) for row in chosen]
    index = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
    return index, torch.arange(index.shape[1]) < torch.tensor([len(row) for row in rows])[:, None]


def gathered(storage: Tensor, index: Tensor, device: torch.device) -> Tensor:
    """Rows `index` `[batch, columns]` of `storage`, which may lie in host memory, on `device`."""
    return upload(storage[index], device)


def bytes_per_chunk(config: ModelConfig, dtype: torch.dtype, placement: Placement | None = None) -> tuple[int, int]:
    """Bytes one chunk takes over all router layers: as routing keys, and as content with what is kept beside it."""
    where = placement or Placement()
    layers = len(config.msa.router_layers) if config.msa else 0
    each = config.msa.keys_per_chunk if config.msa else 1
    numbers = layers * config.kv_heads * config.head_dim
    keys = each * (numbers * dtype.itemsize if where.keys == "exact" else numbers + 4 * layers)
    scales = 0 if where.content_as == "exact" else 4 * layers * config.kv_heads
    content = 2 * (numbers * (dtype.itemsize if where.content_as == "exact" else 1) + scales)
    return keys, content + (each * numbers * dtype.itemsize if where.keeps_exact else 0)
