"""Sizes of models whose memory is measured without their weights: keys and queries are then random, which changes no
time and is said in every result."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from tokenizers import Tokenizer, models
from torch import Tensor

from msa_bench.errors import UserError, unknown
from msa_bench.memory.plan import available_bytes
from msa_bench.model.backbone import Backbone, resolve_device, resolve_dtype
from msa_bench.model.config import ModelConfig, MSAConfig, latter_half
from msa_bench.model.decoder import Decoder
from msa_bench.model.tokenizer import TextTokenizer

RANDOM = "keys and queries are random: no weights are used"
CHUNK_TOKENS = 64
AT_ONCE = 65_536


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a model; the latter half of its `layers` route. `family` is Hugging Face's `model_type`."""

    family: str
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden_size: int
    intermediate_size: int
    vocab_size: int

    @property
    def hugging_face(self) -> dict[str, Any]:
        """The sizes as a `config.json` has them."""
        return {
            "model_type": self.family,
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "intermediate_size": self.intermediate_size,
            "num_hidden_layers": self.layers,
            "num_attention_heads": self.heads,
            "num_key_value_heads": self.kv_heads,
            "head_dim": self.head_dim,
            "tie_word_embeddings": True,
        }

    def config(self, layers: int | None = None) -> ModelConfig:
        """The configuration, with the first `layers` of its router layers or all of them."""
        routed = latter_half(self.layers)
        msa = MSAConfig(router_layers=routed if layers is None else routed[:layers], chunk_tokens=CHUNK_TOKENS)
        sizes = ModelConfig.from_hugging_face(self.hugging_face)
        return replace(sizes, msa=msa)


SHAPES = {
    "smollm2-135m": Shape("llama", 30, 9, 3, 64, 576, 1536, 49_152),
    "qwen3-0.6b": Shape("qwen3", 28, 16, 8, 128, 1024, 3072, 151_936),
    "qwen3-4b": Shape("qwen3", 36, 32, 8, 128, 2560, 9728, 151_936),
    "qwen3-8b": Shape("qwen3", 36, 32, 8, 128, 4096, 12_288, 151_936),
}


def random_model(name: str, device: str, dtype: str) -> Backbone:
    """A memory model of the shape `name` with random weights, and without a tokenizer that knows anything."""
    shape, where = named_shape(name), resolve_device(device)
    kept = resolve_dtype(dtype, where)
    config = shape.config()
    # In the type it is used in from the start: in float32 a large model would need twice the memory.
    before = torch.get_default_dtype()
    torch.set_default_dtype(kept)
    try:
        with where:
            decoder = Decoder(config).eval().requires_grad_(False)
    finally:
        torch.set_default_dtype(before)
    blank = TextTokenizer(Tokenizer(models.BPE()), Tokenizer(models.BPE()), "", frozenset())
    return Backbone(name, Path(name), decoder, blank)


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
