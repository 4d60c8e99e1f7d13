"""Greedy generation by the backbone alone, for the baselines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.generation.decode import Session
from msa_bench.memory.plan import available_bytes
from msa_bench.model.backbone import Backbone

PREFILL_TOKENS = 8192
"""Tokens of a long prompt that go through the layers together."""


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
    memory. Prompts too long to share a batch share what they begin with instead: it is read once.
    """
    alone = [index for index, prompt in enumerate(prompts) if 2 * len(prompt) > backbone.window or batch_size == 1]
    together = sorted(set(range(len(prompts))).difference(alone), key=lambda index: len(prompts[index]))
    while together:
        batch = [together.pop(0)]
        while together and len(batch) < batch_size:
            if len(prompts[together[0]]) * (len(batch) + 1) > backbone.window:
                break
            batch.append(together.pop(0))
        longest = max(len(prompts[index]) for index in batch)
        check_memory(backbone, len(batch), longest + max_new_tokens)
        session = Session(backbone.decoder, len(batch), longest + max_new_tokens)
        yield from _continue(backbone, session, {index: prompts[index] for index in batch}, max_new_tokens)
    if alone:
        yield from _one_by_one(backbone, {index: prompts[index] for index in alone}, max_new_tokens)


def _one_by_one(backbone: Backbone, prompts: Mapping[int, Sequence[int]], max_new_tokens: int) -> Iterator[Generated]:
    """Prompts in dictionary order, so that neighbours share the longest beginnings."""
    room = max(map(len, prompts.values())) + max_new_tokens
    check_memory(backbone, 1, room)
    session = Session(backbone.decoder, 1, room)
    before: Sequence[int] = ()
    for index in sorted(prompts, key=lambda index: tuple(prompts[index])):
        prompt = prompts[index]
        # At least the last token is read again: the first new one follows from it.
        shared = min(common_prefix(before, prompt), len(prompt) - 1)
        session.rewind(shared)
        yield from _continue(backbone, session, {index: prompt[shared:]}, max_new_tokens)
        before = prompt


def _feed(session: Session, tokens: Sequence[Sequence[int]]) -> Tensor:
    """`session.feed`, a single long row in pieces: what a layer computes in between then does not grow with it."""
    if len(tokens) == 1:
        (row,) = tokens
        *starts, last = range(0, len(row), PREFILL_TOKENS)
        for start in starts:
            session.feed([row[start : start + PREFILL_TOKENS]])
        tokens = [row[last:]]
    return session.feed(tokens)


def check_memory(backbone: Backbone, rows: int, tokens: int) -> None:
    """A `UserError` if keys and values of `rows` prompts of `tokens` will not fit: what is needed and what there is."""
    config = backbone.config
    one = 2 * config.layers * config.kv_heads * config.head_dim * backbone.dtype.itemsize
    needed, available = rows * tokens * one, available_bytes(backbone.device)
    if needed > available:
        raise UserError(
            f"Reading {tokens:,} tokens takes {needed / 2**30:.1f} GiB of keys and values and {available / 2**30:.1f} "
            f"GiB are free; about {available // (rows * one):,} tokens would fit."
        )


def common_prefix(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    for place, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return place
    return min(len(first), len(second))


def _continue(
    backbone: Backbone, session: Session, feeds: Mapping[int, Sequence[int]], max_new_tokens: int
) -> Iterator[Generated]:
    """Feed each row of `session` its tokens and decode until every row has stopped."""
    active = list(feeds)
    written: dict[int, list[int]] = {index: [] for index in active}
    seconds = dict.fromkeys(active, 0.0)
    feed: list[Sequence[int]] = [feeds[index] for index in active]
    while active:
        began = time.perf_counter()
        best = _feed(session, feed).argmax(1).tolist()
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
        if active:
            session.keep(going)
