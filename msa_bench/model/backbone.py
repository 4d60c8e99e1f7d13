"""Models by name: what every system is built on, loaded once per process.

A model is the embedded default `smollm2-135m`, a directory in Hugging Face's layout, or a hub id such as
`EverMind-AI/MSA-4B`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from msa_bench.errors import UserError, unknown
from msa_bench.model import embedded
from msa_bench.model.checkpoint import load_decoder, read_config, weights_hash
from msa_bench.model.config import ModelConfig
from msa_bench.model.decoder import Decoder
from msa_bench.model.tokenizer import TextTokenizer

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class Backbone:
    """A decoder with its tokenizer, on its device. `window` is the context it was made for, in tokens."""

    name: str
    directory: Path
    decoder: Decoder
    tokenizer: TextTokenizer

    @property
    def config(self) -> ModelConfig:
        """Sizes and memory settings of the decoder."""
        return self.decoder.config

    @property
    def window(self) -> int:
        """Tokens of context the backbone was made for."""
        return self.config.window

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.decoder.device

    @property
    def dtype(self) -> torch.dtype:
        """The type weights and activations have."""
        return self.decoder.dtype

    @property
    def provenance(self) -> dict[str, Any]:
        """What a run record says of the model."""
        return {
            "model": self.name,
            "weights_sha256": _hash(self.directory),
            "family": self.config.family,
            "layers": self.config.layers,
            "hidden_size": self.config.hidden_size,
            "window_tokens": self.window,
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
        }


def load_backbone(model: str, device: str = "auto", dtype: str = "auto") -> Backbone:
    """The plain backbone of `model`, without memory attention; the same object for the same arguments."""
    return _load(model, device, dtype, memory=False)


def load_memory_model(model: str, device: str = "auto", dtype: str = "auto") -> Backbone:
    """`model` with memory attention: its trained router, or an untrained copy where it has none."""
    return _load(model, device, dtype, memory=True)


@lru_cache(maxsize=4)
def load_tokenizer(model: str) -> TextTokenizer:
    """The tokenizer of `model` alone, without its weights."""
    return TextTokenizer.from_directory(model_directory(model))


def model_directory(model: str) -> Path:
    """The directory `model` names, fetched first where needed; a `UserError` with near misses if there is none."""
    if model == embedded.NAME:
        return embedded.directory()
    path = Path(model).expanduser()
    if path.exists():
        if not path.is_dir():
            raise UserError(f"{model} is a file; --model takes a checkpoint directory, a hub id or {embedded.NAME}.")
        read_config(path)
        return path
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        return _from_hub(model)
    raise unknown("model", model, [embedded.NAME])


def resolve_device(device: str) -> torch.device:
    """The torch device meant by `device`; `auto` prefers a GPU."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise UserError(f"{device!r} is no device; use auto, cpu, cuda or cuda:N.") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise UserError(f"There is no {device}: {torch.cuda.device_count()} CUDA devices are visible here.")
    return chosen


def resolve_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The torch type meant by `dtype`; `auto` is bfloat16 where the hardware multiplies it, else float32."""
    if dtype != "auto":
        if dtype not in DTYPES:
            raise unknown("dtype", dtype, [*DTYPES, "auto"])
        return DTYPES[dtype]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    fast = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if fast else torch.float32


def _load(model: str, device: str, dtype: str, memory: bool) -> Backbone:
    where = resolve_device(device)
    return _load_cached(model, where, resolve_dtype(dtype, where), memory)


@lru_cache(maxsize=4)
def _load_cached(model: str, device: torch.device, dtype: torch.dtype, memory: bool) -> Backbone:
    directory = model_directory(model)
    return Backbone(model, directory, load_decoder(directory, device, dtype, memory), load_tokenizer(model))


@lru_cache(maxsize=4)
def _hash(directory: Path) -> str:
    return weights_hash(directory)


def _from_hub(model: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(model, allow_patterns=["*.json", "*.safetensors", "*.jinja"]))
    except Exception as error:  # the hub client raises many kinds; each means the model is not to be had
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(
            f"The model {model!r} is no local directory and could not be fetched from the hub ({reason})."
        ) from error
