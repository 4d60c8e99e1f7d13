"""Invented facts as text: entities with coined names, relations between them in many wordings, chains of facts.

A `World` is a set of relations and name patterns. Training and evaluation each have one of their own, with no name and
no wording in common; what they share is this machinery.

    Fact(mentor, Ada Torvane, Olin Keldaby)  ->  "Ada Torvane was apprenticed to Olin Keldaby."
    question about [mentor, birthplace]      ->  "Where was the mentor of Ada Torvane born?"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

Pattern = tuple[tuple[str, ...], ...]
"""How a name is put together: one string out of each pool, joined without spaces."""

T = TypeVar("T")


def pick(rng: Random, items: Sequence[T]) -> T:
    """One of `items`; uses `rng.random()` alone, the one method whose values no Python version changes."""
    return items[int(rng.random() * len(items))]


def words(text: str) -> tuple[str, ...]:
    """The words of `text`, for lists of names too long for a line each."""
    return tuple(text.split())


@dataclass(frozen=True, slots=True)
class Entity:
    """Something with a name; `parts` are what was picked from the pools of `pattern`."""

    kind: str
    pattern: Pattern
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        return "".join(self.parts)


@dataclass(frozen=True, slots=True)
class Relation:
    """A relation from a `subject` kind to an `object` kind, in words: `{x}` stands for the subject, `{y}` the object.

    `phrases` describe the object through the subject ("the mentor of {x}") and are what questions are nested with.
    """

    name: str
    subject: str
    object: str
    statements: tuple[str, ...]
    questions: tuple[str, ...]
    phrases: tuple[str, ...]


def relation(name: str, subject: str, object: str, statements: str, questions: str, phrases: str) -> Relation:
    """A `Relation` whose wordings are written in one string each, separated by `|`."""
    wordings = (tuple(form.strip() for form in text.split("|")) for text in (statements, questions, phrases))
    return Relation(name, subject, object, *wordings)


@dataclass(frozen=True, slots=True)
class Fact:
    """That `relation` holds between `subject` and `object`."""

    relation: Relation
    subject: Entity
    object: Entity

    def state(self, rng: Random) -> str:
        """The fact as a sentence."""
        return _capital(pick(rng, self.relation.statements).format(x=self.subject.name, y=self.object.name))


class World:
    """Relations, and the patterns that name the entities of each kind."""

    def __init__(self, relations: Iterable[Relation], patterns: Mapping[str, Sequence[Pattern]]) -> None:
        self.relations = tuple(relations)
        self.patterns = dict(patterns)
        self._of: dict[str, tuple[Relation, ...]] = {
            kind: tuple(relation for relation in self.relations if relation.subject == kind) for kind in patterns
        }
        self._leading_on = {
            kind: tuple(relation for relation in leaving if self._of[relation.object])
            for kind, leaving in self._of.items()
        }
        self._starts = tuple(kind for kind, leaving in self._leading_on.items() if leaving)

    def entity(self, rng: Random, kind: str) -> Entity:
        """A new entity with a name of its kind."""
        pattern = pick(rng, self.patterns[kind])
        return Entity(kind, pattern, tuple(pick(rng, pool) for pool in pattern))

    def lookalike(self, rng: Random, entity: Entity) -> Entity:
        """Another entity of the same kind whose name differs in a single part."""
        free = [place for place, pool in enumerate(entity.pattern) if len(pool) > 1]
        place = pick(rng, free)
        others = [part for part in entity.pattern[place] if part != entity.parts[place]]
        parts = (*entity.parts[:place], pick(rng, others), *entity.parts[place + 1 :])
        return Entity(entity.kind, entity.pattern, parts)

    def fact(self, rng: Random, relation: Relation, subject: Entity | None = None) -> Fact:
        """A fact of `relation` about `subject` (by default a new entity), with a new object."""
        return Fact(relation, subject or self.entity(rng, relation.subject), self.entity(rng, relation.object))

    def other_fact(self, rng: Random, fact: Fact) -> Fact | None:
        """A fact about the same subject in another relation; None where its kind has no other."""
        others = [relation for relation in self._of[fact.subject.kind] if relation is not fact.relation]
        return self.fact(rng, pick(rng, others), fact.subject) if others else None

    def path(self, rng: Random, hops: int) -> list[Relation]:
        """`hops` different relations, each starting at the kind of entity the one before ends at."""
        while True:
            kind, path = pick(rng, self._starts), list[Relation]()
            while len(path) < hops:
                leaving = self._leading_on if len(path) < hops - 1 else self._of
                free = [relation for relation in leaving[kind] if relation not in path]
                if not free:
                    break
                path.append(pick(rng, free))
                kind = path[-1].object
            else:
                return path

    def chain(self, rng: Random, path: Sequence[Relation], head: Entity | None = None) -> list[Fact]:
        """Facts along `path`, the object of each being the subject of the next; all entities but `head` are new."""
        facts: list[Fact] = []
        for relation in path:
            facts.append(self.fact(rng, relation, facts[-1].object if facts else head))
        return facts


def question(rng: Random, facts: Sequence[Fact]) -> str:
    """The question for the object of the last fact of a chain that names its first subject and nothing in between."""
    return _capital(pick(rng, facts[-1].relation.questions).format(x=_nested(rng, facts[:-1], facts[0].subject)))


def phrase(rng: Random, facts: Sequence[Fact]) -> str:
    """The object of the last fact of a chain, described through the first subject."""
    return _nested(rng, facts, facts[0].subject)


def _nested(rng: Random, facts: Sequence[Fact], head: Entity) -> str:
    text = head.name
    for fact in facts:
        text = pick(rng, fact.relation.phrases).format(x=text)
    return text


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
