"""Questions about invented facts: one fact, several facts at once, and what the memory does not hold."""

from __future__ import annotations

from random import Random

from msa_bench.model.prompts import NOT_IN_MEMORY
from msa_bench.relations import Fact, phrase, pick, question
from msa_bench.training.episodes import chains, needles
from msa_bench.training.episodes.documents import hide
from msa_bench.training.episodes.episode import Episode, Generate, listed, one_round
from msa_bench.training.episodes.world import WORLD

_SEVERAL = ("Name {}.", "Give {}.", "I would like to know {}.", "Please tell me {}.", "What are {}?", "Look up {}.")
_PROFILE_SHARE = 0.3
_ABSENT_NEEDLE_SHARE = 0.5


def fact(rng: Random) -> Episode:
    """One fact; near it stand the same relation of other entities, a lookalike among them, and the same entity."""
    asked = WORLD.fact(rng, pick(rng, WORLD.relations))
    negatives = [WORLD.fact(rng, asked.relation) for _ in range(1 + int(rng.random() * 2))]
    negatives.append(_lookalike(rng, asked))
    other = WORLD.other_fact(rng, asked)
    if other is not None:
        negatives.append(other)
    gold = _profile(rng, asked, other) if rng.random() < _PROFILE_SHARE else hide(rng, [asked.state(rng)])
    others = [chains.lone_fact(rng, each) for each in negatives]
    return one_round("fact", question(rng, [asked]), [gold], [one.documents[0] for one in others],
                     asked.object.name, others)  # fmt: skip


def several_facts(rng: Random) -> Episode:
    """Two or three facts asked for at once, each in a document of its own: one relation or one entity in common."""
    count = 2 + int(rng.random() * 1.5)
    first = WORLD.fact(rng, pick(rng, WORLD.relations))
    asked, used = [first], {first.relation.name}
    while len(asked) < count:
        other = WORLD.other_fact(rng, first) if rng.random() < 0.5 else None
        if other is not None and other.relation.name not in used:
            asked.append(other)
            used.add(other.relation.name)
        else:
            asked.append(WORLD.fact(rng, first.relation))
    order = rng.sample(range(len(asked)), len(asked))
    things = [phrase(rng, [asked[place]]) for place in order]
    gold = [hide(rng, [each.state(rng)]) for each in asked]
    others = [chains.lone_fact(rng, _lookalike(rng, each)) for each in asked[:2]]
    answer = ", ".join(each.object.name for each in asked)
    documents = (*gold, *(one.documents[0] for one in others))
    return Episode(
        "facts", pick(rng, _SEVERAL).format(listed(things)), (tuple(order),), documents, answer, tuple(others)
    )


def absent(rng: Random) -> Episode:
    """A needle or a question about an entity the memory says nothing of, while hard negatives of other names are there.
    Of an entity that is there nothing is denied: whoever learned to would deny what it merely does not recognise."""
    if rng.random() < _ABSENT_NEEDLE_SHARE:
        episode = pick(rng, _NEEDLES)(rng)
        asked, documents = episode.question, episode.documents[sum(map(len, episode.rounds)) :]
    else:
        facts = WORLD.chain(rng, WORLD.path(rng, pick(rng, (1, 1, 2))))
        others = [WORLD.fact(rng, facts[0].relation), _lookalike(rng, facts[0])]
        asked, documents = question(rng, facts), tuple(hide(rng, [each.state(rng)]) for each in others)
    return Episode("absent", asked, (), documents, NOT_IN_MEMORY)


def _lookalike(rng: Random, fact: Fact) -> Fact:
    """The same relation of a subject with a similar name, and not by chance with the same object, such as a year."""
    while True:
        other = WORLD.fact(rng, fact.relation, WORLD.lookalike(rng, fact.subject))
        if other.object != fact.object:
            return other


def _profile(rng: Random, fact: Fact, elsewhere: Fact | None) -> str:
    """A document with more than one fact about the subject, none of which contradicts the one told `elsewhere`."""
    facts, names = [fact], {each.relation.name for each in (fact, elsewhere) if each is not None}
    for _ in range(1 + int(rng.random() * 3)):
        other = WORLD.other_fact(rng, fact)
        if other is not None and other.relation.name not in names:
            facts.append(other)
            names.add(other.relation.name)
    rng.shuffle(facts)
    return hide(rng, [each.state(rng) for each in facts])


_NEEDLES: tuple[Generate, ...] = (needles.single, needles.multikey, needles.needle_haystack, needles.multivalue)
