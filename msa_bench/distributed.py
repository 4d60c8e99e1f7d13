"""Several processes as one group, as torchrun starts them."""

from __future__ import annotations

import atexit
import importlib
import os
from datetime import timedelta

import torch
import torch.distributed as dist


def world_size() -> int:
    """Processes torchrun started together with this one, itself among them."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def leading() -> bool:
    """Whether this process is the only one, or the first of several."""
    return int(os.environ.get("RANK", "0")) == 0


def start_group(cpu: bool, timeout: timedelta | None = None) -> None:
    """Join the group of all processes, unless it is joined; where there are GPUs, that of this process becomes current.

    With `cpu` tensors of the CPU can be exchanged too where there are GPUs.
    """
    if dist.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl" if cpu else "nccl"
    # The threads of a group must end before the interpreter does, or it aborts. They end with the last reference to the
    # group, and functions of this module would keep one if it were first imported later.
    importlib.import_module("torch.distributed.nn")
    dist.init_process_group(backend, timeout=timeout)
    atexit.register(_end_group)


def _end_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()
