"""The training forward, losses and gradients of a golden case.

Documents that begin with the same chunk are tied for routing, and rounding decides which of them the released code
attends. Its routing keys are pooled by a float32 cumulative sum, so here, and only here, ours are too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from msa_bench.model.checkpoint import loss_scalars
from msa_bench.model.config import Similarity
from msa_bench.model.decoder import Decoder
from msa_bench.parity.case import Case, Computed, load_case_decoder, recorded_layers
from msa_bench.training.forward import PackedBatch, PackedForward, packed_forward
from msa_bench.training.losses import BCE_BIAS, METHODS, aux_loss, next_token_loss, training_similarity

TIE = 1e-6
"""Scores closer than this are tied: a difference that rounding alone can make."""

FAMILIES: Mapping[Similarity, str] = {"cosine": "infonce_family", "dot": "bce"}
"""Similarity in training -> the name the golden file gives to everything computed with it."""


def train(case: Case) -> Computed | None:
    """The tensors of `train.safetensors`, whose `in.*` are inputs; None where the case does not train."""
    given, meta = case.tensors("train.safetensors"), case.meta.get("train")
    if given is None or meta is None or "in.input_ids" not in given:
        return None
    names = ("input_ids", "doc_ids", "position_ids", "attention_mask", "labels")
    batch = PackedBatch(*(given[f"in.{name}"] for name in names))
    computed = Computed(
        notes=["hidden states and logits of right padding are meaningless and not compared"],
        skipped={name for name in given if name.startswith("in.")},
    )
    for similarity in FAMILIES:
        _add_family(case, batch, meta, similarity, computed)
    return computed


def cumulative_means(tokens: Tensor, sizes: Sequence[int]) -> Tensor:
    """Means of pieces by a float32 cumulative sum, as the released code takes them (a `Pool`)."""
    lengths = torch.tensor(list(sizes))
    ends = lengths.cumsum(0)
    total = torch.cat((torch.zeros_like(tokens[:1]), tokens.cumsum(0)))
    means: Tensor = (total[ends] - total[ends - lengths]) / lengths[:, None, None]
    return means


def _add_family(
    case: Case, batch: PackedBatch, meta: dict[str, Any], similarity: Similarity, computed: Computed
) -> None:
    family = FAMILIES[similarity]
    decoder = load_case_decoder(case.directory).requires_grad_(True)
    with recorded_layers(decoder) as layers:
        forward = packed_forward(decoder, batch, similarity, pool_routing_keys=cumulative_means)
    values = {f"{family}.layer{layer}.hidden_out": hidden for layer, hidden in layers.items()}
    values[f"{family}.logits"] = forward.logits
    computed.compared |= dict.fromkeys(values, batch.real.bool())
    values |= {f"{family}.layer{layer}.doc_scores": scores for layer, scores in forward.scores.items()}
    for layer, scores in forward.scores.items():
        computed.notes += [
            f"{family}, layer {layer}, row {row}: documents tie at rank {case.msa.top_k} and rounding chooses, "
            "which another processor may do differently"
            for row in _tied(scores.detach(), case.msa.top_k)
        ]
    bias = torch.tensor(loss_scalars(case.model.directory).get("b", BCE_BIAS), requires_grad=True)
    for method in METHODS:
        if training_similarity(method) == similarity:
            losses = _losses(case, decoder, forward, batch, meta, method, bias)
            values |= {f"{method}.{name}": value for name, value in losses.items()}
            if method == case.msa.aux_loss_method:
                values |= _gradients(decoder, losses["loss"], method, bias)
    computed.tensors |= {name: value.detach() for name, value in values.items()}


def _tied(scores: Tensor, k: int) -> list[int]:
    """Rows of `scores` `[rows, documents]` in which the last document chosen and the first one not are tied."""
    if k >= scores.shape[1]:
        return []
    best = scores.sort(dim=1, descending=True).values
    tied: list[int] = (best[:, k - 1] - best[:, k] < TIE).nonzero()[:, 0].tolist()
    return tied


def _losses(
    case: Case,
    decoder: Decoder,
    forward: PackedForward,
    batch: PackedBatch,
    meta: dict[str, Any],
    method: str,
    bias: Tensor,
) -> dict[str, Tensor]:
    """The released objective: `lm + answer + aux`, weighted. The auxiliary loss is the mean over the router layers of
    the upper half, whatever the router list says."""
    msa = case.released_config["msa_config"]
    temperature = loss_scalars(case.model.directory).get("temperature", case.msa.aux_loss_temperature)
    upper = [scores for layer, scores in forward.scores.items() if layer >= decoder.config.layers // 2]
    positives = torch.zeros(forward.logits.shape[0], max(map(len, meta["batch_aux_labels"])), dtype=torch.bool)
    for row, labels in enumerate(meta["batch_aux_labels"]):
        positives[row, : len(labels)] = torch.tensor(labels) > 0
    each = [aux_loss(method, scores[:, 1:], positives, temperature, bias) for scores in upper]
    answers = torch.tensor(meta["train_qa_samples"]).bool()
    losses = {
        "lm_loss": next_token_loss(forward.logits, batch.labels),
        "answer_loss": next_token_loss(forward.logits[answers], batch.labels[answers]),
        "aux_loss": torch.stack(each).mean() if each else forward.logits.new_zeros(()),
    }
    total = (
        float(msa.get("lmloss_weigth", 1.0)) * losses["lm_loss"]
        + float(msa.get("ansloss_weight", 1.0)) * losses["answer_loss"]
        + float(msa.get("auxloss_weight", 0.1)) * losses["aux_loss"]
    )
    if float(msa.get("recloss_weight", 0.0)) == 0.0:
        # A term of weight 0 is not computed by the released code either; with any other weight it is left out here.
        losses["reconstruction_loss"] = torch.zeros(())
    return losses | {"loss": total}


def _gradients(decoder: Decoder, loss: Tensor, method: str, bias: Tensor) -> dict[str, Tensor]:
    """Of every parameter; where the loss does not depend on one, zeros."""
    parameters = dict(decoder.named_parameters()) | ({"b": bias} if method == "BCE" else {})
    found = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True, allow_unused=True)
    return {
        f"{method}.grad.{name}": torch.zeros_like(parameter) if gradient is None else gradient
        for (name, parameter), gradient in zip(parameters.items(), found, strict=True)
    }
