"""A memory model with other routing settings: the same weights behind other router layers or copied routers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from msa_bench.errors import UserError
from msa_bench.model.backbone import Backbone
from msa_bench.model.checkpoint import copy_routers
from msa_bench.model.config import MSAConfig
from msa_bench.model.decoder import Decoder


def rerouted(
    model: Backbone,
    settings: Mapping[str, Any],
    layers: tuple[int, ...] | None = None,
    untrained: bool = False,
) -> Backbone:
    """`model` with other `settings` (by their names in `MSAConfig`), sharing its weights.

    `layers` are those that route, of the ones with a router of their own. An `untrained` model routes by copies of each
    layer's query and key projections instead, which any layer can have. Raises a `UserError` for layers that cannot
    route and for a model whose attention routes itself, where there is no router to replace.
    """
    own = model.config.msa
    if own is None:
        raise ValueError("the memory model has no memory settings")
    if untrained and not own.decouple_router:
        raise UserError(
            f"--ablate routing=untrained has nothing to take away: {model.name} routes by the queries and keys of its "
            "attention."
        )
    wanted = own.router_layers if layers is None else layers
    possible = range(model.config.layers) if untrained else own.router_layers
    if lacking := [layer for layer in wanted if layer not in possible]:
        what = "has no such layer" if untrained or lacking[0] >= model.config.layers else "has no router there"
        raise UserError(
            f"--ablate router_layers names layer {lacking[0]}, but {model.name} {what}; its "
            f"{'layers' if untrained else 'router layers'} are {_spans(possible)}."
        )
    # A router that was never trained is that copy already.
    copied = untrained and (own.trained or wanted != own.router_layers)
    msa = replace(own, **settings, router_layers=wanted, trained=own.trained and not untrained)
    if wanted == own.router_layers and not copied:
        decoder = copy.copy(model.decoder)
        decoder.config = replace(decoder.config, msa=msa)
        return replace(model, decoder=decoder)
    made = replace(model, decoder=_rebuilt(model.decoder, msa, copied))
    return replace(made, router="untrained") if copied else made


def _rebuilt(decoder: Decoder, msa: MSAConfig, copied: bool) -> Decoder:
    config = replace(decoder.config, msa=msa)
    with torch.device("meta"):
        made = Decoder(config)
    state = dict(decoder.state_dict())
    if copied:
        copy_routers(state, config)
    made.load_state_dict({name: state[name] for name in made.state_dict()}, assign=True)
    if config.tie_word_embeddings:
        made.lm_head.weight = made.model.embed_tokens.weight
    return made.eval().requires_grad_(False)


def _spans(layers: range | tuple[int, ...]) -> str:
    first, last = layers[0], layers[-1]
    return f"{first} to {last}" if len(layers) == last - first + 1 else ", ".join(map(str, layers))
