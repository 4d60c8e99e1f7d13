"""Batched greedy decoding over cached keys and values; rows can leave the batch at any step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.generation.replay import Replay, borrow
from msa_bench.model.cache import LayerCache
from msa_bench.model.decoder import Decoder
from msa_bench.model.passes import Recall, query_pass
from msa_bench.switches import switched


class Session:
    """A batch of token sequences being extended. Rows have their own lengths; shorter ones are padded on the left.

    `head` are keys and values `[kv_heads, tokens, head_dim]` per layer that every row attends first (the template head
    of memory models); `first_position` is the position of each row's first own token.
    """

    def __init__(
        self,
        decoder: Decoder,
        rows: int,
        room: int,
        first_position: int = 0,
        head: Sequence[tuple[Tensor, Tensor]] | None = None,
    ) -> None:
        self.decoder = decoder
        self.rows = list(range(rows))
        self.room = room
        self.next_position = torch.full((rows,), first_position, dtype=torch.int64)
        config, like = decoder.config, decoder.model.embed_tokens.weight
        self.caches = [LayerCache(rows, config.kv_heads, config.head_dim, room, like) for _ in range(config.layers)]
        self._replay: Replay | None = None
        for cache, (keys, values) in zip(self.caches, head or (), strict=False):
            visible = torch.ones(rows, keys.shape[1], dtype=torch.bool, device=like.device)
            cache.extend(keys.expand(rows, -1, -1, -1), values.expand(rows, -1, -1, -1), visible)

    @torch.inference_mode()
    def feed(self, tokens: Sequence[Sequence[int]], recall: Recall | None = None) -> Tensor:
        """Append `tokens` to each row (at least one in every row); logits `[rows, vocabulary]` after the last, float32.

        With `recall` the router layers first fetch documents (a prefill).
        """
        width = max(len(row) for row in tokens)
        if width == 1 and recall is None and (replay := self._replayed()) is not None:
            return self._step(replay, [row[0] for row in tokens])
        given: list[Sequence[int]] = [()] * len(self.next_position)
        for row, own in zip(self.rows, tokens, strict=True):
            given[row] = own
        padded = torch.tensor([[0] * (width - len(row)) + list(row) for row in given])
        lengths = torch.tensor([len(row) for row in given])
        real = torch.arange(width) >= width - lengths[:, None]
        positions = self.next_position[:, None] + (real.cumsum(1) - 1).clamp(min=0)
        self.next_position = self.next_position + lengths
        device = self.decoder.device
        hidden = query_pass(self.decoder, padded.to(device), positions.to(device), real.to(device), self.caches, recall)
        return self._own(self.decoder.logits(hidden[:, -1]).float())

    @torch.inference_mode()
    def rewind(self, tokens: int) -> None:
        """Forget all but the first `tokens` own tokens of a session with a single row and no head."""
        self.next_position = torch.full_like(self.next_position, tokens)
        for cache in self.caches:
            cache.visible[:, tokens:] = False
            cache.length = tokens

    def keep(self, rows: Sequence[int]) -> None:
        """Let every row but `rows` leave the batch."""
        if len(rows) == len(self.rows):
            return
        if self._replay is not None:
            self.rows = [self.rows[row] for row in rows]
            return
        index = torch.tensor(list(rows), dtype=torch.int64)
        self.rows = list(range(len(rows)))
        self.next_position = self.next_position[index]
        for cache in self.caches:
            cache.keep(index.to(self.decoder.device))

    def _replayed(self) -> Replay | None:
        """What replays the next step, if anything can; the first time the caches move there."""
        if self._replay is None and worth_replaying(self.decoder.device):
            self._replay = borrow(self.decoder, self, self.caches, max(1, self.room - self.caches[0].length))
            if self._replay is not None:
                self.caches = self._replay.caches
                more = self._replay.rows - len(self.next_position)
                self.next_position = F.pad(self.next_position, (0, more))
        return self._replay if self._replay is not None and self._replay.holds(1) else None

    def _step(self, replay: Replay, tokens: Sequence[int]) -> Tensor:
        ids = torch.zeros_like(self.next_position)
        ids[self.rows] = torch.tensor(tokens)
        logits = replay.step(ids, self.next_position)
        self.next_position[self.rows] += 1
        return self._own(logits)

    def _own(self, logits: Tensor) -> Tensor:
        """The rows still in the batch."""
        return logits if len(self.rows) == len(logits) else logits[self.rows]


def worth_replaying(device: torch.device) -> bool:
    """Whether launching a step's kernels takes longer than running them; the variable MSA_BENCH_GRAPHS, 0 or 1, decides
    otherwise."""
    return switched("MSA_BENCH_GRAPHS", device.type == "cuda")
