"""Open information extraction: the entities of a passage and (subject, relation, object) triples over them.

    "Levity (film)\nLevity is a 2003 drama film directed by Ed Solomon."
    -> entities  levity film, 2003, ed solomon
       triples   (levity film, is, 2003 drama film), (levity film, directed by, ed solomon)

Two backends. `heuristic`, the offline default, is rules: capitalised spans and years are entities; the sentence's
subject is its first entity where it begins with it, else the passage's title (which also stands for "He", "The film",
or part of its own name); "X is a Y", "the R of X is Y" and "one of the R for X is: Y" are read as such. `llm` asks a
language model for JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Triple = tuple[str, str, str]

MOST_TRIPLES = 40
"""Triples kept of one passage; bounds what a passage can add to the graph."""

_SENTENCE = re.compile(r"(?<=[.!?])[\"”’')\]]*\s+(?=[\"“‘'(\[]*[A-Z0-9])|\n+")
_NAME = r"(?:[^\W\d_a-z]|[0-9]+[^\W\d_])[\w’'.&-]*"
_JOINED = r"(?:\s+(?:of|the|de|du|da|del|di|la|le|van|von|der|den|bin|ibn|al)){1,2}(?=\s+[^\W\d_a-z])"
_ENTITY = re.compile(
    rf"{_NAME}(?:(?:{_JOINED})?\s+(?:{_NAME}|\d+\b))*|\b\d{{1,2}}\s+[A-Z]\w+\s+\d{{4}}\b|\b\d{{3,4}}s?\b"
)
_COPULA = re.compile(r"\b(?:is|was|are|were)\s+(?:an?|the|one of the)?\s*((?:[\w’'-]+\s*){1,5})")
_RELATION_IS = re.compile(
    r"\b[Tt]he\s+([a-z][\w\s-]{1,40}?)\s+(?:of\s+(.+?)|for\s+(\S+(?:\s+\S+){0,3}?))\s+(?:is|was|are|were):?\s+([^,.;]+)"
)
_OPENERS = frozenset(
    re.findall(
        r"\w+",
        "a an the in on at by for from with after before during since until when while he she it his her its they "
        "their this that these those there as of to and but or if not is was both also however although because one",
    )
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was read in one passage; names are normalised. `failed` says that the backend's reply was unusable."""

    entities: tuple[str, ...] = ()
    triples: tuple[Triple, ...] = ()
    failed: bool = False


class OpenIE(Protocol):
    """A backend: `name` and settings for the record and the cache, and extractions of passages, in order."""

    name: str

    def extract(self, passages: Sequence[str]) -> Iterator[Extraction]: ...


def normalise(name: str) -> str:
    """A name as a node: lower-cased, everything but ASCII letters, digits and spaces a space (HippoRAG's rule)."""
    return " ".join(re.sub(r"[^A-Za-z0-9 ]", " ", name).lower().split())


class Heuristic:
    """Extraction by rules, at thousands of passages per second; no model, no network."""

    name = "heuristic-2"

    def extract(self, passages: Sequence[str]) -> Iterator[Extraction]:
        for passage in passages:
            yield by_rules(passage)


def by_rules(passage: str) -> Extraction:
    """Entities and triples of one passage by the rules in this module's docstring."""
    first, line_break, rest = passage.partition("\n")
    title, body = (first.strip(), rest) if line_break and len(first) <= 150 else ("", passage)
    triples: list[Triple] = []
    names: dict[str, None] = dict.fromkeys([title] if title else [])
    for sentence in filter(None, map(str.strip, _SENTENCE.split(body))):
        spans = _entities(sentence)
        names.update(dict.fromkeys(text for _, _, text in spans))
        triples += _triples(sentence, spans, title)
    wanted = ((normalise(a), " ".join(b.split()), normalise(c)) for a, b, c in triples)
    kept = dict.fromkeys(one for one in wanted if one[0] and one[2] and one[0] != one[2])
    entities = dict.fromkeys(filter(None, map(normalise, names)))
    return Extraction(tuple(entities), tuple(kept)[:MOST_TRIPLES])


def _entities(sentence: str) -> list[tuple[int, int, str]]:
    """Start, end and text of the names and years of a sentence; a capital that only begins a sentence is none."""
    found = []
    for match in _ENTITY.finditer(sentence):
        start, text = match.start(), match.group().rstrip(".'’-&")
        words = text.split()
        while words and words[0].lower() in _OPENERS:
            start += len(text) - len(text.partition(words[0])[2].lstrip())
            text = text.partition(words[0])[2].lstrip()
            words = words[1:]
        if words and (len(text) > 1 or text.isdigit()):
            found.append((start, start + len(text), text))
    return found


def _triples(sentence: str, spans: Sequence[tuple[int, int, str]], title: str) -> Iterator[Triple]:
    if described := _RELATION_IS.search(sentence):
        relation, whole, named_for, value = described.groups()
        yield whole or named_for, relation, value
    if not spans and not title:
        return
    begins = bool(spans) and len(sentence[: spans[0][0]].split()) <= 1 and not spans[0][2][0].isdigit()
    named = begins and not _part_of(spans[0][2], title)
    subject = spans[0][2] if named or not title else title
    if copula := _COPULA.search(sentence):
        yield subject, "is", copula.group(1)
    last, relation = (spans[0][1] if begins else 0), ""
    for start, end, text in spans[1 if begins else 0 :]:
        between = re.findall(r"[\w’'-]+", sentence[last:start])[-6:]
        # In a list ("starring A, B and C") every name has the relation of the first.
        relation = " ".join(between) if set(between) - {"and", "or"} else relation or "of"
        yield subject, relation, text
        last = end
    if named and title:
        yield title, "mentions", subject


def _part_of(name: str, title: str) -> bool:
    """Whether `name` is the title or shares its last or first word, as a surname does."""
    words, of = normalise(name).split(), set(normalise(title).split())
    return bool(words) and set(words) <= of


PROMPT = """Extract named entities and facts from the passage. Reply with one JSON object and nothing else:
{{"entities": ["..."], "triples": [["subject", "relation", "object"], ...]}}
Every triple has at least one of the entities as its subject or object. Write names in place of pronouns.

Passage:
{passage}"""


def parse_reply(reply: str) -> Extraction:
    """The extraction in a model's reply; `failed` where it holds no such JSON object."""
    start, end = reply.find("{"), reply.rfind("}")
    try:
        content: Any = json.loads(reply[start : end + 1])
        entities = [normalise(str(one)) for one in content["entities"]]
        rows = [one for one in content["triples"] if isinstance(one, list) and len(one) == 3]
        triples = [(normalise(str(a)), " ".join(str(b).split()), normalise(str(c))) for a, b, c in rows]
    except (ValueError, KeyError, TypeError):
        return Extraction(failed=True)
    kept = dict.fromkeys(one for one in triples if one[0] and one[2])
    return Extraction(tuple(dict.fromkeys(filter(None, entities))), tuple(kept)[:MOST_TRIPLES])
