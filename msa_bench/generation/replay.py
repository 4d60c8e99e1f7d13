"""One decoding step with everything at fixed places, so that a GPU can replay it as one CUDA graph.

A step of one token a row is hundreds of small kernels, and launching them takes longer than running them. Here keys and
values lie in caches of a fixed size that outlive a batch, the columns a step writes are themselves a tensor, and a row
that has left the batch is computed along and ignored. Attention then runs over the whole capacity under a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from weakref import ReferenceType, WeakKeyDictionary, ref

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.model.cache import LayerCache
from msa_bench.model.decoder import Decoder, DecoderLayer

CAPACITY_STEP = 512
"""Capacities are multiples of it, so that few graphs serve all batches."""

KEPT_BYTES = 4 << 30
"""Most bytes of caches kept for steps to come, and of the caches of one step; past it kernels run longer than they take
to launch."""

_WARM_UPS = 3


class Replay:
    """A decoding step of `rows` rows over caches of `capacity` columns; captured where the decoder is on a GPU."""

    def __init__(self, decoder: Decoder, rows: int, capacity: int) -> None:
        self.decoder = decoder
        device, like, config = decoder.device, decoder.model.embed_tokens.weight, decoder.config
        self.rows, self.capacity = rows, capacity
        self.caches = [LayerCache(rows, config.kv_heads, config.head_dim, capacity, like) for _ in range(config.layers)]
        for cache in self.caches:  # a masked column must still be a number
            cache.keys.zero_()
            cache.values.zero_()
        self.ids = torch.zeros(rows, 1, dtype=torch.int64, device=device)
        self.positions = torch.zeros(rows, 1, dtype=torch.int64, device=device)
        self.columns = torch.zeros(config.layers, 1, dtype=torch.int64, device=device)
        self.logits = torch.zeros(0)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._owner: ReferenceType[object] | None = None
        if device.type == "cuda":
            self._capture()

    @property
    def free(self) -> bool:
        """Whether nobody uses the caches any more."""
        return self._owner is None or self._owner() is None

    @property
    def intact(self) -> bool:
        """Whether the caches are still those of the step; one that had to grow is not."""
        return all(cache.keys.shape[2] == self.capacity for cache in self.caches)

    def lend(self, owner: object, caches: Sequence[LayerCache]) -> None:
        """Let `owner` have the caches, which take over the columns of its own (of as many rows, or fewer)."""
        self._owner = ref(owner)
        for mine, theirs in zip(self.caches, caches, strict=True):
            keys, values, visible = theirs.filled()
            rows, end = len(keys), theirs.length
            mine.keys[:rows, :, :end], mine.values[:rows, :, :end] = keys, values
            mine.visible.zero_()
            mine.visible[:rows, :end] = visible
            mine.length = end

    def holds(self, more: int) -> bool:
        """Whether every cache has room for `more` columns."""
        return self.intact and all(cache.length + more <= self.capacity for cache in self.caches)

    def step(self, ids: Tensor, positions: Tensor) -> Tensor:
        """Append one token to every row, `ids` and `positions` `[rows]`; logits `[rows, vocabulary]` in float32, valid
        until the next step."""
        self.ids.copy_(ids[:, None], non_blocking=True)
        self.positions.copy_(positions[:, None], non_blocking=True)
        columns = torch.tensor([[cache.length] for cache in self.caches])
        self.columns.copy_(columns, non_blocking=True)
        if self._graph is None:
            self.logits = self._run()
        else:
            self._graph.replay()
        for cache in self.caches:
            cache.length += 1
        return self.logits

    def _run(self) -> Tensor:
        hidden = self.decoder.run(self.ids, self.positions, self._attend)
        return self.decoder.logits(hidden[:, -1]).float()

    def _attend(self, layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        cache, column = self.caches[layer.index], self.columns[layer.index]
        cache.keys.index_copy_(2, column, k)
        cache.values.index_copy_(2, column, v)
        cache.visible.index_fill_(1, column, True)
        # The heads that share keys take the place of tokens, so that their keys are read once.
        grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[3])
        mask = cache.visible[:, None, None]
        return F.scaled_dot_product_attention(grouped, cache.keys, cache.values, mask).view(q.shape)

    @torch.inference_mode()
    def _capture(self) -> None:
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                self._run()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
            self.logits = self._run()


_made: WeakKeyDictionary[Decoder, list[Replay]] = WeakKeyDictionary()


def borrow(decoder: Decoder, owner: object, caches: Sequence[LayerCache], more: int) -> Replay | None:
    """A step for `owner`, whose `caches` it takes over, with room for `more` columns; it is free again when `owner` is
    gone. Steps that were made before are used again, the longest unused make room for new ones. None where it would
    take more than `KEPT_BYTES`."""
    rows = _rows(len(caches[0].keys))
    needed = max(cache.length for cache in caches) + more
    capacity = -(-needed // CAPACITY_STEP) * CAPACITY_STEP
    size = _bytes(decoder, rows, capacity)
    if size > KEPT_BYTES:
        return None
    made = _made.setdefault(decoder, [])
    made[:] = [one for one in made if one.intact or not one.free]
    found = next((one for one in made if one.free and (one.rows, one.capacity) == (rows, capacity)), None)
    if found is None:
        for idle in [one for one in made if one.free]:
            if size + sum(_bytes(decoder, one.rows, one.capacity) for one in made) > KEPT_BYTES:
                made.remove(idle)
        found = Replay(decoder, rows, capacity)
    else:
        made.remove(found)
    made.append(found)
    found.lend(owner, caches)
    return found


def _bytes(decoder: Decoder, rows: int, capacity: int) -> int:
    config = decoder.config
    return 2 * rows * capacity * config.layers * config.kv_heads * config.head_dim * decoder.dtype.itemsize


def _rows(count: int) -> int:
    """The next power of two, so that a batch that is not full needs no graph of its own."""
    return 1 << (count - 1).bit_length()
