"""Chains of two to four facts, each in a document of its own: the next can only be looked up once the last was read.

question: "Where was the mentor of Ada Torvane born?"
round 1:  "... Ada Torvane was apprenticed to Olin Keldaby. ..."
round 2:  "... Olin Keldaby was born in Arnbeck. ..."
answer:   "Arnbeck"
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from random import Random

from msa_bench.relations import Fact, Relation, pick, question
from msa_bench.training.episodes.documents import hide
from msa_bench.training.episodes.episode import Episode, one_round
from msa_bench.training.episodes.world import WORLD

_HOPS = (2, 2, 2, 3, 3, 4)
_OTHERS = 2
_WHOLE = 0.6


def lone_fact(rng: Random, fact: Fact) -> Episode:
    """The question for `fact`, which is told in a document of its own."""
    return one_round("fact", question(rng, [fact]), [hide(rng, [fact.state(rng)])], [], fact.object.name)


def chain(rng: Random) -> Episode:
    """A chain of two to four hops. Of none is the end missing: whoever learned to deny such ends would deny others.
    Where the whole chain of a lookalike stands beside it, that is asked about too, over the same documents."""
    hops = pick(rng, _HOPS)
    path = WORLD.path(rng, hops)
    facts = WORLD.chain(rng, path)
    asked, negatives = question(rng, facts), _negatives(rng, facts)
    others = [lone_fact(rng, each) for each in negatives]
    told = [hide(rng, [each.state(rng)]) for each in facts]
    beside = [one.documents[0] for one in others]
    twin = negatives[:hops]
    if _leads_on(twin, path):
        mirrored = (*beside[:hops], *told, *beside[hops:])
        others.insert(0, _linked(question(rng, twin), twin, mirrored))
    return _linked(asked, facts, (*told, *beside), others)


def _linked(asked: str, facts: Sequence[Fact], documents: Sequence[str], further: Sequence[Episode] = ()) -> Episode:
    """The question `asked` for a chain of `facts`, which the first of `documents` tell."""
    rounds = tuple((hop,) for hop in range(len(facts)))
    end = facts[-1].object.name
    return Episode(f"chain{len(facts)}", asked, rounds, tuple(documents), end, tuple(further), findable=False)


def _leads_on(facts: Sequence[Fact], path: Sequence[Relation]) -> bool:
    """Whether `facts` are a chain along `path`."""
    links = all(one.object == two.subject for one, two in pairwise(facts))
    return links and [fact.relation for fact in facts] == list(path)


def _negatives(rng: Random, facts: Sequence[Fact]) -> list[Fact]:
    """What a careless reader would take for a hop: the whole chain of a lookalike head, which only the head tells from
    the one asked for, or for every hop the same relation of another entity (half of the time a lookalike); and further
    facts about the first two entities. Where it can be said of the head too, what is asked of the end, which only the
    words about what lies between tell from the first hop."""
    negatives: list[Fact] = []
    whole = rng.random() < _WHOLE
    if whole:
        path = [fact.relation for fact in facts]
        negatives += WORLD.chain(rng, path, head=WORLD.lookalike(rng, facts[0].subject))
    for place, fact in enumerate(facts):
        if not whole:
            subject = WORLD.lookalike(rng, fact.subject) if rng.random() < 0.5 else None
            negatives.append(WORLD.fact(rng, fact.relation, subject))
        if place < 2:
            negatives += filter(None, (WORLD.other_fact(rng, fact) for _ in range(_OTHERS)))
    head, last = facts[0].subject, facts[-1].relation
    if last.subject == head.kind:
        negatives.append(WORLD.fact(rng, last, head))
    # Of one entity nothing is told twice, or the second would contradict the first.
    told = {(fact.relation.name, fact.subject): fact for fact in reversed((*facts, *negatives))}
    return [one for one in negatives if told[one.relation.name, one.subject] is one]
