"""Auxiliary losses that teach the router: document scores and which documents are right, to one number.

Every loss takes `scores` `[queries, documents]`, minus infinity where a query has no such document, and `positives`
bool of the same shape, and is averaged over the positives of a query, then over the queries that have one. The names in
`METHODS` are those of the released configuration (`aux_loss_method`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.errors import unknown
from msa_bench.model.config import Similarity

FOCUS = 2.0
"""Exponent of the focal weight of `info_nce` (Lin et al. 2017, gamma)."""

METHODS: Mapping[str, Similarity] = {
    "INFONCE": "cosine",
    "INFONCE_FOCAL": "cosine",
    "INFONCE_DECOUPLE": "cosine",
    "INFONCE_DECOUPLE_FOCAL": "cosine",
    "BCE": "dot",
}
"""Every `aux_loss_method` with the similarity its scores are made of in training."""

IGNORED = -100
"""Label of a token that is not predicted."""

_LOWEST = torch.finfo(torch.float32).min / 4
"""Stands for minus infinity where a gradient has to pass, as for a query whose documents are all positive."""

BCE_BIAS = -20.0
"""What the learned bias of `bce` starts from in the released code."""


def training_similarity(method: str) -> Similarity:
    """The similarity in training under `method`; a `UserError` with the nearest names if there is no such loss."""
    if method not in METHODS:
        raise unknown("auxiliary loss", method, METHODS)
    return METHODS[method]


def aux_loss(
    method: str, scores: Tensor, positives: Tensor, temperature: float | Tensor, bias: float | Tensor | None = None
) -> Tensor:
    """The auxiliary loss named `method`; `temperature` divides the scores, `bias` is added to them in `BCE` only."""
    training_similarity(method)
    if method == "BCE":
        return bce(scores, positives, BCE_BIAS if bias is None else bias)
    loss = decoupled_info_nce if "DECOUPLE" in method else info_nce
    return loss(scores, positives, temperature, focal=method.endswith("FOCAL"))


def decoupled_info_nce(scores: Tensor, positives: Tensor, temperature: float | Tensor, focal: bool = False) -> Tensor:
    """Paper eq. 5: `-log(e^{s+/tau} / (e^{s+/tau} + sum over negatives of e^{s-/tau}))`; positives do not compete.

    With `focal` each positive is weighted by `(1 - p) ** (number of positives of its query)`. No paper gives that
    exponent: it is what the released code computes, observed for one and for two positives.
    """
    scaled = _scaled(scores, temperature)
    negatives = scaled.masked_fill(positives, _LOWEST).logsumexp(1, keepdim=True)
    surprise = F.softplus(negatives - scaled)
    exponent = positives.sum(1, keepdim=True) if focal else None
    return _mean_over_positives(surprise, positives, exponent)


def info_nce(scores: Tensor, positives: Tensor, temperature: float | Tensor, focal: bool = False) -> Tensor:
    """`-log softmax(s / tau)` of each positive among all documents, so that positives compete (van den Oord et al.
    2018); with `focal` weighted by `(1 - p) ** FOCUS`."""
    scaled = _scaled(scores, temperature)
    surprise = scaled.logsumexp(1, keepdim=True) - scaled
    exponent = torch.full_like(scaled[:, :1], FOCUS) if focal else None
    return _mean_over_positives(surprise, positives, exponent)


def bce(scores: Tensor, positives: Tensor, bias: float | Tensor) -> Tensor:
    """Binary cross-entropy of `sigmoid(s + bias)` over every document a query has, averaged per query first. Scores are
    dot products; no temperature takes part."""
    present = scores > float("-inf")
    logits = scores.float().masked_fill(~present, 0.0) + bias
    each = F.binary_cross_entropy_with_logits(logits, positives.float(), reduction="none")
    return ((each * present).sum(1) / present.sum(1).clamp(min=1)).mean()


def next_token_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of `logits` `[rows, tokens, vocabulary]` against the labels `[rows, tokens]` of the tokens one
    further on, over those that are not `IGNORED`; 0 where there is none."""
    predicted = labels[:, 1:] != IGNORED
    return F.cross_entropy(logits[:, :-1][predicted].float(), labels[:, 1:][predicted], reduction="sum") / (
        predicted.sum().clamp(min=1)
    )


def _scaled(scores: Tensor, temperature: float | Tensor) -> Tensor:
    return (scores.float() / temperature).clamp(min=_LOWEST)


def _mean_over_positives(surprise: Tensor, positives: Tensor, exponent: Tensor | None) -> Tensor:
    """Mean of `surprise` = `-log p`, weighted by `(1 - p) ** exponent`, over positives and then over queries."""
    if exponent is not None:
        surprise = (1 - torch.exp(-surprise)) ** exponent * surprise
    counts = positives.sum(1)
    each = surprise.masked_fill(~positives, 0.0).sum(1) / counts.clamp(min=1)
    return each.sum() / (counts > 0).sum().clamp(min=1)
