"""The switches of `msa`: what each takes away, which section of the paper it tests, and what cannot go together.

    msa-bench run --task niah --length 128K --ablate routing=random --ablate top_k=4

Everything is checked before a model is loaded, but for what only the model can say (which layers have a router).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from msa_bench.errors import UserError

RoutingBy = Literal["own", "untrained", "random", "oracle"]

HELP: Mapping[str, str] = {
    "interleave": "off: takes away the later rounds, one retrieval and then the answer (on; sections 3.5, 4.4)",
    "original_text": "off: takes away the text of the documents that are named, which are only attended "
    "(on; sections 3.5, 4.4)",
    "rope": "global: takes away positions of a document's own, documents are numbered on from each other as in one "
    "long text (document; section 3.3)",
    "routing": "untrained: takes away the trained router, which becomes a copy of each layer's query and key "
    "projections; random: takes away routing, documents are drawn by the seed; oracle: takes away the router's "
    "mistakes, the gold documents are always routed, an upper bound and no result (own; section 3.3, eq. 3, 5)",
    "similarity": "dot: takes away the angle, routing by scaled dot product; cosine: by angle "
    "(the model's own; section 3.3, eq. 3)",
    "ids": "free: takes away the constraint to documents that were routed to, any id can be written "
    "(constrained; ours, not in the paper)",
    "top_k": "documents attended per layer and round; fewer take away breadth (the model's own, 16 in the paper; "
    "section 3.3)",
    "chunk": "tokens pooled into one key and value; more take away detail (the model's own, 64 in the paper; "
    "section 3.2, eq. 1-2)",
    "routing_keys": "routing keys of a chunk, each of an equal part of its tokens; more show the router "
    "finer detail and fewer take it away, what is attended stays the same (1; ours, not in the paper)",
    "router_layers": "layers that route, such as 15-29 or 15,20,25; fewer take away memory from the others "
    "(the model's own, the latter half in the paper; section 3.2)",
    "rounds": "most retrieval rounds before the answer is asked for; fewer take away hops (6; section 3.5)",
    "read": "fewest documents whose text a round appends, those named and then the best routed to; 0 takes away all "
    "that are not named (the model's own; ours, not in the paper)",
    "documents": "most documents whose text a round appends; fewer take away text (8; section 3.5)",
    "looks": "how often a question looks again before it is believed that the memory does not hold the answer; "
    "0 takes that away (1; ours, not in the paper)",
}
"""Every switch with its values, what they take away, and in brackets the default and where the paper has it."""

_ENCODED = ("chunk", "rope", "router_layers", "routing_keys", "similarity")
"""Switches that change what is encoded; of `routing` only the untrained router does."""

_BOUNDS = {
    "rounds": ("rounds", 1),
    "read": ("documents_read", 0),
    "documents": ("documents_per_round", 1),
    "looks": ("second_looks", 0),
}
"""Switches that set a field of `Limits`, and the least each may be."""

NOTES: Mapping[str, str] = {
    "random": "ABLATION routing=random: documents are drawn by the seed, not routed to by the model",
    "oracle": "ABLATION routing=oracle: the gold documents of every question are always routed; an upper bound, "
    "not a result of the method",
}
"""What every output of a run says whose routing is not a model's."""


@dataclass(frozen=True, slots=True)
class Ablations:
    """The settings that switches ask for. `msa` are those of `MSAConfig`, `bounds` those of `Limits`, by their names
    there; `router_layers` is None for the model's own."""

    interleave: bool = True
    original_text: bool = True
    global_rope: bool = False
    constrained: bool = True
    routing: RoutingBy = "own"
    router_layers: tuple[int, ...] | None = None
    msa: Mapping[str, Any] = field(default_factory=dict)
    bounds: Mapping[str, int] = field(default_factory=dict)


def parse(chosen: Mapping[str, str]) -> Ablations:
    """The settings of switches written as KEY=VALUE; a `UserError` for a value that is not known, and for switches
    that make no sense together."""
    settings: dict[str, Any] = {}
    if "similarity" in chosen:
        settings["similarity"] = _choice(chosen, "similarity", "cosine", "dot")
    for key, name in (("top_k", "top_k"), ("chunk", "chunk_tokens"), ("routing_keys", "keys_per_chunk")):
        if key in chosen:
            settings[name] = _whole(key, chosen[key])
    found = Ablations(
        interleave=_choice(chosen, "interleave", "on", "off") == "on",
        original_text=_choice(chosen, "original_text", "on", "off") == "on",
        global_rope=_choice(chosen, "rope", "document", "global") == "global",
        constrained=_choice(chosen, "ids", "constrained", "free") == "constrained",
        routing=cast(RoutingBy, _choice(chosen, "routing", "own", "untrained", "random", "oracle")),
        router_layers=_layers(chosen["router_layers"]) if "router_layers" in chosen else None,
        msa=settings,
        bounds={name: _whole(key, chosen[key], least) for key, (name, least) in _BOUNDS.items() if key in chosen},
    )
    _refuse_nonsense(chosen, found)
    return found


def encoding(chosen: Mapping[str, str]) -> str:
    """What of the switches changes the memory bank: equal texts share one. A `UserError` as from `parse`."""
    parse(chosen)
    keys = [key for key in _ENCODED if key in chosen] + ["routing"] * (chosen.get("routing") == "untrained")
    return ",".join(f"{key}={chosen[key]}" for key in keys)


def _refuse_nonsense(chosen: Mapping[str, str], found: Ablations) -> None:
    if not found.interleave and "rounds" in chosen:
        raise UserError(
            f"--ablate interleave=off leaves a single round, so rounds={chosen['rounds']} means nothing; "
            "drop one of them."
        )
    if found.routing in ("random", "oracle") and "similarity" in chosen:
        by = "the seed" if found.routing == "random" else "the gold documents"
        raise UserError(
            f"--ablate routing={found.routing} has {by} decide what is routed to, so similarity={chosen['similarity']} "
            "would test nothing; drop one of them."
        )


def _choice(ablations: Mapping[str, str], key: str, default: str, *others: str) -> str:
    value = ablations.get(key, default)
    if value not in (default, *others):
        known = [default, *others]
        raise UserError(f"--ablate {key}={value} is not known; {key} is {', '.join(known[:-1])} or {known[-1]}.")
    return value


def _whole(key: str, value: str, first: int = 1) -> int:
    if not value.isdecimal() or int(value) < first:
        raise UserError(f"--ablate {key}={value} is not known; {key} takes a whole number from {first}.")
    return int(value)


def _layers(value: str) -> tuple[int, ...]:
    layers: set[int] = set()
    for part in value.split(","):
        match = re.fullmatch(r"\s*(\d{1,4})(?:-(\d{1,4}))?\s*", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise UserError(
                f"--ablate router_layers={value} is not known; router_layers takes layers from 0, such as 15-29 or "
                "15,20,25."
            )
        layers.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(layers))
