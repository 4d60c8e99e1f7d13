"""Sizes and switches of a decoder and of its memory attention, read from a `config.json` in Hugging Face's layout."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from msa_bench.errors import UserError

Reduction = Literal["mean", "max"]
Similarity = Literal["cosine", "dot"]

FAMILIES = {"llama": "llama", "qwen3": "qwen3", "msa": "qwen3"}
"""`model_type` in config.json -> the decoder family that computes it (the released MSA models are Qwen3)."""


@dataclass(frozen=True, slots=True)
class MSAConfig:
    """Memory Sparse Attention settings (paper section 3; names of the released `msa_config` in `from_released`).

    `chunk_tokens` is P, the tokens pooled into one key and value; `top_k` the documents a query attends per layer.
    A chunk has `keys_per_chunk` routing keys, each the mean of an equal part of its tokens: one in the paper, more are
    ours. What is missing of a short chunk repeats its last part.
    `decouple_router` False means that the attention's own query and key route. `trained` False marks a router that is a
    copy of its layer's attention projections. `documents_read` is the `Limits.documents_read` it was trained for.
    """

    router_layers: tuple[int, ...]
    chunk_tokens: int = 64
    top_k: int = 16
    keys_per_chunk: int = 1
    similarity: Similarity = "cosine"
    head_reduce: Reduction = "mean"
    query_reduce: Reduction = "max"
    chunk_reduce: Reduction = "max"
    decouple_router: bool = True
    aux_loss_method: str = "INFONCE_DECOUPLE"
    aux_loss_temperature: float = 0.1
    trained: bool = True
    documents_read: int = 0

    @classmethod
    def from_released(cls, raw: Mapping[str, Any], layers: int) -> MSAConfig:
        """Settings of a checkpoint in the released format. Routing is cosine only where the auxiliary loss is
        `INFONCE`, as in the released inference; a `UserError` names a value that is not understood."""
        method = str(raw.get("aux_loss_method", "INFONCE_DECOUPLE"))
        pooling = str(raw.get("decouple_pooling_mode", "mean"))
        if pooling != "mean":
            raise UserError(f"msa_config.decouple_pooling_mode is {pooling!r}; only 'mean' pooling is known.")
        return cls(
            router_layers=_router_layers(raw.get("router_layer_idx", "all"), layers),
            chunk_tokens=_positive(raw, "pooling_kernel_size", 64),
            top_k=_positive(raw, "top_k_docs", 16),
            similarity="cosine" if method == "INFONCE" else "dot",
            head_reduce=_reduction(raw, "head_reduce_method", "mean"),
            query_reduce=_reduction(raw, "query_reduce_method", "max"),
            chunk_reduce=_reduction(raw, "chunk_reduce_method", "max"),
            decouple_router=bool(raw.get("decouple_router", True)),
            aux_loss_method=method,
            aux_loss_temperature=float(raw.get("infonce_loss_temp", 0.1)),
        )

    def __post_init__(self) -> None:
        if self.chunk_tokens % self.keys_per_chunk:
            raise UserError(
                f"Chunks of {self.chunk_tokens} tokens cannot have {self.keys_per_chunk} routing keys of equally many."
            )

    @property
    def key_tokens(self) -> int:
        """Tokens a routing key is the mean of."""
        return self.chunk_tokens // self.keys_per_chunk


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Sizes of a Llama or Qwen3 decoder. `window` is the context length in tokens the backbone was made for."""

    family: str
    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rms_norm_eps: float
    rope_theta: float
    window: int
    tie_word_embeddings: bool
    msa: MSAConfig | None = None

    @property
    def query_key_norm(self) -> bool:
        """Whether queries and keys are RMS-normalised per head before RoPE (Qwen3)."""
        return self.family == "qwen3"

    @classmethod
    def from_hugging_face(cls, raw: Mapping[str, Any]) -> ModelConfig:
        """The configuration in `raw`, a parsed config.json; a `UserError` for a family or feature not computed here."""
        kind = str(raw.get("model_type", "missing"))
        if kind not in FAMILIES:
            raise UserError(
                f"config.json says model_type {kind!r}; this package computes the families {', '.join(FAMILIES)}."
            )
        for switch in ("attention_bias", "mlp_bias"):
            if raw.get(switch):
                raise UserError(f"config.json sets {switch}, which the Llama and Qwen3 decoders here do not have.")
        rope = dict(raw.get("rope_parameters") or raw.get("rope_scaling") or {})
        if rope.get("rope_type", rope.get("type", "default")) != "default":
            raise UserError(f"config.json asks for RoPE scaling {rope}; only unscaled RoPE is computed here.")
        layers = _positive(raw, "num_hidden_layers")
        heads = _positive(raw, "num_attention_heads")
        hidden = _positive(raw, "hidden_size")
        msa = raw.get("msa_config")
        return cls(
            family=FAMILIES[kind],
            vocab_size=_positive(raw, "vocab_size"),
            hidden_size=hidden,
            intermediate_size=_positive(raw, "intermediate_size"),
            layers=layers,
            heads=heads,
            kv_heads=_positive(raw, "num_key_value_heads", heads),
            head_dim=_positive(raw, "head_dim", hidden // heads),
            rms_norm_eps=float(raw.get("rms_norm_eps", 1e-6)),
            rope_theta=float(raw.get("rope_theta") or rope.get("rope_theta") or 10_000.0),
            window=_positive(raw, "max_position_embeddings", 4096),
            tie_word_embeddings=bool(raw.get("tie_word_embeddings", False)),
            msa=MSAConfig.from_released(msa, layers) if msa else None,
        )


def latter_half(layers: int) -> tuple[int, ...]:
    """The layers the paper routes in: the second half of the decoder."""
    return tuple(range(layers // 2, layers))


def _router_layers(raw: object, layers: int) -> tuple[int, ...]:
    if isinstance(raw, str) and raw.strip() == "all":
        return tuple(range(layers))
    items = raw.split(",") if isinstance(raw, str) else raw if isinstance(raw, list | tuple) else None
    try:
        chosen = tuple(sorted({int(item) for item in items or ()}))
    except (TypeError, ValueError):
        chosen = ()
    if not chosen or chosen[0] < 0 or chosen[-1] >= layers:
        raise UserError(
            f"msa_config.router_layer_idx is {raw!r}; it must be 'all' or layer numbers from 0 to {layers - 1}."
        )
    return chosen


def _positive(raw: Mapping[str, Any], key: str, default: int | None = None) -> int:
    value = raw.get(key)
    if value is None:
        value = default
    if not isinstance(value, int) or value <= 0:
        raise UserError(f"config.json needs a positive whole number for {key}, not {value!r}.")
    return value


def _reduction(raw: Mapping[str, Any], key: str, default: Reduction) -> Reduction:
    value = raw.get(key, default)
    if value not in ("mean", "max"):
        raise UserError(f"msa_config.{key} is {value!r}; it must be 'mean' or 'max'.")
    return "mean" if value == "mean" else "max"
