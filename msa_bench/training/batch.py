"""From episodes to a training batch: one bank of documents shared by all questions of the batch.

Every document is encoded once and is a negative of every question it does not answer. A question becomes one sample of
one step of its interleaved answer: naming the documents of a round, or the answer after the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TypeVar

import torch
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.model.prompts import (
    ANSWER_START,
    ROUTES,
    SILENT,
    Prompt,
    answer_turn,
    appended_documents,
    of_role,
    question_prompt,
    wrap_documents,
)
from msa_bench.model.tokenizer import TextTokenizer
from msa_bench.training.episodes import Episode

Item = TypeVar("Item")

SHORTEST_BUCKET = 96
"""Tokens below which lengths are not told apart."""


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """Size and habits of a batch. Per episode, `negatives` is the share of its hard negatives that are kept, `answer`
    the probability that its answer is a sample, `retry` that an earlier round named a wrong document, `split` that
    several gold documents were named in two rounds. Texts longer than `longest_document` tokens and samples longer than
    `longest_sample` are left out: few different lengths make for few, full kernels."""

    bank_tokens: int = 48_000
    questions: int = 256
    negatives: float = 1.0
    answer: float = 0.2
    retry: float = 0.1
    split: float = 0.25
    longest_document: int = 640
    longest_sample: int = 1024


@dataclass(frozen=True, slots=True)
class Documents:
    """Documents of similar length: `ids` `[documents, width]` padded on the right, `lengths` `[documents]`."""

    ids: Tensor
    lengths: Tensor


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of similar length: `ids` `[samples, width]` padded on the right, `routes` `[samples, reach]` up to the
    last column that routes. `target_rows` and `target_columns` list the tokens to be learned; `positives`
    `[samples, documents]` are the gold documents of the step, `naming` `[samples]` the retrieval steps."""

    ids: Tensor
    routes: Tensor
    target_rows: Tensor
    target_columns: Tensor
    positives: Tensor
    naming: Tensor
    kinds: tuple[str, ...]
    tokens: int


@dataclass(frozen=True, slots=True)
class Batch:
    """A bank in buckets of similar length (documents are numbered through them) and the samples over it."""

    documents: tuple[Documents, ...]
    samples: tuple[Samples, ...]

    @property
    def tokens(self) -> int:
        """True tokens of documents and samples."""
        return sum(int(part.lengths.sum()) for part in self.documents) + sum(part.tokens for part in self.samples)


@dataclass(frozen=True, slots=True)
class _Sample:
    kind: str
    prompt: Prompt
    targets: tuple[bool, ...]
    gold: tuple[int, ...]
    naming: bool


def make_batch(
    tokenizer: TextTokenizer, episodes: Iterator[Episode], filler: Callable[[Random], str], plan: BatchPlan, rng: Random
) -> Batch:
    """One batch: episodes until the bank or the questions are full, prose for the rest of the bank. A `UserError` if
    the lengths of the plan leave too little of `episodes`."""
    asked: list[_Asked] = []
    places: dict[str, int] = {}
    budget = plan.bank_tokens
    while len(asked) < plan.questions and budget > 0:
        drawn = next(episodes, None)
        if drawn is None:
            raise UserError(f"Too few episodes fit longest_document: {plan.longest_document}; give a larger one.")
        episode = _trimmed(drawn, plan, rng)
        lengths = [len(tokens) for tokens in tokenizer.encode_many(episode.documents)]
        if max(lengths, default=0) > plan.longest_document:
            continue
        # A passage two episodes share is one document of the bank, so that it is no negative of either.
        documents = [places.setdefault(text, len(places)) for text in episode.documents]
        asked.append(_Asked(episode, documents))
        budget -= sum(lengths)
    while budget > 0:
        text = filler(rng)
        length = tokenizer.count(text)
        if length <= plan.longest_document:
            places.setdefault(text, len(places))
            budget -= length
    texts = list(places)
    numbers = _numbers(rng, len(texts))
    for one in asked:
        for found in one.episode.rounds:
            _ascend(numbers, [one.documents[index] for index in found])
    wrapped = wrap_documents(tokenizer, list(zip(numbers, texts, strict=True)))
    order = sorted(range(len(texts)), key=lambda index: len(wrapped[index]))
    bank = _Bank(tokenizer, texts, numbers, {index: row for row, index in enumerate(order)})
    samples = [sample for one in asked for sample in _samples_of(bank, one, plan, rng)]
    if not samples:
        raise UserError(f"No question fits longest_sample: {plan.longest_sample}; give a larger one.")
    samples.sort(key=lambda sample: len(sample.prompt.tokens))
    lengths = [len(sample.prompt.tokens) for sample in samples]
    return Batch(
        tuple(_documents([wrapped[index] for index in part]) for part in _buckets(order, list(map(len, wrapped)))),
        tuple(_padded(part, len(texts)) for part in _buckets(samples, lengths)),
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """An episode and where its documents are in the bank."""

    episode: Episode
    documents: list[int]


@dataclass(frozen=True, slots=True)
class _Bank:
    """The bank as text: document `index` says `texts[index]`, is called `numbers[index]` and lies at `place[index]`."""

    tokenizer: TextTokenizer
    texts: Sequence[str]
    numbers: Sequence[int]
    place: Mapping[int, int]


def _samples_of(bank: _Bank, asked: _Asked, plan: BatchPlan, rng: Random) -> Iterator[_Sample]:
    """Samples of one episode: up to two of its retrieval steps, and sometimes its answer."""
    rounds = [[asked.documents[index] for index in found] for found in asked.episode.rounds if found]
    if len(rounds) == 1 and len(rounds[0]) > 1 and rng.random() < plan.split:
        cut = rng.randrange(1, len(rounds[0]))
        shuffled = rng.sample(rounds[0], len(rounds[0]))
        rounds = [sorted(shuffled[:cut]), sorted(shuffled[cut:])]
    steps = rng.sample(range(len(rounds)), min(len(rounds), 2))
    if not rounds or rng.random() < plan.answer:
        steps.append(len(rounds))
    for step in steps:
        earlier = [list(found) for found in rounds[:step]]
        if rng.random() < plan.retry:
            wrong = _wrong(bank, asked, rounds, rng)
            if earlier and rng.random() < 0.5:
                earlier[-1] = [*earlier[-1], *wrong]
            elif wrong:
                earlier.insert(rng.randint(0, len(earlier)), wrong)
        sample = _sample(bank, asked.episode, earlier, rounds[step] if step < len(rounds) else [])
        if len(sample.prompt.tokens) <= plan.longest_sample:
            yield sample


def _sample(bank: _Bank, episode: Episode, earlier: list[list[int]], gold: list[int]) -> _Sample:
    """The step that names `gold`, or answers where there is none, after the rounds `earlier`."""
    tokenizer = bank.tokenizer
    prompt = question_prompt(tokenizer, episode.question, first_round=not earlier)
    for number, found in enumerate(earlier):
        shown = sorted((bank.numbers[index], bank.texts[index]) for index in found)
        named = [token for value, _ in shown for token in tokenizer.encode(f"[{value}]")]
        text = appended_documents(tokenizer, shown)
        last = number == len(earlier) - 1
        prompt += of_role([*named, tokenizer.control.references_end], SILENT) + (text if last else text.silenced())
    written, learned = _target(tokenizer, episode, [bank.numbers[index] for index in gold])
    return _Sample(
        episode.kind,
        prompt + of_role(written, SILENT),
        (False,) * len(prompt.tokens) + learned,
        tuple(bank.place[index] for index in gold),
        bool(gold),
    )


def _target(tokenizer: TextTokenizer, episode: Episode, gold: list[int]) -> tuple[list[int], tuple[bool, ...]]:
    """What the model writes in a step, and which of it is learned (the inserted answer turn is not the model's)."""
    control = tokenizer.control
    if gold:
        named = [token for value in sorted(gold) for token in tokenizer.encode(f"[{value}]")]
        return [*named, control.references_end], (True,) * (len(named) + 1)
    inserted = answer_turn(tokenizer, episode.question)
    answer = [*tokenizer.encode(ANSWER_START + episode.answer), control.turn_end]
    ended = (True,) * len(control.end_of_retrieve)
    return [*control.end_of_retrieve, *inserted, *answer], (*ended, *(False,) * len(inserted), *(True,) * len(answer))


def _trimmed(episode: Episode, plan: BatchPlan, rng: Random) -> Episode:
    """The episode with its gold documents and some of the others."""
    gold = 1 + max((index for found in episode.rounds for index in found), default=-1)
    others = [text for text in episode.documents[gold:] if rng.random() < plan.negatives]
    return replace(episode, documents=(*episode.documents[:gold], *others))


def _wrong(bank: _Bank, asked: _Asked, rounds: list[list[int]], rng: Random) -> list[int]:
    """A document that does not help: one of the episode's own negatives, or any other; none if all help."""
    gold = {index for found in rounds for index in found}
    near = [index for index in asked.documents if index not in gold]
    far = [index for index in rng.sample(range(len(bank.texts)), min(len(bank.texts), 64)) if index not in gold]
    return rng.sample(near or far, 1) if near or far else []


def _numbers(rng: Random, count: int) -> list[int]:
    """Distinct document numbers of up to eight digits, as many digits as banks of very different sizes have."""
    smallest = len(str(count))
    digits = rng.choice([digit for digit in (3, 4, 4, 5, 5, 6, 6, 7, 8) if digit >= smallest])
    return rng.sample(range(10**digits), count)


def _ascend(numbers: list[int], documents: list[int]) -> None:
    """Number documents named together in their order, so that an answer lists values as the appended text does."""
    for document, number in zip(documents, sorted(numbers[each] for each in documents), strict=True):
        numbers[document] = number


def _buckets(items: Sequence[Item], lengths: Sequence[int]) -> Iterator[Sequence[Item]]:
    """`items` in their order, ascending in length, cut where the longest is far from the shortest."""
    ordered = sorted(lengths)
    start = 0
    for end in range(1, len(items) + 1):
        if end == len(items) or ordered[end] > 1.7 * max(ordered[start], SHORTEST_BUCKET):
            yield items[start:end]
            start = end


def _documents(documents: Sequence[list[int]]) -> Documents:
    width = -(-max(map(len, documents)) // 8) * 8
    ids = torch.tensor([tokens + [0] * (width - len(tokens)) for tokens in documents])
    return Documents(ids, torch.tensor([len(tokens) for tokens in documents]))


def _padded(samples: Sequence[_Sample], documents: int) -> Samples:
    width = -(-max(len(sample.prompt.tokens) for sample in samples) // 8) * 8

    def padded(rows: list[list[int]]) -> Tensor:
        return torch.tensor([row + [0] * (width - len(row)) for row in rows])

    positives = torch.zeros(len(samples), documents, dtype=torch.bool)
    for row, sample in enumerate(samples):
        positives[row, list(sample.gold)] = True
    routes = padded([[int(role == ROUTES) for role in sample.prompt.roles] for sample in samples]).bool()
    target_rows, target_columns = padded([list(map(int, sample.targets)) for sample in samples]).nonzero(as_tuple=True)
    return Samples(
        padded([list(sample.prompt.tokens) for sample in samples]),
        routes[:, : int(routes.any(0).nonzero().max()) + 1],
        target_rows,
        target_columns,
        positives,
        torch.tensor([sample.naming for sample in samples]),
        tuple(sample.kind for sample in samples),
        sum(len(sample.prompt.tokens) for sample in samples),
    )


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch on `device`; document lengths stay on the CPU, where chunks are counted."""

    def moved(part: Samples) -> Samples:
        names = ("ids", "routes", "target_rows", "target_columns", "positives", "naming")
        return replace(part, **{name: getattr(part, name).to(device, non_blocking=True) for name in names})

    documents = tuple(replace(part, ids=part.ids.to(device, non_blocking=True)) for part in batch.documents)
    return Batch(documents, tuple(moved(part) for part in batch.samples))
