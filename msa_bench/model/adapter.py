"""Adapters on disk, and merging one into a decoder.

An adapter directory holds `adapter.json` (how it was made, for which backbone, and the hash of every file) and
safetensors files with a low-rank update for every linear map, and router projections and norms as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from msa_bench.errors import UserError
from msa_bench.model.config import MSAConfig
from msa_bench.model.decoder import Decoder
from msa_bench.storage import sha256

FORMAT = 1


def read_card(directory: Path) -> dict[str, Any]:
    """What `adapter.json` says; a `UserError` if there is none, or it says too little."""
    path = directory / "adapter.json"
    try:
        card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{directory} holds no adapter: {path.name} cannot be read ({error}).") from error
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise UserError(f"{path} describes no adapter of format {FORMAT}.")
    missing = [key for key in ("rank", "backbone", "backbone_sha256", "msa", "files") if key not in card]
    if missing:
        raise UserError(f"{path} is incomplete: it lacks {', '.join(missing)}.")
    return card


def read_adapter(directory: Path, backbone_sha256: str) -> dict[str, Tensor]:
    """The stored tensors of an adapter; a `UserError` if a file is missing or damaged, or the backbone another."""
    card = read_card(directory)
    if card.get("backbone_sha256") != backbone_sha256:
        raise UserError(
            f"The adapter in {directory} is for a backbone with SHA-256 {card.get('backbone_sha256')}, "
            f"not {backbone_sha256}."
        )
    tensors: dict[str, Tensor] = {}
    for name, digest in card["files"].items():
        path = directory / name
        if not path.is_file() or sha256(path) != digest:
            raise UserError(f"{path} is missing, truncated or altered; fetch the adapter again.")
        try:
            tensors |= load_file(path)
        except SafetensorError as error:
            raise UserError(f"{path} is no safetensors file ({error}).") from error
    return tensors


def merge(decoder: Decoder, tensors: Mapping[str, Tensor]) -> None:
    """Add stored adapter `tensors` to the weights of `decoder`, in float32 and once."""
    for name, parameter in adapted(decoder):
        key = name.replace(".", "/")
        if is_whole(name):
            parameter.data = tensors[f"whole.{key}"].to(parameter.device, parameter.dtype)
        else:
            update = tensors[f"low_rank.{key}/up"].float() @ tensors[f"low_rank.{key}/down"].float()
            parameter.data = (parameter.data.float() + update.to(parameter.device)).to(parameter.dtype)


def memory_settings(card: Mapping[str, Any]) -> MSAConfig:
    """The memory attention an adapter was trained for."""
    msa = card["msa"]
    return MSAConfig(
        router_layers=tuple(msa["router_layers"]),
        chunk_tokens=msa["chunk_tokens"],
        top_k=msa["top_k"],
        similarity="cosine" if msa["similarity"] == "cosine" else "dot",
        keys_per_chunk=msa.get("keys_per_chunk", 1),
        documents_read=msa.get("documents_read", 0),
    )


def adapted(decoder: Decoder) -> Iterator[tuple[str, nn.Parameter]]:
    """The parameters an adapter changes: all but the embeddings."""
    for name, parameter in decoder.named_parameters():
        if "embed_tokens" not in name and "lm_head" not in name:
            yield name, parameter


def is_whole(name: str) -> bool:
    """Whether an adapter holds this parameter itself rather than a low-rank update of it."""
    return "norm" in name or ".router_" in name
