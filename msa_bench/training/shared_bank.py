"""The training pass over a shared bank: documents once, then every sample routing among all of them (eq. 5 and section
3.4 of the paper).

Gradients reach the documents through the chunks a sample attends and through the routing keys. How many documents are
attended, and whether the gold ones are forced among them, is the curriculum's choice; the router's recall is always
measured on its own choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.memory.routing import join_heads, scaled_queries
from msa_bench.model.config import MSAConfig
from msa_bench.model.decoder import Decoder, DecoderLayer
from msa_bench.model.passes import chunk_counts, document_pass, template_pass
from msa_bench.training.batch import Batch, Samples
from msa_bench.training.losses import aux_loss

LOGITS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Attended:
    """Curriculum of one step: at most `documents` are attended per layer, with `forced` the gold ones among them."""

    documents: int
    forced: bool


@dataclass(frozen=True, slots=True)
class Bank:
    """Pooled chunks of all documents of a batch by layer, each `[chunks, kv_heads, head_dim]`, with the first chunk and
    the chunk count of every document."""

    keys: dict[int, Tensor]
    values: dict[int, Tensor]
    routing_keys: dict[int, Tensor]
    first: Tensor
    counts: Tensor
    document: Tensor
    most: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Losses of a batch and what was right: `written` and `recalled` are per sample, in batch order (`recalled` is the
    share of a sample's gold documents among the first k by score averaged over layers, unforced)."""

    lm_loss: Tensor
    aux_loss: Tensor
    written: Tensor
    recalled: Tensor
    recalled_by_layer: Tensor
    naming: Tensor
    kinds: tuple[str, ...]


def run_batch(decoder: Decoder, batch: Batch, head: list[int], attended: Attended) -> Outcome:
    """Losses and measurements of `batch`; `head` are the tokens of the template head."""
    msa = decoder.config.msa
    if msa is None:
        raise ValueError("training needs a decoder with memory attention")
    bank = _encode(decoder, batch, msa)
    template = template_pass(decoder, head)
    parts = [_run_samples(decoder, part, bank, template, len(head) + msa.top_k, attended) for part in batch.samples]
    targets = sum(len(part.target_rows) for part in batch.samples)
    share = torch.stack([part.naming.sum() for part in batch.samples]).float()
    return Outcome(
        lm_loss=torch.stack([part.lm_loss for part in parts]).sum() / targets,
        aux_loss=(torch.stack([part.aux_loss for part in parts]) * share).sum() / share.sum().clamp(min=1),
        written=torch.cat([part.written for part in parts]),
        recalled=torch.cat([part.recalled for part in parts]),
        recalled_by_layer=torch.cat([part.recalled_by_layer for part in parts], dim=1),
        naming=torch.cat([part.naming for part in parts]),
        kinds=tuple(kind for part in parts for kind in part.kinds),
    )


def _encode(decoder: Decoder, batch: Batch, msa: MSAConfig) -> Bank:
    pooled = [document_pass(decoder, part.ids, part.lengths) for part in batch.documents]
    counts = torch.cat([chunk_counts(part.lengths, msa.chunk_tokens) for part in batch.documents])
    first = counts.cumsum(0) - counts
    document = torch.repeat_interleave(torch.arange(len(counts)), counts)
    device = decoder.device
    return Bank(
        {layer: torch.cat([one[layer].keys for one in pooled]) for layer in msa.router_layers},
        {layer: torch.cat([one[layer].values for one in pooled]) for layer in msa.router_layers},
        {layer: torch.cat([one[layer].routing_keys for one in pooled]) for layer in msa.router_layers},
        first.to(device, non_blocking=True),
        counts.to(device, non_blocking=True),
        document.to(device, non_blocking=True),
        int(counts.max()),
    )


class _SamplePass:
    """Attention of samples over template head, selected chunks and themselves (an `Attend`)."""

    def __init__(
        self, samples: Samples, bank: Bank, template: list[tuple[Tensor, Tensor]], msa: MSAConfig, attended: Attended
    ) -> None:
        self.samples, self.bank, self.template, self.msa, self.attended = samples, bank, template, msa, attended
        width = samples.ids.shape[1]
        self.own = torch.ones(width, width, dtype=torch.bool, device=samples.ids.device).tril()
        self.aux: list[Tensor] = []
        self.total: Tensor | None = None
        self.hits: list[Tensor] = []

    def __call__(self, layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        rows, width = q.shape[0], q.shape[2]
        head_k, head_v = (part.expand(rows, -1, -1, -1) for part in self.template[layer.index])
        keys, values = [head_k], [head_v]
        masks = [self.own.new_ones(rows, width, head_k.shape[2])]
        if layer.self_attn.routes:
            chunk_k, chunk_v, visible = self._select(layer, normed, q)
            keys.append(chunk_k)
            values.append(chunk_v)
            masks.append(visible[:, None].expand(-1, width, -1))
        masks.append(self.own.expand(rows, -1, -1))
        group = q.shape[1] // k.shape[1]
        mask = torch.cat(masks, dim=2)
        # The mask's rows must be aligned in memory for the fused kernels: widen it to a multiple of 8 and cut a view.
        total = mask.shape[2]
        mask = F.pad(mask, (0, -total % 8))[:, None, :, :total]
        return F.scaled_dot_product_attention(
            q,
            torch.cat((*keys, k), dim=2).repeat_interleave(group, dim=1),
            torch.cat((*values, v), dim=2).repeat_interleave(group, dim=1),
            mask,
        )

    def _select(self, layer: DecoderLayer, normed: Tensor, q: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scores = self._scores(layer, normed, q)
        positives, bank = self.samples.positives, self.bank
        self.aux.append(aux_loss(self.msa.aux_loss_method, scores, positives, self.msa.aux_loss_temperature))
        free = scores.detach()
        self.total = free if self.total is None else self.total + free
        k = min(self.msa.top_k, free.shape[1])
        self.hits.append(_recall(free, positives, k))
        ranked = free.masked_fill(positives, float("inf")) if self.attended.forced else free
        chosen = ranked.topk(k, dim=1).indices
        wanted = torch.arange(k, device=chosen.device) < self.attended.documents
        if self.attended.forced:
            wanted = wanted | positives.gather(1, chosen)
        else:
            wanted = wanted.expand_as(chosen)
        offsets = torch.arange(bank.most, device=chosen.device)
        chunks = bank.first[chosen][:, :, None] + offsets
        visible = wanted[:, :, None] & (offsets < bank.counts[chosen][:, :, None])
        # Invisible places keep whatever chunk they fall on: sending them all to one would serialise its gradient.
        chunks = chunks.clamp(max=len(bank.document) - 1).flatten(1)
        keys, values = (_gather(part[layer.index], chunks) for part in (bank.keys, bank.values))
        return keys, values, visible.flatten(1)

    def _scores(self, layer: DecoderLayer, normed: Tensor, q: Tensor) -> Tensor:
        """Document scores `[samples, documents]` in float32: best chunk, best routing token, mean over heads."""
        keys, reach = self.bank.routing_keys[layer.index], self.samples.routes.shape[1]
        queries = scaled_queries(layer.self_attn.routing_query(normed[:, :reach], q[:, :, :reach]), self.msa)
        products = join_heads(queries, keys.shape[1]).float() @ keys.flatten(1).float().T
        per_chunk = products.masked_fill(~self.samples.routes[:, :, None], float("-inf")).amax(1)
        empty = per_chunk.new_full((per_chunk.shape[0], len(self.bank.first)), float("-inf"))
        return empty.scatter_reduce(1, self.bank.document.expand(len(per_chunk), -1), per_chunk, "amax")


def _run_samples(
    decoder: Decoder,
    samples: Samples,
    bank: Bank,
    template: list[tuple[Tensor, Tensor]],
    first_position: int,
    attended: Attended,
) -> Outcome:
    """The outcome of one bucket of samples; its `lm_loss` is a sum over targets, not yet a mean."""
    msa = decoder.config.msa
    if msa is None:
        raise ValueError("training needs a decoder with memory attention")
    attend = _SamplePass(samples, bank, template, msa, attended)
    positions = torch.arange(first_position, first_position + samples.ids.shape[1], device=decoder.device)[None]
    hidden = decoder.run(samples.ids, positions, attend)
    row, column = samples.target_rows, samples.target_columns
    labels = samples.ids[row, column]
    losses, right = [], []
    for start in range(0, len(row), LOGITS_AT_ONCE):
        part = slice(start, start + LOGITS_AT_ONCE)
        logits = decoder.logits(hidden[row[part], column[part] - 1]).float()
        losses.append(F.cross_entropy(logits, labels[part], reduction="sum"))
        right.append(logits.detach().argmax(1) == labels[part])
    wrong = torch.zeros(len(samples.ids), device=hidden.device).index_add(0, row, (~torch.cat(right)).float())
    total = attend.total if attend.total is not None else hidden.new_zeros(samples.positives.shape)
    return Outcome(
        lm_loss=torch.stack(losses).sum(),
        aux_loss=torch.stack(attend.aux).mean(),
        written=wrong == 0,
        recalled=_recall(total, samples.positives, min(msa.top_k, total.shape[1])),
        recalled_by_layer=torch.stack(attend.hits),
        naming=samples.naming,
        kinds=samples.kinds,
    )


def _gather(pooled: Tensor, chunks: Tensor) -> Tensor:
    """Rows of `pooled` `[chunks, kv_heads, head_dim]` as `[samples, kv_heads, columns, head_dim]`."""
    rows = pooled.index_select(0, chunks.flatten())
    return rows.view(*chunks.shape, *pooled.shape[1:]).transpose(1, 2)


def _recall(scores: Tensor, positives: Tensor, k: int) -> Tensor:
    """Share of each row's positives among its `k` best scores; 0 where a row has none."""
    found = positives.gather(1, scores.topk(k, dim=1).indices).sum(1)
    return found / positives.sum(1).clamp(min=1)


def compile_layers(compiled: Callable[..., Callable[..., object]] = torch.compile) -> None:
    """Compile the two halves of a decoder layer around its attention, for any number of tokens."""
    for half in ("before", "after"):
        setattr(DecoderLayer, half, compiled(getattr(DecoderLayer, half), dynamic=True))
