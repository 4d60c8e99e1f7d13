"""Routing that is not the model's own: the ablations `routing=random` and `routing=oracle`.

Nothing here is used unless a run asks for it by name, and every output of such a run says so. The gold documents of a
question reach no other part of the system.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from msa_bench.generation.answer import Case
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.recall import BankRecall
from msa_bench.model.upload import upload
from msa_bench.seeding import derive

_GOLD = 1e30
"""The score of a gold document: above any similarity, and still a number that can be averaged over layers."""


class _DrawnRecall(BankRecall):
    """Documents drawn in every layer; `drawn` names each row's draw."""

    def __init__(
        self, bank: MemoryBank, routes: Tensor, hidden: Sequence[Collection[int]], drawn: Sequence[str]
    ) -> None:
        super().__init__(bank, routes, hidden, bank.msa.top_k)
        self.drawn = drawn

    def settled(self, layer: int, scores: Tensor) -> Tensor:
        rows = [uniform(derive(row, layer), self.bank.first_document, scores.shape[1]) for row in self.drawn]
        return self.masked(upload(torch.stack(rows), scores.device))


class _GoldRecall(BankRecall):
    """The `gold` documents of each row first, then those the model routes to."""

    def __init__(
        self, bank: MemoryBank, routes: Tensor, hidden: Sequence[Collection[int]], gold: Sequence[Collection[int]]
    ) -> None:
        super().__init__(bank, routes, hidden, bank.msa.top_k)
        self.gold = self.places([set(ids).difference(unseen) for ids, unseen in zip(gold, hidden, strict=True)])

    def settled(self, layer: int, scores: Tensor) -> Tensor:
        scores[self.gold] = _GOLD
        return scores


@dataclass(frozen=True)
class RandomRouting:
    """Documents drawn evenly among those a question may see, anew for each question, round and layer by `seed`.

    `names` are the questions' ids in the order they are asked. The same seed draws the same on every machine and over
    any number of processes.
    """

    seed: int
    names: Sequence[str]

    def __call__(self, bank: MemoryBank, routes: Tensor, cases: Sequence[Case]) -> BankRecall:
        drawn = [f"routing {self.seed} {self.names[case.index]} {case.state.rounds}" for case in cases]
        return _DrawnRecall(bank, routes, [case.asked.hidden for case in cases], drawn)


@dataclass(frozen=True)
class OracleRouting:
    """The gold documents of each question, in the order they are asked, and then those of the model's own routing.

    At most `top_k` documents are routed to in all, of many gold documents the first by number.
    """

    gold: Sequence[Collection[int]]

    def __call__(self, bank: MemoryBank, routes: Tensor, cases: Sequence[Case]) -> BankRecall:
        gold = [self.gold[case.index] for case in cases]
        return _GoldRecall(bank, routes, [case.asked.hidden for case in cases], gold)


def uniform(seed: int, first: int, count: int) -> Tensor:
    """Even float32 numbers in [0, 1) `[count]` for the documents from `first` on, by the mixing function of SplitMix64
    (Steele, Lea and Flood 2014): each depends on `seed` (64 bits) and its document alone."""
    x = np.arange(first + 1, first + 1 + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return torch.from_numpy((x >> np.uint64(40)).astype(np.float32) / np.float32(1 << 24))
