"""Routing keys as they are stored: as the model made them, or in 8 bits with one scale per chunk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

KeyKind = Literal["exact", "fp8", "int8"]

_LARGEST = {torch.float8_e4m3fn: 448.0, torch.int8: 127.0}
DTYPES: dict[str, torch.dtype] = {"fp8": torch.float8_e4m3fn, "int8": torch.int8}


@dataclass(frozen=True, slots=True)
class RoutingKeys:
    """Keys `values` `[chunks, kv_heads, head_dim]`, times `scales` float32 `[chunks]` where they are of 8 bits."""

    values: Tensor
    scales: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def bytes(self) -> int:
        """Bytes of keys and scales."""
        return self.values.nbytes + (0 if self.scales is None else self.scales.nbytes)

    def __getitem__(self, part: slice) -> RoutingKeys:
        return RoutingKeys(self.values[part], None if self.scales is None else self.scales[part])

    def floats(self) -> Tensor:
        """The keys as float32 `[chunks, kv_heads, head_dim]`."""
        exact = self.values.float()
        return exact if self.scales is None else exact * self.scales[:, None, None]


def stored_keys(keys: Tensor, kind: KeyKind) -> RoutingKeys:
    """`keys` `[chunks, kv_heads, head_dim]` as `kind` stores them; fp8 is e4m3, and both have the chunk's largest
    number for their largest."""
    if kind == "exact":
        return RoutingKeys(keys)
    dtype = DTYPES[kind]
    exact = keys.float()
    scales = _scales(exact.abs().amax((1, 2)), dtype)
    return RoutingKeys(_rounded(exact / scales[:, None, None], dtype), scales)


def stored_content(content: Tensor, kind: KeyKind) -> RoutingKeys:
    """Keys and values `content` `[chunks, 2, kv_heads, head_dim]` as `kind` stores them, in 8 bits with `scales`
    `[chunks, 2, kv_heads]`."""
    if kind == "exact":
        return RoutingKeys(content)
    return RoutingKeys(*quantised(content, DTYPES[kind]))


def quantised(exact: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Vectors `[..., features]` in the 8-bit `dtype`, with the scale of each, float32 `[...]`."""
    exact = exact.float()
    scales = _scales(exact.abs().amax(-1), dtype)
    return _rounded(exact / scales[..., None], dtype), scales


def _scales(largest: Tensor, dtype: torch.dtype) -> Tensor:
    return largest.clamp(min=torch.finfo(torch.float32).tiny * _LARGEST[dtype]) / _LARGEST[dtype]


def _rounded(scaled: Tensor, dtype: torch.dtype) -> Tensor:
    # A quotient may round to a little above the largest number, which fp8 would turn into no number.
    within = scaled.clamp(-_LARGEST[dtype], _LARGEST[dtype])
    return (within.round() if dtype == torch.int8 else within).to(dtype)
