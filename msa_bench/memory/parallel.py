"""Memory Parallel: a memory bank over several processes (paper section 3.4).

    torchrun --nproc-per-node 2 --no-python msa-bench run --task niah --length 1M

Every process holds the weights and a part of the documents, and all of them answer the same questions in step. A query
is scored against each part where it lies, the best of every part are put together into the best of all, and the content
of a document comes from its owner. Nothing else differs, so one process and many give the same answers. When a process
fails, the others learn of it where they next meet and end with its error; one that is killed breaks the connection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from typing import TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from msa_bench.distributed import start_group, world_size
from msa_bench.errors import UserError
from msa_bench.memory.bank import MemoryBank, padded_chunks
from msa_bench.memory.topk import NONE, Best, best_of, ranked
from msa_bench.model.passes import Context
from msa_bench.model.upload import upload

TIMEOUT = timedelta(hours=6)
"""How long processes wait for each other: for as long as the slowest may encode. A dead one is noticed at once."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Group:
    """This process, `rank` of `size`."""

    rank: int = 0
    size: int = 1


@cache
def join() -> Group:
    """The group torchrun started this process in, joined at the first call; one process alone is a group too."""
    size = world_size()
    if size == 1:
        return Group()
    start_group(cpu=True, timeout=TIMEOUT)
    return Group(dist.get_rank(), size)


def in_step(group: Group, work: Callable[[], Result]) -> Result:
    """The result of `work`, once every process has done its own; if one failed, its error on all of them."""
    if group.size == 1:
        return work()
    result, failed = None, None
    try:
        result = work()
    except Exception as error:  # whatever it is, the others must not wait for a process that has ended
        failed = error
    said: list[str | None] = [None] * group.size
    with _together():
        dist.all_gather_object(said, None if failed is None else str(failed) or type(failed).__name__)
    if failed is not None:
        raise failed
    for rank, one in enumerate(said):
        if one is not None:
            raise UserError(f"The run ends because process {rank} of {group.size} failed: {one}")
    return result  # type: ignore[return-value]


@contextmanager
def _together() -> Iterator[None]:
    """Around what all processes do at once: when one has ended, the others say so."""
    try:
        yield
    except RuntimeError as error:  # what torch raises for a broken connection
        raise UserError(f"Another process of this run has ended, so this one ends too ({error}).") from error


def part_of(group: Group, documents: int, window: int) -> range:
    """The documents of this process. Parts end where windows of `window` documents do, as far as there are enough, so
    that every document is read in the same batch as in one process."""
    if documents < group.size:
        raise UserError(
            f"{documents} documents cannot be spread over {group.size} processes; start at most {documents}."
        )
    unit = window if -(-documents // window) >= group.size else 1
    units = -(-documents // unit)
    begin, end = (min(units * rank // group.size * unit, documents) for rank in (group.rank, group.rank + 1))
    return range(begin, end)


def best_of_parts(scores: Tensor, k: int, first: int, group: Group) -> Best:
    """The k best of the documents of all processes; `scores` float32 `[batch, documents]` are those of this one, whose
    first document is number `first` of all."""
    own = ranked(scores, k, first)
    own = torch.nn.functional.pad(own, (0, k - own.shape[1]), value=NONE)
    return best_of(_gathered(own[None], group).transpose(0, 1))


def _gathered(own: Tensor, group: Group) -> Tensor:
    """`own` `[1, ...]` of all processes, `[size, ...]`; the same shape in each."""
    parts = [torch.empty_like(own) for _ in range(group.size)]
    with _together():
        dist.all_gather(parts, own.contiguous())
    return torch.cat(parts)


class ShardedBank(MemoryBank):
    """The part `local` of a bank that lies in this process, with what it takes to select among all parts and to fetch
    from them. It shares the storage of `local`."""

    def __init__(self, local: MemoryBank, group: Group) -> None:
        self.__dict__.update(local.__dict__)
        self.group = group
        counts = local.offsets.diff()
        sizes = _gathered(torch.tensor([local.totals]), group)
        whole = _gathered(torch.nn.functional.pad(counts, (0, int(sizes[:, 0].max()) - len(counts)))[None], group)
        parts = [one[: int(size)] for one, size in zip(whole, sizes[:, 0], strict=True)]
        self.all_offsets = torch.cat((torch.zeros(1, dtype=torch.int64), torch.cat(parts).cumsum(0)))
        self.first_document = int(sizes[: group.rank, 0].sum())
        self._totals = sizes.sum(0).tolist()

    @property
    def totals(self) -> tuple[int, int, int]:
        documents, tokens, bytes_ = self._totals
        return documents, tokens, bytes_

    def best(self, scores: Tensor, k: int) -> Best:
        """The best of all parts; `scores` `[batch, documents]` are those of this one."""
        return best_of_parts(scores, k, self.first_document, self.group)

    def fetch(self, layer: int, ids: Tensor) -> Context:
        """All chunks of the documents `ids` of the whole bank, each from its owner."""
        index, visible = padded_chunks(self.all_offsets, ids.sort(dim=1).values)
        own = index - int(self.all_offsets[self.first_document])
        here = visible & (own >= 0) & (own < self.chunks)
        content = self.content(layer, upload(own * here, self.content_device))
        content = content.masked_fill(~upload(here, self.device)[:, :, None, None, None], 0)
        # Summed as whole numbers, bytes of one owner and zeros of the others are the owner's.
        raw = content.contiguous().view(torch.uint8)
        if raw.numel():
            with _together():
                dist.all_reduce(raw)
        whole = raw.view(content.dtype)
        return Context(whole[:, :, 0].transpose(1, 2), whole[:, :, 1].transpose(1, 2), upload(visible, self.device))
