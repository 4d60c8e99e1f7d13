"""Several processes training one adapter, each on batches of its own; alone, nothing of this costs anything.

Started by `torchrun`, which says through the environment how many there are. Gradients are averaged on the devices,
what all must agree on goes over the CPUs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.distributed as dist
from torch import Tensor

from msa_bench.distributed import start_group, world_size


@dataclass(frozen=True)
class World:
    """The process `rank` of `size`."""

    rank: int = 0
    size: int = 1
    _cpu: dist.ProcessGroup | None = field(default=None, repr=False)

    @classmethod
    def join(cls) -> World:
        """The world `torchrun` started this process in, or a world of its own."""
        size = world_size()
        if size == 1:
            return cls()
        start_group(cpu=False)
        return cls(dist.get_rank(), size, dist.new_group(backend="gloo"))

    @property
    def leads(self) -> bool:
        """Whether this process writes what all share."""
        return self.rank == 0

    def average(self, values: Tensor) -> None:
        """Replace `values` by their mean over all processes."""
        if self.size > 1:
            dist.all_reduce(values)
            values /= self.size

    def agree(self, seconds: float, tokens: int) -> tuple[float, int]:
        """The leader's `seconds`, and the sum of all `tokens`."""
        if self.size == 1:
            return seconds, tokens
        shared = torch.tensor([seconds if self.leads else 0.0, float(tokens)], dtype=torch.float64)
        dist.all_reduce(shared, group=self._cpu)
        return float(shared[0]), int(shared[1])

    def wait(self) -> None:
        """Go on when all have come here."""
        if self.size > 1:
            dist.barrier(group=self._cpu)
