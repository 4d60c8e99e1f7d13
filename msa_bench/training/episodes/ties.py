"""Relations put together from lists: who does what for whom, what of whose is called what, and where it is kept.

A world of a few dozen relations is learned by heart: the model answers chains of known wordings and fails on others.
These lists multiply to several hundred relations, each in a few of many wordings, so that what is left to learn is to
find whatever a phrase describes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from msa_bench.relations import Relation, pick, words

_ROLES = words("""
    accountant adviser advocate agent ally apothecary appraiser assistant attorney auditor aunt baker banker barber
    bookkeeper bricklayer broker brother butcher butler carpenter caterer caretaker chauffeur chemist chiropodist
    chronicler classmate client coach coachman colleague companion confectioner confidant cook cousin creditor critic
    customer dancing-partner daughter debtor decorator dentist deputy draughtsman dressmaker driver editor electrician
    engraver envoy executor falconer farrier father florist forester friend gardener glazier grandfather grandmother
    groom guardian guide hairdresser handyman hatter heir herald herbalist hunter illustrator informant inspector
    instructor insurer interpreter jeweller joiner lawyer librarian locksmith lodger mason masseur messenger midwife
    milliner miller mother nanny neighbour nephew niece notary nurse oculist optician organist painter partner patron
    pen-friend pharmacist photographer piano-tuner pianist plasterer plumber porter potter predecessor printer promoter
    pupil quartermaster receptionist roofer saddler secretary seller sister smith solicitor son sponsor steward
    stonecutter student successor surgeon surveyor therapist trainer treasurer-elect tutor uncle upholsterer valet
    veterinarian watchmaker weaver witness
    """)
_ROLE_STATEMENTS = (
    "The {role} of {x} is {y}.", "{y} is the {role} of {x}.", "{x} has {y} as {role}.", "{y} is {x}'s {role}.",
    "For many years {y} has been {role} to {x}.", "{x} calls {y} the best {role} one could have.",
    "Everybody knows that {y} is {role} to {x}.", "As {role}, {x} has {y}.", "{x}'s {role}, {y}, came along.",
    "When asked for a {role}, {x} names {y}.", "{y}, {role} of {x}, signed the letter.",
    "In the list {y} appears as the {role} of {x}.", "Without {y}, a {role}, {x} would be lost.",
)  # fmt: skip
_ROLE_QUESTIONS = (
    "Who is the {role} of {x}?", "Who is {x}'s {role}?", "Whom does {x} have as {role}?", "Name the {role} of {x}.",
    "What is the name of the {role} of {x}?", "Who has been {role} to {x}?", "Which person is {role} to {x}?",
)  # fmt: skip
_ROLE_PHRASES = (
    "the {role} of {x}", "the person who is {role} to {x}", "the {role} named by {x}", "the one known as {role} of {x}"
)  # fmt: skip

_DEEDS = words("""
    admires advises alarms amuses answers approves assists avoids blames calms charms cheers comforts consoles
    defends delights describes distrusts doubts dreads employs encourages envies escorts feeds finances flatters follows
    forgives greets guards guides helps hosts imitates impresses inspires interrupts introduces invites irritates
    judges lectures mentions misses mocks obeys outwits pardons pays persuades photographs pities praises promotes
    pursues questions quotes reassures recommends remembers rescues resembles respects rewards scolds shelters sketches
    supports surprises suspects tolerates trains trusts visits warns welcomes
    """)
_CHORES = words("""
    balances binds bleaches brushes carves checks cleans copies counts curls cuts decorates delivers drafts dries dyes
    examines files frames gilds grinds guards hides inspects irons labels lights lends mends oils packs paints polishes
    prepares presses prints prunes reads records repairs sells sharpens sketches sorts stamps stitches stores supplies
    translates trims tunes varnishes washes waters waxes weighs wraps writes
    """)
_GOODS = words("""
    account-books apples armchairs baskets beds beehives bells blankets bonnets boots bottles brushes buckets candles
    carpets carts chairs chests clocks coins cupboards curtains dictionaries doors drawings drums essays fences flags
    floors flutes gates gloves hats hedges invitations kites knives lamps lanterns letters locks maps medals mirrors
    nets orders paintings paddles parcels pearls photographs pipes plates portraits pots rings roses rugs saddles
    sails scissors shawls shelves shields shirts shoes sledges speeches spoons stoves swords tables tents tools toys
    trunks umbrellas vases vests violins wheels windows
    """)
_DEED_STATEMENTS = (
    "{y} {verb} {x}.", "Nobody {verb} {x} but {y}.", "It is {y} who {verb} {x}.", "{y} often {verb} {x}.",
    "{x} knows well that {y} {verb} nobody else.", "Of all people, {y} {verb} {x}.",
)  # fmt: skip
_DEED_QUESTIONS = (
    "Who {verb} {x}?",
    "Who is it that {verb} {x}?",
    "Which person {verb} {x}?",
    "Name the person who {verb} {x}.",
)
_DEED_PHRASES = ("the person who {verb} {x}", "the one that {verb} {x}", "the person that {verb} {x}")

_THINGS = words("""
    barge boarding-house cabin canary carriage castle cat chapel clock cottage cow donkey estate falcon farm ferry
    forest fountain garden goose grocery hawk hotel inkstand island kennel lighthouse locomotive magazine mansion mill
    monkey mule museum newspaper orchard orchestra parrot pavilion perfume pony printing-press quarry racehorse
    restaurant rose sailing-boat sheep shop statue studio tavern telescope theatre tortoise trawler tugboat vineyard
    violin watermill windmill workshop yacht
    """)
_THING_STATEMENTS = (
    "The {thing} of {x} is called {y}.", "{x} named a {thing} {y}.", "{y} is the name of the {thing} of {x}.",
    "{x} has a {thing} called {y}.", "{x}'s {thing} bears the name {y}.", "{y}, a {thing}, belongs to {x}.",
    "Over the years {x} grew fond of a {thing} with the name {y}.", "{x} gave the {thing} the name {y}.",
)  # fmt: skip
_THING_QUESTIONS = (
    "What is the {thing} of {x} called?", "What is the name of {x}'s {thing}?", "Which name does {x}'s {thing} bear?",
    "How is the {thing} of {x} named?", "Which {thing} belongs to {x}?", "Name the {thing} of {x}.",
)  # fmt: skip
_THING_PHRASES = ("the {thing} of {x}", "the {thing} that belongs to {x}", "the {thing} {x} named", "{x}'s {thing}")

_PLACE_VERBS = words("""
    buries:bury buys:buy collects:collect displays:display exhibits:exhibit finds:find hides:hide keeps:keep
    loads:load makes:make orders:order sells:sell ships:ship stores:store tests:test unloads:unload
    """)
_PLACE_STATEMENTS = (
    "{x} {verb} {goods} in {y}.", "In {y}, {x} {verb} {goods}.", "It is in {y} that {x} {verb} {goods}.",
    "{y} is the town where {x} {verb} {goods}.", "Once a year {x} {verb} {goods} in {y}.",
)  # fmt: skip
_PLACE_QUESTIONS = (
    "Where does {x} {base} {goods}?", "In which town does {x} {base} {goods}?",
    "Name the town where {x} {verb} {goods}.",
)  # fmt: skip
_PLACE_PHRASES = (
    "the town where {x} {verb} {goods}", "the town in which {x} {verb} {goods}", "the place where {x} {verb} {goods}"
)  # fmt: skip

_OFFICES = words("""
    archivist bell-ringer champion chancellor commissioner constable coroner executioner gatekeeper governor
    harbour-master historian judge lamplighter marshal nightwatchman official-painter patron-saint poet postmaster
    prefect ratcatcher registrar sheriff spokesman tax-collector town-crier
    """)
_WORKING_FOR = {
    "town": _OFFICES,
    "company": words("cashier chairman clerk engineer lawyer owner seller"),
    "ship": words("cook first-mate helmsman insurer owner pilot purser surgeon"),
    "school": words("bursar caretaker dean librarian patron porter rector secretary"),
}
_FACETS = {
    "town": words("castle cathedral fountain hospital market newspaper park prison theatre"),
    "company": words("brand canteen laboratory magazine warehouse"),
    "ship": words("cat lifeboat parrot"),
    "school": words("chapel choir library magazine mascot"),
}


def ties(count: int) -> Iterator[Relation]:
    """`count` relations of each of the sorts that multiply, and all of the others; the same ones every time."""
    rng = Random("ties")
    for role in _ROLES:
        yield _tie(rng, "person", "person", _ROLE_STATEMENTS, _ROLE_QUESTIONS, _ROLE_PHRASES, role=_spaced(role))
    for verb in _DEEDS:
        yield _tie(rng, "person", "person", _DEED_STATEMENTS, _DEED_QUESTIONS, _DEED_PHRASES, verb=verb)
    for verb, goods in _pairs(rng, _CHORES, _GOODS, count):
        deed = f"{verb} the {_spaced(goods)} of"
        yield _tie(rng, "person", "person", _DEED_STATEMENTS, _DEED_QUESTIONS, _DEED_PHRASES, verb=deed)
    for thing in _THINGS:
        yield _tie(rng, "person", "pet name", _THING_STATEMENTS, _THING_QUESTIONS, _THING_PHRASES, thing=_spaced(thing))
    for verbs, goods in _pairs(rng, _PLACE_VERBS, _GOODS, count):
        verb, base = verbs.split(":")
        named = {"verb": verb, "base": base, "goods": _spaced(goods)}
        yield _tie(rng, "person", "town", _PLACE_STATEMENTS, _PLACE_QUESTIONS, _PLACE_PHRASES, **named)
    for kind, roles in _WORKING_FOR.items():
        for role in roles:
            yield _tie(rng, kind, "person", _ROLE_STATEMENTS, _ROLE_QUESTIONS, _ROLE_PHRASES, role=_spaced(role))
    for kind, things in _FACETS.items():
        for thing in things:
            yield _tie(rng, kind, "pet name", _THING_STATEMENTS, _THING_QUESTIONS, _THING_PHRASES, thing=thing)


def _tie(
    rng: Random,
    subject: str,
    object: str,
    statements: Sequence[str],
    questions: Sequence[str],
    phrases: Sequence[str],
    **named: str,
) -> Relation:
    def some(forms: Sequence[str], most: int) -> tuple[str, ...]:
        kept = sorted(forms, key=lambda _: rng.random())[:most]
        return tuple(form.format(x="{x}", y="{y}", **named) for form in kept)

    name = "-".join((subject, object, *named.values()))
    return Relation(name, subject, object, some(statements, 5), some(questions, 4), some(phrases, 3))


def _pairs(rng: Random, first: Sequence[str], second: Sequence[str], count: int) -> list[tuple[str, str]]:
    """`count` different pairs."""
    found: dict[tuple[str, str], None] = {}
    while len(found) < count:
        found[pick(rng, first), pick(rng, second)] = None
    return list(found)


def _spaced(word: str) -> str:
    return word.replace("-", " ")
