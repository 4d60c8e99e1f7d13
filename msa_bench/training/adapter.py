"""The adapter that turns a backbone into a memory model: low-rank updates, router projections and norms.

The low-rank product is added to the frozen weight once per step and the decoder then runs with plain matrices, so an
adapter costs no more time than full fine-tuning. On disk it is a directory: `adapter.json` and safetensors files of
less than 16 MB each.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from msa_bench.model.adapter import FORMAT, adapted, is_whole
from msa_bench.model.decoder import Decoder
from msa_bench.storage import sha256, shards


class Adapter(nn.Module):
    """Trainable float32 parameters of an adapter over `decoder`, whose weights stay as they are.

    Every linear map but the router's gets `down` `[rank, in]` and `up` `[out, rank]`; router projections and norm
    weights are trained whole.
    """

    def __init__(self, decoder: Decoder, rank: int, seed: int = 0) -> None:
        super().__init__()
        self.rank = rank
        draw = torch.Generator().manual_seed(seed)
        self.low_rank = nn.ParameterDict()
        self.whole = nn.ParameterDict()
        self._frozen: dict[str, Tensor] = {}
        for name, parameter in adapted(decoder):
            key = name.replace(".", "/")
            if is_whole(name):
                self.whole[key] = nn.Parameter(parameter.detach().float().clone())
                continue
            wide, narrow = parameter.shape[1], parameter.shape[0]
            down = torch.randn(rank, wide, generator=draw) / math.sqrt(wide)
            self.low_rank[f"{key}/down"] = nn.Parameter(down.to(parameter.device))
            self.low_rank[f"{key}/up"] = nn.Parameter(torch.zeros(narrow, rank, device=parameter.device))
            self._frozen[name] = parameter.detach()

    def weights(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The adapted weights by parameter name, differentiable with respect to the adapter."""
        made = {key.replace("/", "."): value.to(dtype) for key, value in self.whole.items()}
        for name, frozen in self._frozen.items():
            key = name.replace(".", "/")
            update = self.low_rank[f"{key}/up"] @ self.low_rank[f"{key}/down"]
            made[name] = frozen.to(dtype) + update.to(dtype)
        return made

    def tensors(self, dtype: torch.dtype = torch.bfloat16) -> dict[str, Tensor]:
        """What is stored: every parameter by its name, in `dtype`."""
        return {name: parameter.detach().to(dtype).cpu().contiguous() for name, parameter in self.named_parameters()}


def install(decoder: Decoder, weights: Mapping[str, Tensor]) -> None:
    """Let `decoder` compute with `weights` (by parameter name) in place of its own parameters of these names."""
    for name, weight in weights.items():
        module_name, _, attribute = name.rpartition(".")
        module = decoder.get_submodule(module_name)
        module._parameters.pop(attribute, None)
        setattr(module, attribute, weight)


def save_adapter(directory: Path, adapter: Adapter, card: Mapping[str, Any]) -> None:
    """Write `adapter` in bfloat16 with its `card`; `adapter.json` comes last and names the hash of every file."""
    directory.mkdir(parents=True, exist_ok=True)
    files: dict[str, str] = {}
    for number, shard in enumerate(shards(adapter.tensors())):
        path = directory / f"adapter-{number:02d}.safetensors"
        save_file(shard, path)
        files[path.name] = sha256(path)
    content = {"format": FORMAT, "rank": adapter.rank, **card, "files": files}
    partial = directory / "adapter.json.partial"
    partial.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    partial.replace(directory / "adapter.json")
