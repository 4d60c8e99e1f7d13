"""Sizes of models whose memory is measured without their weights: keys and queries are then random, which changes no
time and is said in every result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.errors import UserError, unknown
from msa_bench.memory.plan import available_bytes
from msa_bench.model.config import ModelConfig, MSAConfig, latter_half

RANDOM = "keys and queries are random: no weights are used"
CHUNK_TOKENS = 64
AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Shape:
    """What a memory bank depends on of a model; the latter half of its `layers` route."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int

    def config(self, layers: int | None = None) -> ModelConfig:
        """A configuration with the memory's sizes and no others, of the first `layers` router layers or of all."""
        routed = latter_half(self.layers)
        msa = MSAConfig(router_layers=routed if layers is None else routed[:layers], chunk_tokens=CHUNK_TOKENS)
        sizes = ModelConfig.from_hugging_face(
            {
                "model_type": "qwen3",
                "vocab_size": 1,
                "hidden_size": self.heads * self.head_dim,
                "intermediate_size": 1,
                "num_hidden_layers": self.layers,
                "num_attention_heads": self.heads,
                "num_key_value_heads": self.kv_heads,
                "head_dim": self.head_dim,
            }
        )
        return replace(sizes, msa=msa)


SHAPES = {
    "smollm2-135m": Shape(30, 9, 3, 64),
    "qwen3-0.6b": Shape(28, 16, 8, 128),
    "qwen3-4b": Shape(36, 32, 8, 128),
    "qwen3-8b": Shape(36, 32, 8, 128),
}


def named_shape(name: str) -> Shape:
    """The shape `name`, or a `UserError` with the nearest names."""
    if name not in SHAPES:
        raise unknown("shape", name, SHAPES)
    return SHAPES[name]


def document_counts(length: int, generator: torch.Generator) -> Tensor:
    """Chunks of documents, one to three each, int64 on the CPU, that make `length` tokens together."""
    chunks = length // CHUNK_TOKENS
    if chunks < 1:
        raise UserError(f"--length {length} holds no chunk of {CHUNK_TOKENS} tokens; take at least 1M to see anything.")
    counts = torch.randint(1, 4, (chunks,), generator=generator)
    last = int((counts.cumsum(0) < chunks).sum())
    counts = counts[: last + 1]
    counts[last] -= int(counts.sum()) - chunks
    return counts


def random_keys(shape: Shape, chunks: int, device: torch.device, dtype: torch.dtype, seed: int) -> Iterator[Tensor]:
    """Routing keys of unit length per head, `[up to 65,536, kv_heads, head_dim]` at a time, `chunks` in all."""
    chance = torch.Generator(device).manual_seed(seed)
    for start in range(0, chunks, AT_ONCE):
        size = (min(AT_ONCE, chunks - start), shape.kv_heads, shape.head_dim)
        yield F.normalize(torch.randn(size, generator=chance, device=device), dim=-1).to(dtype)


def random_queries(
    shape: Shape, queries: int, tokens: int, device: torch.device, dtype: torch.dtype, seed: int
) -> Tensor:
    """Routing queries `[queries, heads, tokens, head_dim]`."""
    chance = torch.Generator(device).manual_seed(seed)
    return torch.randn(queries, shape.heads, tokens, shape.head_dim, generator=chance, device=device).to(dtype)


def check_room(needed: int, device: torch.device, what: str) -> None:
    """A `UserError` if `needed` bytes are not free on `device`."""
    free = available_bytes(device)
    if needed > free:
        raise UserError(
            f"{what} needs {needed / 1e9:.1f} GB on {device.type}, where {free / 1e9:.1f} GB are free; take a shorter "
            "--length."
        )
