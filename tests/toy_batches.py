"""Episodes of few words, and training batches of them read back as text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import accumulate, count
from random import Random
from typing import Any

import tiny

from msa_bench.model.prompts import template_head
from msa_bench.training.batch import Batch, BatchPlan, make_batch
from msa_bench.training.episodes import Episode
from msa_bench.training.samples import Habits

HEAD = len(template_head(tiny.tokenizer()))
FIRST_POSITION = HEAD + 16
HABITS = Habits(answer=1.0, retry=0.0, split=0.25)
PLAN = BatchPlan(
    bank=((24, 64), (12, 128)), samples=((10, 288), (14, 640)), tokens=9000, targets=600, prose=0.1, habits=HABITS
)
SHARED = "What everybody knows stands here."


def chain(number: int) -> Episode:
    """Two hops to a town, with one near miss for each and a passage that all episodes share."""
    return Episode(
        "chain",
        f"Where does the keeper of box {number} live?",
        ((0,), (1,)),
        (
            f"Box {number} is kept by Ann{number}.",
            f"Ann{number} lives in town {number}.",
            f"Box {number} was kept by Bob{number}.",
            f"Bob{number} lives in village {number}.",
            SHARED,
        ),
        f"town {number}",
    )


def several(number: int) -> Episode:
    """Three documents named together."""
    documents = tuple(f"Value {place} of key {number} is v{number}-{place}." for place in range(4))
    return Episode("several", f"What are the values of key {number}?", ((0, 1, 2),), documents, "three values")


def absent(number: int) -> Episode:
    """Nothing to find."""
    return Episode("absent", f"Who is {number}?", (), (f"Nobody is {number}.",), "Not there.")


EPISODES = {"chain": chain, "several": several, "absent": absent}


def made(seed: int = 0, plan: BatchPlan = PLAN, kinds: Any = (chain, several, absent)) -> Batch:
    """A batch of endless episodes of these kinds in turn."""
    return batch_of((kinds[number % len(kinds)](number) for number in count(seed * 1000)), plan, seed)


def batch_of(episodes: Iterable[Episode], plan: BatchPlan = PLAN, seed: int = 0) -> Batch:
    """A batch of these episodes, or as many as find room."""
    return make_batch(tiny.tokenizer(), iter(episodes), rain, plan, Random(seed), FIRST_POSITION)


def rain(rng: Random) -> str:
    """Prose."""
    return f"Rain {rng.random()} fell on the mill."


def with_habits(**changes: float) -> BatchPlan:
    """The plan with other habits."""
    return replace(PLAN, habits=replace(HABITS, **changes))


class Read:
    """A batch as text: the document in row r says `texts[r]` and is called `numbers[r]`; one of `rows` per sample."""

    def __init__(self, batch: Batch) -> None:
        plan = batch.plan
        widths = [width for rows, width in (*plan.bank, *plan.samples) for _ in range(rows)]
        starts = [0, *accumulate(widths)]
        self.lengths = [*batch.document_lengths.tolist(), *batch.sample_lengths.tolist()]
        self.texts: dict[int, str] = {}
        self.numbers: dict[int, int] = {}
        documents = len(batch.document_lengths)
        for row, length in enumerate(self.lengths[:documents]):
            if length:
                ids = batch.ids[batch.token[starts[row] : starts[row] + length]].tolist()
                wrapped = tiny.tokenizer().decode(ids[1:-1], control=True)
                number, _, rest = wrapped.removeprefix("[").partition("]. ")
                self.numbers[row] = int(number)
                self.texts[row] = rest.removesuffix(f"[{number}]")
        self.rows = [
            Row(batch, row, starts[documents + row], starts[documents]) for row, kind in enumerate(batch.kinds) if kind
        ]

    def number(self, text: str) -> int:
        """What the document with this text is called."""
        return {text: self.numbers[row] for row, text in self.texts.items()}[text]


class Row:
    """One sample: its `tokens`, the places of those that are `learned`, and what else it says."""

    def __init__(self, batch: Batch, row: int, start: int, base: int) -> None:
        length = int(batch.sample_lengths[row])
        mine = batch.learned & (batch.target_sample == row)
        self.tokens: list[int] = batch.ids[batch.token[start : start + length]].tolist()
        # The token before a learned one predicts it.
        self.learned: list[int] = (batch.target[mine] - batch.token[start] + 1).tolist()
        self.labels: list[int] = batch.label[mine].tolist()
        self.prompt = self.tokens[: self.learned[0]]
        self.routes: list[bool] = batch.routes[start - base : start - base + length].tolist()
        self.gold = [place for place in batch.gold[row].tolist() if place >= 0]
        self.kind = batch.kinds[row]
        self.number = int("".join(filter(str.isdigit, self.text(self.prompt).split("?")[0])))

    @property
    def naming(self) -> bool:
        """Whether the sample names documents."""
        return bool(self.gold)

    @property
    def episode(self) -> Episode:
        """The toy episode it is of."""
        return EPISODES[self.kind](self.number)

    @staticmethod
    def text(tokens: list[int]) -> str:
        """Tokens as text, control tokens included."""
        return tiny.tokenizer().decode(tokens, control=True)
