"""Decoder layers with their small operations fused, for reading many tokens on a GPU, or training on them.

Norms, rotations and gates move far more memory than a small model's matrix products; compiled, they move it once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch

from msa_bench.model.decoder import Decoder, DecoderLayer

_HALVES = ("before", "after")


@contextmanager
def compiled_layers(decoder: Decoder, wanted: bool = True, any_shape: bool = True) -> Iterator[None]:
    """While it lasts, and if `wanted`, the two halves of every layer around its attention are compiled.

    Compiled once per process, for any number of documents and tokens, or with `any_shape` false for each number that
    occurs; it takes some tens of seconds.
    """
    if not wanted:
        yield
        return
    for layer in decoder.layers:
        for half in _HALVES:
            setattr(layer, half, partial(_compiled(half, any_shape), layer))
    try:
        yield
    finally:
        for layer in decoder.layers:
            for half in _HALVES:
                delattr(layer, half)


@cache
def _compiled(half: str, any_shape: bool) -> Callable[..., Any]:
    return torch.compile(getattr(DecoderLayer, half), dynamic=any_shape)
