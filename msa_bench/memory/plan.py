"""What goes where: the best placement of a memory bank that its length and a budget allow.

    --budget gpu=40GB,host=64GB

In order: everything on the GPU; content in host memory; routing keys in 8 bits as well, re-scored with exact ones; then
what is not exact any more: content in 8 bits, keys in 8 bits without re-scoring, both. A CPU has one memory, so there
only where 8 bits are used makes a difference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import psutil
import torch

from msa_bench.errors import UserError
from msa_bench.memory.bank import Placement, bytes_per_chunk
from msa_bench.model.config import ModelConfig

_GPU = (
    Placement(),
    Placement(content="host"),
    Placement(keys="int8", content="host"),
    Placement(content="host", content_as="int8"),
    Placement(keys="int8", content="host", rescore=False),
    Placement(keys="int8", content="host", rescore=False, content_as="int8"),
)
_CPU = (
    Placement(),
    Placement(content_as="int8"),
    Placement(keys="int8", rescore=False),
    Placement(keys="int8", rescore=False, content_as="int8"),
)

_SPARE = 1.1
"""For what is not counted: the batch being read, and the rounding of an estimate."""

_UNITS = {"GB": 10**9, "MB": 10**6, "GIB": 2**30, "MIB": 2**20}


@dataclass(frozen=True, slots=True)
class Budget:
    """Bytes a bank may take on the GPU and in host memory; None for what is free."""

    gpu: int | None = None
    host: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A placement and the bytes it takes on the model's device and in host memory beside it."""

    placement: Placement
    device_bytes: int
    host_bytes: int


def parse_budget(text: str) -> Budget:
    """The budget written as `gpu=40GB,host=64GB`; either may be left out. A `UserError` for anything else."""
    given: dict[str, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(gpu|host)=(\d+(?:\.\d+)?)\s*([GM]i?B)\s*", part, re.IGNORECASE)
        if match is None or match[1].lower() in given:
            raise UserError(f"The budget {text!r} is not known; write it as gpu=40GB,host=64GB.")
        given[match[1].lower()] = int(float(match[2]) * _UNITS[match[3].upper()])
    return Budget(**given)


def available_bytes(device: torch.device) -> int:
    """Bytes free on `device`."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def plan(
    config: ModelConfig,
    dtype: torch.dtype,
    device: torch.device,
    tokens: int,
    chunks: int,
    budget: Budget,
    saved: bool = False,
) -> Plan:
    """The first placement that holds `chunks` chunks of `tokens` tokens within `budget` and what is free; a `UserError`
    says what is missing and how many tokens would fit. A bank that is `saved` keeps everything exactly."""
    host_room = _room(budget.host, torch.device("cpu"))
    device_room = host_room if device.type == "cpu" else _room(budget.gpu, device)
    known = _CPU if device.type == "cpu" else _GPU
    plans = [_placed(config, dtype, chunks, one) for one in known if one.is_exact or not saved]
    for one in plans:
        if one.device_bytes * _SPARE <= device_room and one.host_bytes * _SPARE <= host_room:
            return one
    # The placement that holds the most is named: the smallest is not where the GPU is the larger memory.
    share, least = max(
        (min(device_room / one.device_bytes, host_room / max(one.host_bytes, 1)) / _SPARE, number)
        for number, one in enumerate(plans)
    )
    wanted = plans[least]
    needs = [f"{_gigabytes(round(wanted.device_bytes * _SPARE))} on {device.type}, where {_gigabytes(device_room)}"]
    if wanted.host_bytes:
        needs.append(f"{_gigabytes(round(wanted.host_bytes * _SPARE))} in host memory, where {_gigabytes(host_room)}")
    raise UserError(
        f"A memory of {tokens:,} tokens needs {' are available, and '.join(needs)} are available; "
        f"about {int(tokens * share):,} tokens would fit."
    )


def _placed(config: ModelConfig, dtype: torch.dtype, chunks: int, placement: Placement) -> Plan:
    keys, content = bytes_per_chunk(config, dtype, placement)
    if placement.content == "host":
        return Plan(placement, chunks * keys, chunks * content)
    return Plan(placement, chunks * (keys + content), 0)


def _room(allowed: int | None, device: torch.device) -> int:
    free = available_bytes(device)
    return free if allowed is None else min(free, allowed)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 10**8 else f"{count / 1e6:.3g} MB"
