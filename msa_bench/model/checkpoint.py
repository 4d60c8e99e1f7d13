"""Weights from a directory in Hugging Face's layout into our decoder, with every mismatch named."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.model.config import ModelConfig, MSAConfig, latter_half
from msa_bench.model.decoder import Decoder

LOSS_SCALARS = ("temperature", "b")
"""Scalars of the auxiliary loss that released checkpoints carry beside their weights:
its temperature, the bias of BCE."""


def read_config(directory: Path) -> ModelConfig:
    """The configuration of the checkpoint in `directory`; a `UserError` if there is none or it cannot be computed."""
    path = directory / "config.json"
    if not path.is_file():
        raise UserError(f"{directory} is no checkpoint: it has no config.json.")
    try:
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as JSON ({error}).") from error
    return ModelConfig.from_hugging_face(raw)


def load_decoder(
    directory: Path, device: torch.device, dtype: torch.dtype, memory: bool, msa: MSAConfig | None = None
) -> Decoder:
    """The decoder of a checkpoint. With `memory` it routes: by the checkpoint's own router, or, for a plain backbone,
    by copies of each router layer's query and key projections, with the settings `msa`, or those of the paper and
    `config.msa.trained` False.

    A `UserError` names the missing, extra or misshapen tensors, or the file that cannot be read.
    """
    config = read_config(directory)
    untrained = memory and config.msa is None
    if untrained:
        config = replace(config, msa=msa or MSAConfig(router_layers=latter_half(config.layers), trained=False))
    elif not memory:
        config = replace(config, msa=None)
    with torch.device("meta"):
        decoder = Decoder(config)
    state = {name: tensor for name, tensor in _tensors(directory, dtype) if name not in LOSS_SCALARS}
    if config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    if untrained:
        copy_routers(state, config)
    if not memory:
        state = {name: tensor for name, tensor in state.items() if ".router_" not in name}
    _check(directory, decoder, state)
    decoder.load_state_dict(state, strict=False, assign=True)
    if config.tie_word_embeddings:
        decoder.lm_head.weight = decoder.model.embed_tokens.weight
    return decoder.to(device).eval().requires_grad_(False)


def loss_scalars(directory: Path) -> dict[str, float]:
    """Those of `LOSS_SCALARS` that the checkpoint in `directory` carries."""
    return {name: float(tensor) for name, tensor in _tensors(directory, torch.float32) if name in LOSS_SCALARS}


def weight_files(directory: Path) -> list[Path]:
    """The safetensors files of a checkpoint, in the order of its index where it has one."""
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        try:
            names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        except (ValueError, KeyError, AttributeError) as error:
            raise UserError(f"{index} is no readable index of weight files ({error}).") from error
        missing = [name for name in names if not (directory / name).is_file()]
        if missing:
            raise UserError(f"{directory} lacks the weight files {', '.join(missing)} that its index names.")
        return [directory / name for name in names]
    single = directory / "model.safetensors"
    if not single.is_file():
        raise UserError(f"{directory} is no checkpoint: it has no model.safetensors (pickles are never loaded).")
    return [single]


def weights_hash(directory: Path) -> str:
    """SHA-256 over the checkpoint's weight files."""
    digest = hashlib.sha256()
    for path in weight_files(directory):
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def _tensors(directory: Path, dtype: torch.dtype) -> Iterator[tuple[str, Tensor]]:
    for path in weight_files(directory):
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                    yield name, file.get_tensor(name).to(dtype)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{path} is truncated or no safetensors file ({error}).") from error


def copy_routers(state: dict[str, Tensor], config: ModelConfig) -> None:
    """Put untrained routers into `state`: copies of the query and key projections of every router layer of `config`."""
    for layer in config.msa.router_layers if config.msa else ():
        prefix = f"model.layers.{layer}.self_attn."
        for part in ("q", "k"):
            source = state.get(f"{prefix}{part}_proj.weight")
            if source is not None:
                state[f"{prefix}router_{part}_proj.0.weight"] = source.clone()


def _check(directory: Path, decoder: Decoder, state: dict[str, Tensor]) -> None:
    wanted = {name: tensor.shape for name, tensor in decoder.state_dict().items()}
    if decoder.config.tie_word_embeddings:
        wanted.pop("lm_head.weight")
    problems = [f"missing {name}" for name in wanted if name not in state]
    problems += [f"unexpected {name}" for name in state if name not in wanted]
    problems += [
        f"{name} has shape {list(tensor.shape)} where {list(wanted[name])} is needed"
        for name, tensor in state.items()
        if name in wanted and tensor.shape != wanted[name]
    ]
    if problems:
        shown = "; ".join(problems[:4]) + (f"; and {len(problems) - 4} more" if len(problems) > 4 else "")
        raise UserError(f"The weights in {directory} do not fit its config.json: {shown}.")
