"""Independent pieces of work on the cores of a CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def each_on_a_core(work: Callable[[Piece], Result], pieces: Iterable[Piece], device: torch.device) -> Iterator[Result]:
    """Results of `work` on each piece, in order; on a CPU every core works on a piece of its own.

    Cores that share an operation wait for each other after every one, and for as long as another program holds one of
    them; cores with their own pieces do not. A GPU takes one piece after the other.
    """
    threads = torch.get_num_threads()
    if device.type != "cpu" or threads == 1:
        yield from map(work, pieces)
        return
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield from pool.map(work, pieces)
    finally:
        # The number is also what threads started later begin with.
        torch.set_num_threads(threads)
