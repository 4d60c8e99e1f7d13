"""The training pass over a shared bank: documents once, and every sample routing among all of them (eq. 5 and section
3.4 of the paper).

All tokens of a batch, documents and samples, go through a layer together and without padding; only attention lays them
out in rows. Gradients reach the documents through the chunks a sample attends and through the routing keys. How many
documents are attended, and whether the gold ones are forced among them, is the curriculum's choice; the router's recall
is always measured on its own choice. All shapes are those of the plan, so that a GPU can replay the whole pass.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.memory.routing import join_heads, scaled_queries
from msa_bench.model.config import MSAConfig
from msa_bench.model.decoder import Decoder, DecoderLayer, causal
from msa_bench.training.batch import Batch
from msa_bench.training.layout import Chunks, Layout, split
from msa_bench.training.losses import aux_loss
from msa_bench.training.remembered import Remembered

LOGITS_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Attended:
    """Curriculum of one step: sample i attends at most `documents[i]` documents per layer, with the gold ones among
    them where `forced[i]`. Both `[samples]`."""

    documents: Tensor
    forced: Tensor


@dataclass(frozen=True, slots=True)
class Outcome:
    """Losses of a batch and what was right. `written` (no learned token wrong) and `recalled` (the share of its gold
    documents among the first k by score averaged over layers, unforced) are per sample, `recalled_by_layer`
    `[router layers, samples]`; `naming` are the samples that name documents."""

    lm_loss: Tensor
    aux_loss: Tensor
    written: Tensor
    recalled: Tensor
    recalled_by_layer: Tensor
    naming: Tensor


def run_batch(
    decoder: Decoder, batch: Batch, head_tokens: int, attended: Attended, remembered: Remembered | None = None
) -> Outcome:
    """Losses and measurements of `batch`, whose first `head_tokens` tokens are the template head. The auxiliary loss
    also tells its samples from the keys in `remembered`, and those of the batch are then added."""
    msa = decoder.config.msa
    if msa is None:
        raise ValueError("training needs a decoder with memory attention")
    attend = _SharedBankPass(batch, head_tokens, msa, attended, remembered)
    hidden = decoder.run(batch.ids[None], batch.positions[None], attend)[0]
    losses, right = [], []
    for start in range(0, len(batch.target), LOGITS_AT_ONCE):
        part = slice(start, start + LOGITS_AT_ONCE)
        logits = decoder.logits(hidden[batch.target[part]]).float()
        losses.append((F.cross_entropy(logits, batch.label[part], reduction="none") * batch.learned[part]).sum())
        right.append(logits.detach().argmax(1) == batch.label[part])
    wrong = (~torch.cat(right) & batch.learned).float()
    scores = torch.stack(attend.scores)
    return Outcome(
        lm_loss=torch.stack(losses).sum() / batch.learned.sum(),
        aux_loss=torch.stack(attend.aux).mean(),
        written=wrong.new_zeros(len(batch.gold)).index_add(0, batch.target_sample, wrong) == 0,
        recalled=_recall(scores.sum(0), attend.positives, msa.top_k),
        recalled_by_layer=torch.stack([_recall(layer, attend.positives, msa.top_k) for layer in scores]),
        naming=attend.positives.any(1),
    )


class _SharedBankPass:
    """Attention of a batch: the template head and each document by itself; a sample over the template head, the chunks
    of the documents it is routed to, and itself (an `Attend`). `scores` are those of every router layer, detached."""

    def __init__(
        self, batch: Batch, head_tokens: int, msa: MSAConfig, attended: Attended, remembered: Remembered | None
    ) -> None:
        self.head_tokens, self.msa, self.attended, self.remembered = head_tokens, msa, attended, remembered
        self.layout = Layout.of(batch)
        self.chunks = Chunks(batch.document_lengths, batch.plan.bank, msa.chunk_tokens)
        self.keys = Chunks(batch.document_lengths, batch.plan.bank, msa.key_tokens)
        self.routes = list(split(batch.routes, batch.plan.samples))
        self.own = [torch.ones(width, width, dtype=torch.bool, device=batch.ids.device).tril()
                    for _, width in batch.plan.samples]  # fmt: skip
        self.positives, ahead = (_among(rows, len(batch.document_lengths)) for rows in (batch.gold, batch.ahead))
        self.relevant = self.positives | ahead
        self.scores: list[Tensor] = []
        self.aux: list[Tensor] = []

    def __call__(self, layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        head_q, head_k, head_v = (part[:, :, : self.head_tokens] for part in (q, k, v))
        documents = [list(self.layout.documents.rows(part[0])) for part in (q, k, v)]
        samples = [list(self.layout.samples.rows(part[0])) for part in (q, k, v)]
        rows = [causal(layer, normed, *own) for own in zip(*documents, strict=True)]
        contexts: list[list[Tensor]] = [[] for _ in self.own]
        if layer.self_attn.routes:
            chosen, wanted = self._route(layer, normed, q, k)
            keys, values = (self.chunks.of(chosen, self.chunks.means(part)) for part in documents[1:])
            visible = (self.chunks.true(chosen) & wanted[:, :, None]).flatten(1)
            sizes = [len(own) for own in samples[0]]
            contexts = [
                list(parts) for parts in zip(*(torch.split(x, sizes) for x in (keys, values, visible)), strict=True)
            ]
        for place, own in enumerate(zip(*samples, strict=True)):
            rows.append(self._attend(self.own[place], (head_k, head_v), contexts[place], *own))
        head = causal(layer, normed, head_q, head_k, head_v)[0].transpose(0, 1).flatten(1)
        flat = torch.cat((head, self.layout.flat(rows)[self.head_tokens :]))
        attended: Tensor = flat.view(1, -1, q.shape[1], q.shape[3]).transpose(1, 2)
        return attended

    def _attend(
        self, past: Tensor, head: tuple[Tensor, Tensor], context: list[Tensor], q: Tensor, k: Tensor, v: Tensor
    ) -> Tensor:
        """Attention of samples `[rows, heads, width, size]` over head, `context` (keys, values, visible) and `past`."""
        count, heads, width, _ = q.shape
        keys, values = (part.expand(count, -1, -1, -1) for part in head)
        mask = past.new_ones(count, width, self.head_tokens)
        if context:
            keys, values = torch.cat((keys, context[0]), dim=2), torch.cat((values, context[1]), dim=2)
            mask = torch.cat((mask, context[2][:, None].expand(-1, width, -1)), dim=2)
        mask = torch.cat((mask, past.expand(count, -1, -1)), dim=2)
        # The rows of a mask must be aligned in memory for the fused kernels: widen it to 8 columns and cut a view.
        columns = mask.shape[2]
        mask = F.pad(mask, (0, -columns % 8))[:, None, :, :columns]
        group = heads // k.shape[1]
        return F.scaled_dot_product_attention(
            q,
            torch.cat((keys, k), dim=2).repeat_interleave(group, dim=1),
            torch.cat((values, v), dim=2).repeat_interleave(group, dim=1),
            mask,
        )

    def _route(self, layer: DecoderLayer, normed: Tensor, q: Tensor, k: Tensor) -> tuple[Tensor, Tensor]:
        """The k documents of every sample, `[samples, k]`, and which of them the curriculum lets it attend."""
        attention = layer.self_attn
        means = self.keys.means(self.layout.documents.rows(attention.routing_key(normed, k)[0]))
        keys = torch.cat([part.flatten(0, 1) for part in means])
        if self.msa.similarity == "cosine":
            keys = F.normalize(keys.float(), dim=-1).to(keys.dtype)
        queries = [
            join_heads(scaled_queries(own, self.msa), keys.shape[1])
            for own in self.layout.samples.rows(attention.routing_query(normed, q)[0])
        ]
        flat = keys.flatten(1)
        scores = torch.cat([self._scores(own, routes, flat) for own, routes in zip(queries, self.routes, strict=True)])
        self.aux.append(self._aux_loss(scores, queries, flat.detach()))
        free = scores.detach()
        self.scores.append(free)
        forced = self.positives & self.attended.forced[:, None]
        chosen = free.masked_fill(forced, float("inf")).topk(min(self.msa.top_k, free.shape[1]), dim=1).indices
        rank = torch.arange(chosen.shape[1], device=chosen.device)
        return chosen, (rank < self.attended.documents[:, None]) | forced.gather(1, chosen)

    def _scores(self, queries: Tensor, routes: Tensor, keys: Tensor) -> Tensor:
        """Document scores `[rows, documents]` in float32: best routing key, best routing token, mean over heads."""
        products = queries.float() @ keys.float().T
        return self.keys.best(products.masked_fill(~routes[:, :, None], float("-inf")).amax(1))

    def _aux_loss(self, scores: Tensor, queries: list[Tensor], keys: Tensor) -> Tensor:
        """The auxiliary loss of a router layer, over the documents of the batch and the remembered keys. What a later
        step names and the question tells of already is not to be told from what this one names."""
        positives = self.relevant
        if self.remembered is not None:
            layer = len(self.aux)
            more = torch.cat([
                self.remembered.scores(layer, own, routes) for own, routes in zip(queries, self.routes, strict=True)
            ])  # fmt: skip
            self.remembered.add(layer, keys, torch.cat([real.flatten() for real in self.keys.real]))
            scores = torch.cat((scores, more), dim=1)
            positives = torch.cat((positives, torch.zeros_like(more, dtype=torch.bool)), dim=1)
        return aux_loss(self.msa.aux_loss_method, scores, positives, self.msa.aux_loss_temperature)


def _among(rows: Tensor, count: int) -> Tensor:
    """Which of `count` documents are in each of `rows` `[samples, most]`, -1 for none: `[samples, count]`."""
    found = torch.zeros(len(rows), count, dtype=torch.int32, device=rows.device)
    return found.scatter_add(1, rows.clamp(min=0), (rows >= 0).int()) > 0


def _recall(scores: Tensor, positives: Tensor, k: int) -> Tensor:
    """Share of each row's positives among its `k` best scores; 0 where a row has none."""
    found = positives.gather(1, scores.topk(min(k, scores.shape[1]), dim=1).indices).sum(1)
    return found / positives.sum(1).clamp(min=1)
