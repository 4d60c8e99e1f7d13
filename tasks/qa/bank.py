"""From a data set to a memory: which passages are in it, in which documents, and where the gold ones went.

A length is filled by the paper's protocol: the gold passages of the questions asked, then others until it is reached.
The others are taken in one seeded order, so a longer memory holds everything a shorter one does. Documents stand in
another seeded order and are numbered in it, so that neither place nor id gives a gold passage away.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from msa_bench.contracts import Document, Question
from msa_bench.errors import UserError
from msa_bench.prose import fitted_prose
from msa_bench.seeding import derive, generator
from tasks.extent import measure
from tasks.haystack import Essay, Haystack
from tasks.qa.data import QAData, RawQuestion
from tasks.splitting import split_text

PASSAGE_TOKENS = 1024
"""Passages are documents as they are; only one longer than this is split."""
PADDING_TOKENS = 128


@dataclass(frozen=True, eq=False)
class BankCorpus:
    """Documents of passages and of padding; document d is piece `pieces[d]` of the passage at `places[d]`.

    `split` has the pieces of the passages that are more than one document. Places from `len(passages)` on are those of
    the padding.
    """

    passages: Sequence[str]
    padding: Haystack | None
    split: Mapping[int, Sequence[str]]
    places: array[int]
    pieces: array[int]
    recipe: str
    private_ids: Sequence[int] = ()

    @property
    def fingerprint(self) -> str:
        digest = sha256(self.recipe.encode())
        digest.update(self.places.tobytes() + self.pieces.tobytes())
        return digest.hexdigest()

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, document_id: int, /) -> Document:
        if not 0 <= document_id < len(self):
            raise IndexError(f"{document_id} is outside 0..{len(self) - 1}")
        place = self.places[document_id]
        if place in self.split:
            return Document(document_id, self.split[place][self.pieces[document_id]])
        if self.padding is not None and place >= len(self.passages):
            return Document(document_id, self.padding[place - len(self.passages)])
        return Document(document_id, self.passages[place])

    def __iter__(self) -> Iterator[Document]:
        return map(self.__getitem__, range(len(self)))

    def reading_order(self, question: Question) -> Sequence[int]:
        return range(len(self))


@dataclass(frozen=True)
class Bank:
    """A memory, and the ids of the documents of every passage in it."""

    corpus: BankCorpus
    documents: dict[int, range]
    notes: tuple[str, ...]


def build_bank(
    data: QAData,
    asked: Sequence[RawQuestion],
    length: int | None,
    pad: bool,
    seed: int,
    count_tokens: Callable[[str], int],
) -> Bank:
    """The memory of `length` tokens for the questions `asked`, or of all passages.

    A `UserError` where the gold passages do not fit `length`, or where all passages together do not fill it.
    """
    chosen, tokens = _chosen(data, asked, length, seed, count_tokens)
    padding, pads = None, 0
    if length is not None and tokens is not None:
        if not pad:
            raise UserError(
                f"The bank holds {tokens:,} tokens, less than the {length:,} asked for; "
                "ask for at most that, or fill it up with --pad synthetic."
            )
        padding = Essay(fitted_prose(derive("qa padding", seed), PADDING_TOKENS, count_tokens))
        pads = max(measure(padding, length - tokens, 0, count_tokens).fits, 0)
    notes: tuple[str, ...] = (f"{pads:,} of {len(chosen) + pads:,} passages are synthetic padding.",) if pads else ()
    split: dict[int, Sequence[str]] = {}
    places, pieces = array("Q"), array("L")
    documents: dict[int, range] = {}
    own = len(data.passages)
    for place in _shuffled([*chosen, *range(own, own + pads)], "qa places", seed):
        parts = split_text(data.passages[place], PASSAGE_TOKENS, count_tokens) if place < own else [""]
        if len(parts) > 1:
            split[place] = parts
        documents[place] = range(len(places), len(places) + len(parts))
        places.extend([place] * len(parts))
        pieces.extend(range(len(parts)))
    if split:
        notes += (f"{len(split):,} passages of more than {PASSAGE_TOKENS:,} tokens were split.",)
    recipe = repr((data.sha256, padding.recipe if padding else None))
    return Bank(BankCorpus(data.passages, padding, split, places, pieces, recipe), documents, notes)


def _chosen(
    data: QAData,
    asked: Sequence[RawQuestion],
    length: int | None,
    seed: int,
    count_tokens: Callable[[str], int],
) -> tuple[Sequence[int], int | None]:
    """Places of the passages that make `length`, and their tokens if these are all there are and do not fill it."""
    if length is None:
        return range(len(data.passages)), None
    gold = list(dict.fromkeys(place for question in asked for place in question.gold))
    without = next((question for question in asked if not question.gold), None)
    if without is not None:
        raise UserError(
            f"Question {without.id!r} names no gold passage, so no part of the bank is sure to hold its answer; "
            "run it without --length."
        )
    tokens = sum(count_tokens(data.passages[place]) for place in gold)
    if tokens > length:
        raise UserError(
            f"The gold passages of {len(asked):,} questions take {tokens:,} tokens and do not fit {length:,}; "
            "ask for a greater --length or fewer --samples."
        )
    held = set(gold)
    chosen = gold
    for place in _shuffled(range(len(data.passages)), "qa distractors", seed):
        if place not in held:
            tokens += count_tokens(data.passages[place])
            if tokens > length:
                return chosen, None
            chosen.append(place)
    return chosen, tokens if tokens < length else None


def _shuffled(places: Sequence[int], *seed: object) -> list[int]:
    """`places` in a seeded order; those that two sequences share stand in the same order in both."""
    random = generator(*seed)
    keys = [random.random() for _ in range(max(places, default=-1) + 1)]
    return sorted(places, key=keys.__getitem__)
