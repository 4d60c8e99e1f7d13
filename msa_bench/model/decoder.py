"""One small decoder for the Llama and Qwen3 families, with the parameter names Hugging Face uses.

How tokens attend is not decided here: a pass hands every layer an `Attend`, called with the layer, its normalised input
and the projected heads. Plain causal attention is below; the document and query passes of Memory Sparse Attention are
in `msa_bench.model.passes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from msa_bench.model.attention import causal_attention
from msa_bench.model.config import ModelConfig

Rope = tuple[Tensor, Tensor]
"""Cosines and sines of the rotary embedding, each `[batch, 1, tokens, head_dim]`."""


class Attend(Protocol):
    """Attention of one layer. `normed` is `[batch, tokens, hidden]`, `q` `[batch, heads, tokens, head_dim]`, `k` and
    `v` `[batch, kv_heads, tokens, head_dim]`, after norm and RoPE; the result has the shape of `q`."""

    def __call__(self, layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor: ...


class RMSNorm(nn.Module):
    """Root mean square normalisation over the last dimension."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.weight.shape, self.weight, self.eps)


def rotate(x: Tensor, rope: Rope) -> Tensor:
    """`x` `[batch, heads, tokens, head_dim]` turned by the rotary embedding (the half-split form of Hugging Face)."""
    cos, sin = rope
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Attention(nn.Module):
    """Projections of grouped-query attention and, in a router layer, of the routing query and key."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.heads, config.kv_heads, config.head_dim
        wide, narrow = self.heads * self.head_dim, self.kv_heads * self.head_dim
        self.q_proj = nn.Linear(config.hidden_size, wide, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, narrow, bias=False)
        self.o_proj = nn.Linear(wide, config.hidden_size, bias=False)
        if config.query_key_norm:
            self.q_norm: RMSNorm | None = RMSNorm(self.head_dim, config.rms_norm_eps)
            self.k_norm: RMSNorm | None = RMSNorm(self.head_dim, config.rms_norm_eps)
        else:
            self.q_norm = self.k_norm = None
        self.routes = config.msa is not None and index in config.msa.router_layers
        self.decoupled = self.routes and config.msa is not None and config.msa.decouple_router
        if self.decoupled:
            self.router_q_proj = nn.ModuleList([nn.Linear(config.hidden_size, wide, bias=False)])
            self.router_k_proj = nn.ModuleList([nn.Linear(config.hidden_size, narrow, bias=False)])

    def project(self, normed: Tensor, rope: Rope) -> tuple[Tensor, Tensor, Tensor]:
        """Query, key and value heads of `normed` `[batch, tokens, hidden]`, query and key after norm and RoPE."""
        q, k = self._split(self.q_proj(normed)), self._split(self.k_proj(normed))
        if self.q_norm is not None and self.k_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        return rotate(q, rope), rotate(k, rope), self._split(self.v_proj(normed))

    def routing_query(self, normed: Tensor, q: Tensor) -> Tensor:
        """Routing queries `[batch, heads, tokens, head_dim]`: `W_QR h`, or `q` where the router is not decoupled."""
        return self._split(self.router_q_proj[0](normed)) if self.decoupled else q

    def routing_key(self, normed: Tensor, k: Tensor) -> Tensor:
        """Routing keys `[batch, kv_heads, tokens, head_dim]`: `W_KR h`, or `k` where the router is not decoupled."""
        return self._split(self.router_k_proj[0](normed)) if self.decoupled else k

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.head_dim).transpose(1, 2)


class MLP(nn.Module):
    """The gated feed-forward block (SwiGLU)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x)))


class DecoderLayer(nn.Module):
    """One pre-norm decoder layer; `index` is its place in the decoder, from 0."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.index = index
        self.self_attn = Attention(config, index)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, hidden: Tensor, rope: Rope, attend: Attend) -> Tensor:
        """`hidden` `[batch, tokens, hidden]` after this layer."""
        normed, q, k, v = self.before(hidden, rope)
        return self.after(hidden, attend(self, normed, q, k, v))

    def before(self, hidden: Tensor, rope: Rope) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The normalised input and its query, key and value heads: the layer up to its attention."""
        normed = self.input_layernorm(hidden)
        return normed, *self.self_attn.project(normed, rope)

    def after(self, hidden: Tensor, attended: Tensor) -> Tensor:
        """The layer from its attention on; `attended` `[batch, heads, tokens, head_dim]`."""
        hidden = hidden + self.self_attn.o_proj(attended.transpose(1, 2).flatten(2))
        return cast(Tensor, hidden + self.mlp(self.post_attention_layernorm(hidden)))


class Body(nn.Module):
    """Everything below the vocabulary projection; a module of its own for the parameter names only."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(DecoderLayer(config, index) for index in range(config.layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Decoder(nn.Module):
    """A Llama or Qwen3 language model, with routing projections where `config.msa` asks for them."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Body(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    @property
    def layers(self) -> Sequence[DecoderLayer]:
        """The decoder layers, lowest first."""
        return cast(Sequence[DecoderLayer], self.model.layers)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.model.embed_tokens.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights, and of the activations."""
        return self.model.embed_tokens.weight.dtype

    def rope(self, positions: Tensor) -> Rope:
        """Cosines and sines for `positions` `[batch, tokens]`, computed in float32 and cast to the model's type."""
        half = torch.arange(0, self.config.head_dim, 2, dtype=torch.float32, device=positions.device)
        # Written as Hugging Face does, so that the rounding is the same too.
        frequencies = 1.0 / self.config.rope_theta ** (half / self.config.head_dim)
        angles = positions[:, None, :, None].float() * frequencies
        angles = torch.cat((angles, angles), dim=-1)
        return angles.cos().to(self.dtype), angles.sin().to(self.dtype)

    def run(self, input_ids: Tensor, positions: Tensor, attend: Attend) -> Tensor:
        """Hidden states `[batch, tokens, hidden]` of `input_ids` `[batch, tokens]` before the final norm."""
        hidden = self.model.embed_tokens(input_ids)
        rope = self.rope(positions)
        for layer in self.layers:
            hidden = layer(hidden, rope, attend)
        return cast(Tensor, hidden)

    def logits(self, hidden: Tensor) -> Tensor:
        """Next-token scores `[..., vocabulary]` of hidden states before the final norm."""
        return cast(Tensor, self.lm_head(self.model.norm(hidden)))

    def forward(self, input_ids: Tensor) -> Tensor:
        """Logits `[batch, tokens, vocabulary]` of the plain decoder: causal attention, positions from 0."""
        positions = torch.arange(input_ids.shape[1], device=input_ids.device)[None]
        return self.logits(self.run(input_ids, positions, causal))


def causal(layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Plain causal attention over the tokens of the pass (an `Attend`)."""
    return causal_attention(q, k, v)
