"""Keys and values of one layer while a batch of questions is being read and answered."""

from __future__ import annotations

import torch
from torch import Tensor


class LayerCache:
    """Growing keys and values of a layer, `[batch, kv_heads, capacity, head_dim]`; `length` columns are filled.

    Rows of a batch are aligned by columns, so a row may hold columns it must not attend (padding of a shorter prompt,
    or of a shorter selection of documents); `visible` `[batch, capacity]` says which it may.
    """

    def __init__(self, batch: int, kv_heads: int, head_dim: int, capacity: int, like: Tensor) -> None:
        self.keys = like.new_empty(batch, kv_heads, capacity, head_dim)
        self.values = like.new_empty(batch, kv_heads, capacity, head_dim)
        self.visible = torch.zeros(batch, capacity, dtype=torch.bool, device=like.device)
        self.length = 0

    def extend(self, keys: Tensor, values: Tensor, visible: Tensor) -> None:
        """Append columns: `keys` and `values` `[batch, kv_heads, new, head_dim]`, `visible` `[batch, new]`."""
        end = self.length + keys.shape[2]
        if end > self.keys.shape[2]:
            self._grow(max(end, 2 * self.keys.shape[2]))
        self.keys[:, :, self.length : end] = keys
        self.values[:, :, self.length : end] = values
        self.visible[:, self.length : end] = visible
        self.length = end

    def filled(self) -> tuple[Tensor, Tensor, Tensor]:
        """Views of the filled columns: keys, values and what is visible of them."""
        end = self.length
        return self.keys[:, :, :end], self.values[:, :, :end], self.visible[:, :end]

    def keep(self, rows: Tensor) -> None:
        """Keep only `rows` (int64 `[kept]`) of the batch."""
        self.keys, self.values, self.visible = self.keys[rows], self.values[rows], self.visible[rows]

    def _grow(self, capacity: int) -> None:
        extra = capacity - self.keys.shape[2]
        self.keys = torch.cat((self.keys, self.keys.new_empty(*self.keys.shape[:2], extra, self.keys.shape[3])), dim=2)
        self.values = torch.cat((self.values, torch.empty_like(self.keys[:, :, -extra:])), dim=2)
        self.visible = torch.cat((self.visible, self.visible.new_zeros(self.visible.shape[0], extra)), dim=1)
