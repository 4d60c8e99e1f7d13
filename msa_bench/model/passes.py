"""The two passes of Memory Sparse Attention over the decoder (paper sections 3.2 and 3.3).

The document pass reads each document alone and keeps, per router layer, one mean key, value and routing key per chunk.
The query pass reads prompts and goes on token by token; in a router layer it first recalls documents, whose chunks then
stand between the template head and the prompt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.model.attention import continued_attention
from msa_bench.model.cache import LayerCache
from msa_bench.model.decoder import Decoder, DecoderLayer, causal
from msa_bench.model.pooling import chunk_means, part_places
from msa_bench.model.upload import upload


@dataclass(frozen=True, slots=True)
class Pooled:
    """What a router layer keeps of a batch of documents, document by document: `keys` and `values` `[chunks, kv_heads,
    head_dim]`, and `keys_per_chunk` times as many `routing_keys`."""

    keys: Tensor
    values: Tensor
    routing_keys: Tensor


@dataclass(frozen=True, slots=True)
class Context:
    """Columns a query may attend before its own tokens: `keys`, `values` `[batch, kv_heads, columns, head_dim]` and
    `visible` `[batch, columns]`."""

    keys: Tensor
    values: Tensor
    visible: Tensor


Recall = Callable[[DecoderLayer, Tensor], Context]
"""Routing of one layer: routing queries `[batch, heads, tokens, head_dim]` to the chunks of the chosen documents."""


class _DocumentPass:
    """Causal attention inside each right-padded document, pooling in router layers (an `Attend`)."""

    def __init__(self, decoder: Decoder, lengths: Tensor, width: int) -> None:
        msa = decoder.config.msa
        if msa is None:
            raise ValueError("a document pass needs a decoder with memory attention")
        self.pooled: dict[int, Pooled] = {}
        self.similarity = msa.similarity
        self.means = self.key_means = chunk_means(lengths, width, msa.chunk_tokens, decoder.device)
        if msa.keys_per_chunk > 1:
            finer = chunk_means(lengths, width, msa.key_tokens, decoder.device)
            places = upload(part_places(lengths, msa.key_tokens, msa.keys_per_chunk), decoder.device)
            self.key_means = lambda x: finer(x)[places]

    def __call__(self, layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if layer.self_attn.routes:
            self.keep(layer, normed, k, v)
        return causal(layer, normed, q, k, v)

    def keep(self, layer: DecoderLayer, normed: Tensor, k: Tensor, v: Tensor) -> None:
        """Pool what `layer` keeps. The routing key is linear in the input, so the mean is taken before the product."""
        attention = layer.self_attn
        keys, values = self.means(k), self.means(v)
        if attention.decoupled:
            routing_keys = attention.routing_key(self.key_means(normed[:, None])[None, :, 0], k)[0].transpose(0, 1)
        else:
            routing_keys = keys if self.key_means is self.means else self.key_means(k)
        if self.similarity == "cosine":
            routing_keys = F.normalize(routing_keys.float(), dim=-1).to(keys.dtype)
        self.pooled[layer.index] = Pooled(keys, values, routing_keys)


def document_pass(
    decoder: Decoder, input_ids: Tensor, lengths: Tensor, starts: Tensor | None = None, stop_early: bool = True
) -> dict[int, Pooled]:
    """What each router layer keeps of a batch of documents, by layer number (paper section 3.2, eq. 1-2).

    `input_ids` `[documents, width]` is padded on the right, `lengths` int64 `[documents]` on the CPU, each at least 1.
    Positions restart at 0 in every document; `starts` `[documents]` gives other first positions (the global RoPE
    ablation). With `stop_early` nothing above the last routing projection is computed.
    """
    width = input_ids.shape[1]
    attend = _DocumentPass(decoder, lengths, width)
    positions = torch.arange(width, device=decoder.device)[None]
    if starts is not None:
        positions = positions + upload(starts, decoder.device)[:, None]
    rope = decoder.rope(positions)
    hidden = decoder.model.embed_tokens(input_ids)
    last = max(decoder.config.msa.router_layers) if decoder.config.msa else 0
    for layer in decoder.layers:
        if stop_early and layer.index == last:
            normed, _, k, v = layer.before(hidden, rope)
            attend.keep(layer, normed, k, v)
            break
        hidden = layer(hidden, rope, attend)
    return attend.pooled


def template_pass(decoder: Decoder, input_ids: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
    """Keys and values `[kv_heads, tokens, head_dim]` of the template head in every layer; it is read alone."""
    kept: list[tuple[Tensor, Tensor]] = []

    def attend(layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        kept.append((k[0], v[0]))
        return causal(layer, normed, q, k, v)

    ids = torch.tensor([list(input_ids)], device=decoder.device)
    decoder.run(ids, torch.arange(ids.shape[1], device=decoder.device)[None], attend)
    return kept


class _QueryPass:
    """Attention of new tokens over everything cached before them, recalling first where asked (an `Attend`)."""

    def __init__(self, caches: Sequence[LayerCache], real: Tensor, recall: Recall | None) -> None:
        self.caches, self.real, self.recall = caches, real, recall
        self.unpadded = bool(real.all())
        tokens = real.shape[1]
        # A padding token attends itself, so that no softmax runs over nothing.
        self.own = torch.ones(tokens, tokens, dtype=torch.bool, device=real.device).tril() & (
            real[:, None, :] | torch.eye(tokens, dtype=torch.bool, device=real.device)
        )

    def __call__(self, layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        cache = self.caches[layer.index]
        if self.recall is not None and layer.self_attn.routes:
            context = self.recall(layer, layer.self_attn.routing_query(normed, q))
            cache.extend(context.keys, context.values, context.visible)
        before = cache.length
        cache.extend(k, v, self.real)
        if before == 0 and self.unpadded:
            # The fused kernel then skips the half above the diagonal, most of the work of a long prompt.
            return causal(layer, normed, q, k, v)
        keys, values, visible = cache.filled()
        tokens = q.shape[2]
        if self.unpadded and tokens > 1 and bool(visible.all()):
            return continued_attention(q, keys, values)
        mask = torch.cat((visible[:, None, :before].expand(-1, tokens, -1), self.own), dim=2)[:, None]
        if tokens > 1:
            return F.scaled_dot_product_attention(q, keys, values, mask, enable_gqa=q.shape[1] != k.shape[1])
        # One token: the heads that share keys take the place of tokens, so that their keys are read once.
        grouped = q.view(q.shape[0], k.shape[1], -1, q.shape[3])
        return F.scaled_dot_product_attention(grouped, keys, values, mask).view(q.shape)


def query_pass(
    decoder: Decoder,
    input_ids: Tensor,
    positions: Tensor,
    real: Tensor,
    caches: Sequence[LayerCache],
    recall: Recall | None = None,
) -> Tensor:
    """Hidden states `[batch, tokens, hidden]` of new tokens, which are added to `caches` (one per layer).

    `input_ids`, `positions` and `real` are `[batch, tokens]`; `real` is False for padding. With `recall` (a prefill),
    every router layer first asks it for the documents to attend (paper section 3.3, eq. 3-4).
    """
    return decoder.run(input_ids, positions, _QueryPass(caches, real, recall))
