"""Models by name: what every system is built on, loaded once per process.

A model is the embedded default `smollm2-135m`, a directory in Hugging Face's layout, an adapter directory (which names
its backbone), or a hub id such as `EverMind-AI/MSA-4B`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from msa_bench.errors import UserError, unknown
from msa_bench.model import embedded
from msa_bench.model.adapter import memory_settings, merge, read_adapter, read_card
from msa_bench.model.checkpoint import load_decoder, read_config, weights_hash
from msa_bench.model.config import ModelConfig
from msa_bench.model.decoder import Decoder
from msa_bench.model.tokenizer import TextTokenizer

WEIGHTS = Path(__file__).parent.parent / "weights"
"""The adapter of the embedded default, where one ships."""

DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class Backbone:
    """A decoder with its tokenizer, on its device. `window` is the context it was made for, in tokens.

    `router` is `untrained` where copies of attention projections took the place of the router that came with it.
    """

    name: str
    directory: Path
    decoder: Decoder
    tokenizer: TextTokenizer
    adapter: Path | None = None
    router: str = "own"

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
        } | ({"adapter_files": read_card(self.adapter)["files"]} if self.adapter else {})

    @property
    def sha256(self) -> str:
        """One hash of the backbone's weights, the adapter's and a replaced router, which a memory bank depends on."""
        parts = [_hash(self.directory), *(read_card(self.adapter)["files"].values() if self.adapter else ())]
        parts += [] if self.router == "own" else [self.router]
        return hashlib.sha256("".join(parts).encode()).hexdigest()


def load_backbone(model: str, device: str = "auto", dtype: str = "auto") -> Backbone:
    """The plain backbone of `model`, without memory attention; the same object for the same arguments."""
    where = resolve_device(device)
    return _load_plain(model, where, resolve_dtype(dtype, where))


def load_memory_model(model: str, device: str = "auto", dtype: str = "auto") -> Backbone:
    """`model` with memory attention: its own router, its adapter's, or an untrained copy where it has neither."""
    where = resolve_device(device)
    return _load_adapted(model, where, resolve_dtype(dtype, where), adapter_directory(model))


def load_untrained(model: str, device: str = "auto", dtype: str = "auto") -> Backbone:
    """`model` with memory attention as training begins with it: without an adapter, and in no cache."""
    where = resolve_device(device)
    return _load_adapted.__wrapped__(model, where, resolve_dtype(dtype, where), None)


def adapter_directory(model: str) -> Path | None:
    """The adapter `model` names or comes with, if any."""
    path = WEIGHTS if model == embedded.NAME else Path(model).expanduser()
    return path if (path / "adapter.json").is_file() else None


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
        if (path / "adapter.json").is_file():
            return model_directory(str(read_card(path)["backbone"]))
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
    """The torch type meant by `dtype`; `auto` is bfloat16 where the hardware multiplies it faster, else float32.

    An Intel CPU without matrix units (AMX) takes two thirds of the time in float32, although it knows bfloat16.
    """
    if dtype != "auto":
        if dtype not in DTYPES:
            raise unknown("dtype", dtype, [*DTYPES, "auto"])
        return DTYPES[dtype]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    told: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    gains = torch.cpu._is_avx512_bf16_supported() and "Intel" not in str(told.get("cpu_name"))
    return torch.bfloat16 if torch.cpu._is_amx_tile_supported() or gains else torch.float32


@lru_cache(maxsize=4)
def _load_plain(model: str, device: torch.device, dtype: torch.dtype) -> Backbone:
    directory = model_directory(model)
    return Backbone(model, directory, load_decoder(directory, device, dtype, memory=False), load_tokenizer(model))


@lru_cache(maxsize=4)
def _load_adapted(model: str, device: torch.device, dtype: torch.dtype, adapter: Path | None) -> Backbone:
    directory = model_directory(model)
    msa = memory_settings(read_card(adapter)) if adapter else None
    decoder = load_decoder(directory, device, dtype, memory=True, msa=msa)
    if adapter:
        merge(decoder, read_adapter(adapter, _hash(directory)))
    return Backbone(model, directory, decoder, load_tokenizer(model), adapter)


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
