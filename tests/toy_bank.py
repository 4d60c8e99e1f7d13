"""A small training batch over one bank, and the pass over it."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

import tiny
import torch

from msa_bench.model.backbone import Backbone
from msa_bench.model.decoder import Decoder
from msa_bench.model.prompts import template_head
from msa_bench.training.batch import Batch, BatchPlan, make_batch
from msa_bench.training.episodes import Episode
from msa_bench.training.remembered import Remembered
from msa_bench.training.samples import Habits
from msa_bench.training.shared_bank import Attended, Outcome, run_batch

TOP_K = 3
HEAD = len(template_head(tiny.tokenizer()))
PLAN = BatchPlan(
    bank=((12, 64), (9, 160)), samples=((10, 288), (8, 640)), tokens=6000, targets=400, habits=Habits(1.0, 0.3, 0.25)
)


def chain(number: int) -> Episode:
    """Two hops, the second document of one, two or three sentences."""
    documents = (
        f"Box {number} is kept by Ann{number}.",
        f"Ann{number} lives in town {number}, and nobody has seen her there for many years and a day."
        * (1 + number % 3),
        f"Box {number} was kept by Bob{number}.",
    )
    return Episode("chain", f"Where does the keeper of box {number} live?", ((0,), (1,)), documents, "town")


def absent(number: int) -> Episode:
    """Nothing to find."""
    return Episode("absent", f"Who is {number}?", (), (f"Nobody is {number}.",), "Not there.")


def batch(*kinds: Any) -> Batch:
    """Five episodes of these kinds in turn."""
    kinds = kinds or (chain, absent)
    stream: Iterator[Episode] = (kinds[number % len(kinds)](number) for number in range(5))
    made = make_batch(tiny.tokenizer(), stream, lambda rng: "Rain. " * 99, PLAN, Random(7), HEAD + TOP_K)
    assert (made.document_lengths == 0).any(), "rows that hold nothing count for nothing"
    return made


def memory_model(**settings: Any) -> Backbone:
    """A random memory model that chooses `TOP_K` documents."""
    return tiny.model(seed=3, **({"top_k": TOP_K} | settings))


def attended(documents: int, forced: bool) -> Attended:
    """One curriculum for all samples."""
    samples = sum(rows for rows, _ in PLAN.samples)
    return Attended(torch.full((samples,), documents), torch.full((samples,), forced))


def run(decoder: Decoder, made: Batch, dials: Attended, remembered: Remembered | None = None) -> Outcome:
    """The pass over a batch."""
    return run_batch(decoder, made, HEAD, dials, remembered)


def samples(made: Batch) -> list[int]:
    """The rows that hold a sample."""
    return [row for row, kind in enumerate(made.kinds) if kind]
