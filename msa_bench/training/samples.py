"""From an episode to samples: each is one step of its interleaved answer, as generation would arrive at it.

A step names the documents of a round, or gives the answer after the last one. What the earlier rounds named and what
their documents say stands before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from msa_bench.model.prompts import (
    ANSWER_START,
    ROUTES,
    SILENT,
    Prompt,
    answer_turn,
    appended_documents,
    of_role,
    question_prompt,
)
from msa_bench.model.tokenizer import TextTokenizer
from msa_bench.training.episodes import Episode

READ = 4
"""Documents a round reads at least where it reads others beside those it names."""

_MOST_WRONG = 3
_MOST_MISSED = 2
_NAMED_RIGHT = 0.6


@dataclass(frozen=True, slots=True)
class Habits:
    """How episodes become samples: the probabilities that the answer is a sample (`answer`), that an earlier round
    named a wrong document (`retry`, and again for a further one), that several gold documents were named in two rounds
    (`split`), that earlier rounds read four documents whatever they named, as generation does with
    `Limits.documents_read` (`beside`): which of them is right then shows in the text alone; and that no text of named
    documents is appended at all, as with `Switches.original_text` off (`textless`). Of rounds with others beside,
    `at_once` is how often one had also read what the next names, and `missed` how often one before it had read nothing
    it sought (and again for a second)."""

    answer: float = 0.2
    retry: float = 0.1
    split: float = 0.25
    beside: float = 0.0
    at_once: float = 0.35
    missed: float = 0.0
    textless: float = 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One step: `tokens`, which of them route (`routes`) and which are to be learned (`learned`); `gold` are the
    numbers of the documents it names, empty where it answers, and `ahead` those of later steps that its question tells
    of already."""

    kind: str
    tokens: tuple[int, ...]
    routes: tuple[bool, ...]
    learned: tuple[bool, ...]
    gold: tuple[int, ...]
    ahead: tuple[int, ...]

    @property
    def naming(self) -> bool:
        """Whether the step is a retrieval round."""
        return bool(self.gold)


def samples_of(
    tokenizer: TextTokenizer,
    episode: Episode,
    numbers: Sequence[int],
    elsewhere: Mapping[int, str],
    habits: Habits,
    rng: Random,
) -> Iterator[Sample]:
    """Samples of an episode whose documents are called `numbers`: up to two of its retrieval steps, and sometimes its
    answer. `elsewhere` holds other documents by number, of which a wrong one may be named."""
    texts = dict(zip(numbers, episode.documents, strict=True))
    rounds = [[numbers[index] for index in found] for found in episode.rounds if found]
    if len(rounds) == 1 and len(rounds[0]) > 1 and rng.random() < habits.split:
        shuffled = rng.sample(rounds[0], len(rounds[0]))
        cut = rng.randrange(1, len(shuffled))
        rounds = [[each for each in rounds[0] if each in part] for part in (shuffled[:cut], shuffled[cut:])]
    steps = rng.sample(range(len(rounds)), min(len(rounds), 2))
    if not rounds or rng.random() < habits.answer:
        steps.append(len(rounds))
    gold = {number for found in rounds for number in found}
    known = {**elsewhere, **texts}
    # Where there is no such habit nothing is drawn, so that older training files still make the same samples.
    if habits.textless and rng.random() < habits.textless:
        named = [_Round(sorted(found), ()) for found in rounds]
        for step in steps:
            yield _sample(tokenizer, episode, named[:step], known, rounds[step:])
        return
    if habits.beside and rng.random() < habits.beside:
        others = [number for number in texts if number not in gold]
        yield from _beside(tokenizer, episode, rounds, steps, others, known, habits, rng)
        return
    for step in steps:
        earlier = [list(found) for found in rounds[:step]]
        mistaken: list[int] = []
        while len(mistaken) < _MOST_WRONG and rng.random() < habits.retry:
            wrong = _wrong(texts, elsewhere, gold.union(mistaken), rng)
            mistaken += wrong
            if earlier and rng.random() < 0.5:
                earlier[-1] = [*earlier[-1], *wrong]
            elif wrong:
                earlier.insert(rng.randint(0, len(earlier)), list(wrong))
            else:
                break
        before = [_Round(sorted(found), sorted(found)) for found in earlier]
        yield _sample(tokenizer, episode, before, known, rounds[step:])


@dataclass(frozen=True, slots=True)
class _Round:
    """An earlier round: the numbers of the documents it named, and of those whose text it appended."""

    named: Sequence[int]
    read: Sequence[int]


def _beside(
    tokenizer: TextTokenizer,
    episode: Episode,
    rounds: list[list[int]],
    steps: Sequence[int],
    others: Sequence[int],
    texts: Mapping[int, str],
    habits: Habits,
    rng: Random,
) -> Iterator[Sample]:
    """Samples of `steps` where each earlier round read more than its own documents: `others` of the episode as long as
    there are some, then any of `texts`. Two times in five it had named one of those instead, or, as the first, nothing;
    now and then it had also read what the next names all the same, and reads again, or nothing of its own."""
    gold = {number for found in rounds for number in found}
    left = rng.sample(others, len(others))
    before: list[_Round] = []

    def read_round(found: list[int], later: list[int]) -> _Round:
        seen = {number for one in before for number in one.read}
        read = list(found)
        if later and rng.random() < habits.at_once and seen.isdisjoint(later):
            read += later
        while len(read) < READ and left:
            read.append(left.pop())
        far = [number for number in texts if number not in gold.union(read, seen)]
        read += rng.sample(far, min(len(far), max(0, READ - len(read))))
        wrong = [number for number in read if number not in gold]
        named = found
        if wrong and seen.isdisjoint(found) and (not found or rng.random() >= _NAMED_RIGHT):
            named = rng.sample(wrong, rng.randint(1 if before else 0, 1))
        return _Round(sorted(named), sorted(read))

    for place, found in enumerate(rounds):
        later = rounds[place + 1] if place + 1 < len(rounds) else []
        for _ in range(_MOST_MISSED):
            if not habits.missed or rng.random() >= habits.missed:
                break
            missed = read_round([], later)
            if missed.named or not before:  # only a first round may name nothing
                before.append(missed)
        if place in steps:
            yield _sample(tokenizer, episode, before, texts, rounds[place:])
        before.append(read_round(found, later))
    if len(rounds) in steps:
        yield _sample(tokenizer, episode, before, texts, [])


def _sample(
    tokenizer: TextTokenizer,
    episode: Episode,
    earlier: Sequence[_Round],
    texts: Mapping[int, str],
    left: Sequence[Sequence[int]],
) -> Sample:
    """The step that names the first of the rounds that are `left`, or answers where none is, after the rounds `earlier`
    over documents of which `texts` gives the text."""
    gold = left[0] if left else []
    ahead = [number for found in left[1:] for number in found] if episode.findable else []
    prompt = question_prompt(tokenizer, episode.question, first_round=not earlier)
    for place, one in enumerate(earlier):
        named = [*_named(tokenizer, one.named), tokenizer.control.references_end]
        text = appended_documents(tokenizer, [(number, texts[number]) for number in one.read])
        last = place == len(earlier) - 1
        prompt += of_role(named, SILENT) + (text if last else text.silenced())
    written, learned = _target(tokenizer, episode, gold)
    whole: Prompt = prompt + of_role(written, SILENT)
    return Sample(
        episode.kind,
        tuple(whole.tokens),
        tuple(role == ROUTES for role in whole.roles),
        (False,) * len(prompt.tokens) + learned,
        tuple(gold),
        tuple(ahead),
    )


def _target(tokenizer: TextTokenizer, episode: Episode, gold: Sequence[int]) -> tuple[list[int], tuple[bool, ...]]:
    """What the model writes in a step, and which of it is learned (the inserted answer turn is not the model's)."""
    control = tokenizer.control
    if gold:
        named = [*_named(tokenizer, gold), control.references_end]
        return named, (True,) * len(named)
    inserted = answer_turn(tokenizer, episode.question)
    answer = [*tokenizer.encode(ANSWER_START + episode.answer), control.turn_end]
    ended = (True,) * len(control.end_of_retrieve)
    return [*control.end_of_retrieve, *inserted, *answer], (*ended, *(False,) * len(inserted), *(True,) * len(answer))


def _named(tokenizer: TextTokenizer, numbers: Sequence[int]) -> list[int]:
    return [token for number in numbers for token in tokenizer.encode(f"[{number}]")]


def _wrong(texts: Mapping[int, str], elsewhere: Mapping[int, str], gold: set[int], rng: Random) -> list[int]:
    """A document that is not among `gold`: one of the episode's own, or any other; none if there is no such."""
    near = [number for number in texts if number not in gold]
    # Gold documents of this episode may be another's too.
    far = [] if near else [number for number in elsewhere if number not in gold]
    return rng.sample(near or far, 1) if near or far else []
