"""From episodes to a training batch: one bank of documents shared by all questions of the batch.

Every document is encoded once and is a negative of every question it does not answer. All batches of a plan have the
same shape, so that the work of a step can be captured once and replayed. The tokens of a batch lie one after another
without padding; attention, which needs rows, sees them through an index into padded `slots`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import accumulate
from random import Random
from typing import Any

import numpy as np
import torch
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.model.prompts import template_head, wrap_documents
from msa_bench.model.tokenizer import TextTokenizer
from msa_bench.training.episodes import Episode
from msa_bench.training.rows import Rows, in_rows, places
from msa_bench.training.samples import Habits, Sample, samples_of

MOST_GOLD = 8
"""Gold documents a step can name."""

_PATIENCE = 12
"""Episodes in a row that find no room before a batch counts as full."""

_HABITS = Habits()


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Shape and habits of a batch. Its texts are laid out in the rows `documents` and `samples`; together with the
    template head they have at most `tokens` tokens, of which at most `targets` are learned; the share `prose` is kept
    for documents nobody asks for. Of an episode's hard negatives the share `negatives` is kept, and of its further
    questions of one round the share `further` is asked. Documents are called by distinct numbers with as many digits as
    one of `digits` says, drawn for the batch."""

    bank: Rows = ((224, 128), (64, 192))
    samples: Rows = ((192, 80), (80, 192), (24, 384), (12, 704))
    tokens: int = 49_152
    targets: int = 3_584
    prose: float = 0.08
    negatives: float = 1.0
    further: float = 1.0
    digits: tuple[int, ...] = (3, 4, 4, 5, 5, 6, 6, 7, 8)
    habits: Habits = _HABITS


@dataclass(frozen=True, slots=True)
class Batch:
    """A bank and the samples over it, `tokens` tokens in all: the template head, documents, samples, and padding.

    `ids`, `positions` and `real` `[tokens]` describe the tokens, `slot` `[tokens]` says where each stands in the padded
    rows of `plan` (documents, then samples, row by row) and `token` `[slots]` what stands there. `document_lengths`
    `[documents]` and `sample_lengths` `[samples]` are 0 in rows that hold nothing. `routes` `[sample slots]` are the
    tokens that route, `gold` `[samples, MOST_GOLD]` the rows of the documents a sample names and `ahead` of those that
    its question tells of already but a later step names, -1 behind them. Of the learned tokens, `target` `[targets]` is
    the token that predicts, `label` what is to follow, `target_sample` whose it is and `learned` whether there is one
    at all. `kinds` is empty for rows that hold nothing.
    """

    plan: BatchPlan
    ids: Tensor
    positions: Tensor
    real: Tensor
    slot: Tensor
    token: Tensor
    document_lengths: Tensor
    sample_lengths: Tensor
    routes: Tensor
    gold: Tensor
    ahead: Tensor
    target: Tensor
    label: Tensor
    target_sample: Tensor
    learned: Tensor
    kinds: tuple[str, ...]

    @property
    def tokens(self) -> int:
        """True tokens of documents and samples."""
        return int(self.document_lengths.sum() + self.sample_lengths.sum())

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by field name."""
        return {one.name: value for one in fields(self) if isinstance(value := getattr(self, one.name), Tensor)}

    def having(self, tensors: Mapping[str, Tensor]) -> Batch:
        """The batch with `tensors`, by field name, in place of its own."""
        changes: dict[str, Any] = dict(tensors)
        return replace(self, **changes)

    def pin_memory(self) -> Batch:
        """The batch in page-locked memory, from which copies to a GPU do not wait (called by the loader)."""
        return self.having({name: value.pin_memory() for name, value in self.tensors().items()})


def make_batch(
    tokenizer: TextTokenizer,
    episodes: Iterator[Episode],
    filler: Callable[[Random], str],
    plan: BatchPlan,
    rng: Random,
    first_position: int,
) -> Batch:
    """One batch: episodes until no more find room, then prose. The first token of a sample stands at `first_position`.
    A `UserError` if the plan has no room for any of `episodes`."""
    draft = _Draft(tokenizer, plan, rng)
    missed = 0
    while missed < _PATIENCE:
        episode = next(episodes, None)
        if episode is None:
            break
        episode = _trimmed(episode, plan, rng)
        missed = 0 if draft.add(episode) else missed + 1
        if not missed:
            for further in episode.further:
                if draft.numbers.keys() >= set(further.documents):
                    draft.add(further)
    if not any(draft.samples):
        raise UserError("No episode fits the bank, samples, tokens and targets of a stage; give more or wider ones.")
    missed = 0
    while missed < 4:
        missed = 0 if draft.add_prose(filler(rng)) else missed + 1
    return draft.packed(first_position)


class _Draft:
    """A batch being filled: per row, tokens of documents, and samples."""

    def __init__(self, tokenizer: TextTokenizer, plan: BatchPlan, rng: Random) -> None:
        self.tokenizer, self.plan, self.rng = tokenizer, plan, rng
        self.head = template_head(tokenizer)
        self.documents: list[list[tuple[int, list[int]]]] = [[] for _ in plan.bank]
        self.samples: list[list[Sample]] = [[] for _ in plan.samples]
        self.used = len(self.head)
        self.learned = 0
        self.numbers: dict[str, int] = {}
        self.texts: dict[int, str] = {}
        fewest = len(str(sum(rows for rows, _ in plan.bank)))
        digits = rng.choice([count for count in plan.digits if count >= fewest] or [fewest])
        self.highest = 10**digits

    def add(self, episode: Episode) -> bool:
        """Take up `episode` with what is new of its documents; False if it finds no room."""
        plan, rng = self.plan, self.rng
        known = {text: self.numbers[text] for text in episode.documents if text in self.numbers}
        new = [text for text in dict.fromkeys(episode.documents) if text not in known]
        drawn = self._draw(len(new))
        named = known | dict(zip(new, drawn, strict=True))
        if not known:
            # Documents of a round ascend, so that an answer lists values as the appended text does.
            for found in episode.rounds:
                texts = [episode.documents[index] for index in sorted(found)]
                named |= dict(zip(texts, sorted(named[text] for text in texts), strict=True))
        wrapped = wrap_documents(self.tokenizer, [(named[text], text) for text in new])
        numbers = [named[text] for text in episode.documents]
        samples = [
            sample
            for sample in samples_of(self.tokenizer, episode, numbers, self.texts, plan.habits, rng)
            if len(sample.tokens) <= plan.samples[-1][1] and len(sample.gold) <= MOST_GOLD
        ]
        rows = places([len(tokens) for tokens in wrapped], plan.bank, [len(row) for row in self.documents])
        lines = places([len(one.tokens) for one in samples], plan.samples, [len(row) for row in self.samples])
        tokens = sum(map(len, wrapped)) + sum(len(one.tokens) for one in samples)
        targets = sum(sum(one.learned) for one in samples)
        if not samples or rows is None or lines is None:
            return False
        if self.used + tokens > plan.tokens * (1 - plan.prose) or self.learned + targets > plan.targets:
            return False
        for text, row, encoded in zip(new, rows, wrapped, strict=True):
            self._keep(text, named[text], row, encoded)
        for line, sample in zip(lines, samples, strict=True):
            self.samples[line].append(sample)
        self.used += sum(len(one.tokens) for one in samples)
        self.learned += targets
        return True

    def add_prose(self, text: str) -> bool:
        """Take up a document nobody asks for; False if there is no room."""
        if text in self.numbers:
            return False
        [number] = self._draw(1)
        [encoded] = wrap_documents(self.tokenizer, [(number, text)])
        row = places([len(encoded)], self.plan.bank, [len(rows) for rows in self.documents])
        if row is None or self.used + len(encoded) > self.plan.tokens:
            return False
        self._keep(text, number, row[0], encoded)
        return True

    def packed(self, first_position: int) -> Batch:
        """The batch as tensors."""
        plan = self.plan
        widths = [width for rows, width in (*plan.bank, *plan.samples) for _ in range(rows)]
        starts = [0, *accumulate(widths)]
        documents, samples = in_rows(self.documents, plan.bank), in_rows(self.samples, plan.samples)
        rows = [[*(one[1] if one else ())] for one in documents] + [[*(one.tokens if one else ())] for one in samples]
        lengths = np.array([len(row) for row in rows])
        count = len(documents)
        flat = [*self.head, *(token for row in rows for token in row)]
        padding = plan.tokens - len(flat)
        first = [0] * count + [first_position] * (len(rows) - count)
        positions = [
            np.arange(len(self.head)),
            *(start + np.arange(n) for start, n in zip(first, lengths, strict=True)),
        ]
        slots = np.concatenate([start + np.arange(n) for start, n in zip(starts[:-1], lengths, strict=True)])
        slot = np.zeros(plan.tokens, np.int64)
        slot[len(self.head) : len(flat)] = slots
        # A padding slot shows any token: it is never attended. Different ones, so that no token is shown too often.
        token = np.arange(starts[-1]) % plan.tokens
        token[slots] = np.arange(len(self.head), len(flat))
        real = np.zeros(plan.tokens, bool)
        real[len(self.head) : len(flat)] = True
        return Batch(
            plan,
            torch.tensor(flat + [0] * padding),
            torch.from_numpy(np.concatenate([*positions, np.zeros(padding, np.int64)])),
            torch.from_numpy(real),
            torch.from_numpy(slot),
            torch.from_numpy(token),
            torch.from_numpy(lengths[:count]),
            torch.from_numpy(lengths[count:]),
            **self._asked(starts, count, token),
        )

    def _asked(self, starts: list[int], count: int, token: np.ndarray) -> dict[str, Any]:
        """What of a batch belongs to its samples."""
        plan = self.plan
        base = starts[count]
        row_of = {one[0]: row for row, one in enumerate(in_rows(self.documents, plan.bank)) if one}
        samples = in_rows(self.samples, plan.samples)
        routes = np.zeros(starts[-1] - base, bool)
        gold, ahead = (np.full((len(samples), MOST_GOLD), -1) for _ in range(2))
        target, label, target_sample = (np.zeros(plan.targets, np.int64) for _ in range(3))
        learned = np.zeros(plan.targets, bool)
        end = 0
        for row, sample in enumerate(samples):
            if sample is None:
                continue
            start = starts[count + row]
            routes[start - base : start - base + len(sample.routes)] = sample.routes
            for rows, numbers in ((gold, sample.gold), (ahead, sample.ahead[:MOST_GOLD])):
                rows[row, : len(numbers)] = [row_of[number] for number in numbers]
            columns = np.nonzero(np.array(sample.learned))[0]
            part = slice(end, end + len(columns))
            target[part], label[part] = token[start + columns - 1], np.array(sample.tokens)[columns]
            target_sample[part], learned[part] = row, True
            end += len(columns)
        arrays = {"routes": routes, "gold": gold, "ahead": ahead, "target": target, "label": label}
        arrays |= {"target_sample": target_sample, "learned": learned}
        kinds = tuple(sample.kind if sample else "" for sample in samples)
        return {name: torch.from_numpy(value) for name, value in arrays.items()} | {"kinds": kinds}

    def _keep(self, text: str, number: int, row: int, encoded: list[int]) -> None:
        self.numbers[text], self.texts[number] = number, text
        self.documents[row].append((number, encoded))
        self.used += len(encoded)

    def _draw(self, count: int) -> list[int]:
        """Numbers no document has yet."""
        drawn: list[int] = []
        while len(drawn) < count:
            number = self.rng.randrange(self.highest)
            if number not in self.texts and number not in drawn:
                drawn.append(number)
        return drawn


def _trimmed(episode: Episode, plan: BatchPlan, rng: Random) -> Episode:
    """The episode with its gold documents, some of the others, and some of its further questions."""
    gold = 1 + max((index for found in episode.rounds for index in found), default=-1)
    others = [text for text in episode.documents[gold:] if rng.random() < plan.negatives]
    # Where all are asked nothing is drawn, so that older training files still make the same samples.
    further = [
        one for one in episode.further if plan.further == 1 or len(one.rounds) > 1 or rng.random() < plan.further
    ]
    return replace(episode, documents=(*episode.documents[:gold], *others), further=tuple(further))
