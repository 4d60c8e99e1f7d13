"""Which documents 8-bit routing keys select, beside those that exact keys do."""

from __future__ import annotations

import torch
from torch import Tensor

from msa_bench.memory.bank import padded_chunks
from msa_bench.memory.keys import KeyKind, RoutingKeys, stored_keys
from msa_bench.memory.recall import SHORTLIST
from msa_bench.memory.routing import Routing
from msa_bench.memory.topk import Best, best

_AT_ONCE = 1 << 18


def in_kind(exact: Tensor, kind: KeyKind) -> RoutingKeys:
    """The keys `exact` `[chunks, kv_heads, head_dim]` as `kind` stores them, made a slice after the other."""
    if kind == "exact":
        return RoutingKeys(exact)
    parts = [stored_keys(part, kind) for part in exact.split(_AT_ONCE)]  # type: ignore[no-untyped-call]
    scales = [part.scales for part in parts if part.scales is not None]
    return RoutingKeys(torch.cat([part.values for part in parts]), torch.cat(scales))


def rescored(routing: Routing, queries: Tensor, scores: Tensor, exact: Tensor, k: int) -> Best:
    """The `k` best once a shortlist by `scores` `[batch, documents]` is scored again with the keys `exact`, as a bank
    does that holds them in a lower tier."""
    index, visible = padded_chunks(routing.spans.offsets.cpu(), best(scores, SHORTLIST * k).ids)
    index, visible = index.to(exact.device), visible.to(exact.device)
    return best(routing.rescored(queries, exact[index], index, visible), k)


def shared(found: Best, wanted: Best) -> tuple[int, int]:
    """How many of the documents `wanted`, row by row, are `found`; and how many are wanted."""
    pairs = list(zip(found.rows(), wanted.rows(), strict=True))
    same = sum(len(set(ours.tolist()) & set(theirs.tolist())) for ours, theirs in pairs)
    return same, sum(len(theirs) for _, theirs in pairs)


def share(found: Best, wanted: Best) -> float:
    """The share of the documents `wanted` that are `found`."""
    same, number = shared(found, wanted)
    return same / number
