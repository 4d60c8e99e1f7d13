"""Greedy generation by the backbone alone, for the baselines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from msa_bench.generation.decode import Session
from msa_bench.model.backbone import Backbone


@dataclass(frozen=True, slots=True)
class Generated:
    """What was written after prompt number `index`: `tokens` without the end token. `stopped` is False where the length
    bound ended it; `seconds` is the prompt's share of its batch's wall time."""

    index: int
    tokens: list[int]
    seconds: float
    stopped: bool


def generate(
    backbone: Backbone, prompts: Sequence[Sequence[int]], max_new_tokens: int, batch_size: int = 8
) -> Iterator[Generated]:
    """Continue each prompt greedily, in batches of similar length, yielding each as soon as it is complete.

    A batch holds at most `batch_size` prompts and one window of prompt tokens, so that long prompts do not multiply
    memory.
    """
    order = sorted(range(len(prompts)), key=lambda index: len(prompts[index]))
    while order:
        longest = max(len(prompts[order[0]]), 1)
        batch = [order.pop(0)]
        while order and len(batch) < batch_size:
            longest = max(longest, len(prompts[order[0]]))
            if longest * (len(batch) + 1) > backbone.window:
                break
            batch.append(order.pop(0))
        yield from _generate_batch(backbone, {index: prompts[index] for index in batch}, max_new_tokens)


def _generate_batch(backbone: Backbone, prompts: dict[int, Sequence[int]], max_new_tokens: int) -> Iterator[Generated]:
    active = list(prompts)
    written: dict[int, list[int]] = {index: [] for index in active}
    seconds = dict.fromkeys(active, 0.0)
    session = Session(backbone.decoder, len(active), max(map(len, prompts.values())) + max_new_tokens)
    feed: list[Sequence[int]] = [prompts[index] for index in active]
    while active:
        began = time.perf_counter()
        best = session.feed(feed).argmax(1).tolist()
        share = (time.perf_counter() - began) / len(active)
        going: list[int] = []
        for row, (index, token) in enumerate(zip(active, best, strict=True)):
            seconds[index] += share
            stopped = token in backbone.tokenizer.stop_ids
            if not stopped:
                written[index].append(token)
            if stopped or len(written[index]) >= max_new_tokens:
                yield Generated(index, written[index], seconds[index], stopped)
            else:
                going.append(row)
        active = [active[row] for row in going]
        feed = [[best[row]] for row in going]
        session.keep(going)
