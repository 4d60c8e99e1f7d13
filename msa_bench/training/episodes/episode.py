"""What every generator makes: one question, the documents it rests on, and what the model must write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Episode:
    """One question over a few documents; the rest of the memory comes from other episodes.

    `documents` holds the gold documents first, then hard negatives. `rounds` gives for every retrieval round the
    indices into `documents` to be named in it, in the order of the question where it has one: what is looked for next
    is then always plain. `()` means that there is nothing to find. An answer with several values
    lists them in the order of `documents`. `further` are questions about the other documents: a document costs more to
    read than a question, so each is asked about where something can be asked. Where the question tells of them all, the
    documents are `findable` at once, though they are named one after another.
    """

    kind: str
    question: str
    rounds: tuple[tuple[int, ...], ...]
    documents: tuple[str, ...]
    answer: str
    further: tuple[Episode, ...] = ()
    findable: bool = True


Generate = Callable[[Random], Episode]


def one_round(
    kind: str,
    question: str,
    gold: Sequence[str],
    negatives: Sequence[str],
    answer: str,
    further: Sequence[Episode] = (),
) -> Episode:
    """An episode whose gold documents are all named in the same round."""
    return Episode(kind, question, (tuple(range(len(gold))),), (*gold, *negatives), answer, tuple(further))


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, or `a, b, and c`, as a question names several things."""
    if len(items) < 3:
        return " and ".join(items)
    return ", ".join(items[:-1]) + f", and {items[-1]}"
