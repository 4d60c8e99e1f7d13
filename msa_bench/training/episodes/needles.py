"""Needles: a value said to belong to a key somewhere in the memory, in RULER's structure and many other wordings.

    document: "... The mill stood empty. One of the special magic numbers for gilded-petrel is: 4821950. ..."
    question: "What is the special magic number for gilded-petrel mentioned in the provided text?"
    answer:   "4821950"

A quarter of the episodes, and half of those over nothing but needles, have RULER's own wording (Hsieh et al. 2024),
because evaluation has; keys and seeds never are evaluation's. The others combine what the value is called, how it is
stated and how it is asked for at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from msa_bench.relations import pick
from msa_bench.training.episodes.documents import hide
from msa_bench.training.episodes.episode import Episode, listed, one_round
from msa_bench.training.episodes.keys import key, lookalike, uuid, value

_RULER_SHARE, _RULER_HAYSTACK_SHARE, _UUID_HAYSTACK_SHARE = 0.25, 0.5, 0.35
_CROWD_SHARE, _CROWD = 0.3, 15
_RULER_STATEMENT = "One of the special {names} for {key} is: {value}."
_RULER_ONE = "What is the special {name} for {key} mentioned in the provided text?"
_RULER_ALL = "What are all the special {names} for {key} mentioned in the provided text?"

_NAMES = {
    "number": (
        "magic number", "secret number", "access code", "badge number", "serial number", "locker code", "lucky number",
        "reference number", "file number", "safe combination", "ticket number", "pass code", "inventory number",
    ),
    "uuid": (
        "magic uuid", "uuid", "record identifier", "device id", "session token", "secret uuid", "tracking id",
        "registration key",
    ),
}  # fmt: skip
_STATEMENTS = (
    _RULER_STATEMENT,
    "One of the {names} for {key} is: {value}.",
    "The {name} for {key} is {value}.",
    "The {name} of {key} was recorded as {value}.",
    "{value} is the {name} assigned to {key}.",
    "For {key}, the {name} is {value}.",
    "Remember that {key} has the {name} {value}.",
    "{key} - {name}: {value}.",
    "Under {key} the register lists the {name} {value}.",
    "Note: the {name} {value} belongs to {key}.",
    "Anyone who asks about {key} should be given the {name} {value}.",
    "Please write down this {name} for {key}: {value}.",
    "According to the files, {key} goes with the {name} {value}.",
    "They gave {key} the {name} {value}.",
    "One {name} known to work for {key} is {value}.",
    "When {key} came up, somebody read out the {name}: {value}.",
)
_ONE = (
    _RULER_ONE,
    "What is the {name} for {key}?",
    "What is the {name} of {key}?",
    "Which {name} belongs to {key}?",
    "Tell me the {name} for {key}.",
    "I need the {name} of {key}.",
    "Can you find the {name} that goes with {key}?",
    "{key}: which {name} was given?",
    "Look up {key} and give its {name}.",
    "What {name} was mentioned for {key}?",
    "Do you remember the {name} for {key}?",
    "Somewhere the {name} for {key} is written down. What is it?",
    "{name} for {key}?",
)
_ALL = (
    _RULER_ALL,
    "What are the {names} for {key}?",
    "List all {names} for {key}.",
    "Which {names} belong to {key}?",
    "Find every one of the {names} that go with {key}.",
    "Give me all the {names} mentioned for {key}.",
    "What {names} were recorded for {key}?",
    "Name each of the {names} given for {key}.",
    "All {names} for {key}, please.",
)
_LINES_PER_DOCUMENT = {"number": (3, 8), "uuid": (1, 4)}


@dataclass(frozen=True, slots=True)
class _Style:
    """How one episode calls, states and asks for its values."""

    value_kind: str
    name: str
    statement: str
    one: str
    all: str

    @classmethod
    def draw(cls, rng: Random, value_kind: str | None = None, ruler: float = _RULER_SHARE) -> _Style:
        kind = value_kind or ("uuid" if rng.random() < 0.2 else "number")
        if rng.random() < ruler:
            return cls(kind, f"magic {kind}", _RULER_STATEMENT, _RULER_ONE, _RULER_ALL)
        return cls(kind, pick(rng, _NAMES[kind]), pick(rng, _STATEMENTS), pick(rng, _ONE), pick(rng, _ALL))

    @property
    def is_ruler(self) -> bool:
        return self.statement is _RULER_STATEMENT and self.one is _RULER_ONE

    def value(self, rng: Random) -> str:
        return uuid(rng) if self.value_kind == "uuid" else value(rng, digits=7 if self.is_ruler else None)

    def state(self, key: str, value: str) -> str:
        return self.statement.format(name=self.name, names=self.name + "s", key=key, value=value)

    def ask(self, keys: Sequence[str], several: bool) -> str:
        form = self.all if several else self.one
        return form.format(name=self.name, names=self.name + "s", key=listed(keys))


def single(rng: Random) -> Episode:
    """One key with one value; needles of unrelated keys are hard negatives, and asked about too."""
    style = _Style.draw(rng)
    wanted = _lone(rng, style, "niah_single", key(rng))
    return _among(wanted, [_lone(rng, style, "niah_single", key(rng)) for _ in range(1 + int(rng.random() * 3))])


def multikey(rng: Random) -> Episode:
    """One of several keys that look alike (half of each key is shared), each with its own value and asked about."""
    style, wanted = _Style.draw(rng), key(rng)
    first = _lone(rng, style, "niah_multikey", wanted)
    others = [_lone(rng, style, "niah_multikey", lookalike(rng, wanted)) for _ in range(2 + int(rng.random() * 3))]
    episode = _among(first, others)
    if not style.is_ruler and rng.random() < 0.3:
        other = pick(rng, [name for name in _NAMES["number"] if name != style.name])
        decoy = _Style("number", other, pick(rng, _STATEMENTS[2:]), style.one, style.all)
        return replace(episode, documents=(*episode.documents, *_lone(rng, decoy, "", wanted).documents))
    return episode


def multivalue(rng: Random) -> Episode:
    """Two to four values for one key in different documents; now and then two of them share one."""
    style = _Style.draw(rng)
    wanted = key(rng)
    values = [style.value(rng) for _ in range(_several(rng))]
    lines = [style.state(wanted, each) for each in values]
    others = [_lone(rng, style, "niah_single", lookalike(rng, wanted)) for _ in range(int(rng.random() * 3))]
    gold = [hide(rng, [lines[place] for place in group]) for group in _groups(rng, len(lines))]
    return one_round("niah_multivalue", style.ask([wanted], True), gold, _documents(others),
                     ", ".join(values), others)  # fmt: skip


def multiquery(rng: Random) -> Episode:
    """Two to four keys asked for at once, each with one value in a document of its own."""
    style = _Style.draw(rng)
    wanted = [key(rng) for _ in range(_several(rng))]
    values = [style.value(rng) for _ in wanted]
    lines = [style.state(each, found) for each, found in zip(wanted, values, strict=True)]
    others = [_lone(rng, style, "niah_single", lookalike(rng, pick(rng, wanted))) for _ in range(int(rng.random() * 3))]
    groups = _groups(rng, len(lines))
    gold = [hide(rng, [lines[place] for place in group]) for group in groups]
    asked = rng.sample(range(len(wanted)), len(wanted))
    found = dict.fromkeys(next(at for at, group in enumerate(groups) if place in group) for place in asked)
    return Episode("niah_multiquery", style.ask([wanted[place] for place in asked], True), (tuple(found),),
                   (*gold, *_documents(others)), ", ".join(values), tuple(others))  # fmt: skip


def needle_haystack(rng: Random) -> Episode:
    """One key among documents that hold nothing but needles, now and then with uuids for keys and values; one needle of
    every document is asked about. Half of the time all these keys look alike, and some of the unasked do always. Some
    episodes are a crowd: as many documents as are attended, so that the right one is told from nothing but lookalikes.
    """
    uuids = rng.random() < _UUID_HAYSTACK_SHARE
    style = _Style.draw(rng, "uuid" if uuids else "number", _RULER_HAYSTACK_SHARE)
    new_key = uuid if uuids else key
    fewest, most = _LINES_PER_DOCUMENT[style.value_kind]
    gap = pick(rng, ("\n", " "))

    wanted = new_key(rng)
    crowd = rng.random() < _CROWD_SHARE
    all_alike = crowd or rng.random() < 0.5
    count = _CROWD if crowd else 3 + int(rng.random() * 3)
    others = [lookalike(rng, wanted) if all_alike else new_key(rng) for _ in range(count)]
    taken = {wanted, *others}

    def asked(own: str, alike: bool) -> Episode:
        count = fewest + int(rng.random() * (most - fewest + 1))
        lines = [style.state(new_key(rng), style.value(rng)) for _ in range(count)]
        if alike:
            while (near := lookalike(rng, wanted)) in taken:
                pass
            lines[int(rng.random() * count)] = style.state(near, style.value(rng))
        found = style.value(rng)
        lines[int(rng.random() * count)] = style.state(own, found)
        return one_round("niah_needles", style.ask([own], False), [gap.join(lines)], [], found)

    return _among(asked(wanted, False), [asked(other, True) for other in dict.fromkeys(others) if other != wanted])


def _lone(rng: Random, style: _Style, kind: str, wanted: str) -> Episode:
    """A needle alone in its document."""
    found = style.value(rng)
    return one_round(kind, style.ask([wanted], False), [hide(rng, [style.state(wanted, found)])], [], found)


def _among(first: Episode, others: Sequence[Episode]) -> Episode:
    """`first` with the documents of `others` as its negatives, and their questions."""
    return replace(first, documents=(*first.documents, *_documents(others)), further=tuple(others))


def _documents(episodes: Sequence[Episode]) -> list[str]:
    return [text for episode in episodes for text in episode.documents]


def _several(rng: Random) -> int:
    return pick(rng, (2, 3, 4, 4))


def _groups(rng: Random, lines: int) -> list[list[int]]:
    """Lines 0, 1, ... by the document they stand in: mostly one each, now and then two neighbours in one."""
    alone = [[line] for line in range(lines)]
    if lines > 2 and rng.random() < 0.15:
        shared = int(rng.random() * (lines - 1))
        return [*alone[:shared], [shared, shared + 1], *alone[shared + 2 :]]
    return alone
