"""What can be asked of one real passage: a sentence of it with a question word for a part, or what its subject is.

As in unsupervised question answering by clozes (Lewis et al. 2019), the question word stays where the answer stood.

passage:  "Steepletop: ... It was declared a National Historic Landmark on November 11, 1971."
question: "Steepletop was declared a National Historic Landmark on what date?"
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from msa_bench.relations import pick
from msa_bench.training.episodes.episode import Episode, one_round
from msa_bench.training.episodes.files import Pair, Passage, read_pairs
from msa_bench.training.episodes.passages import sentences, tidy, window
from msa_bench.training.episodes.similar import Shelf

_STORIES = "fairytaleqa"
_NEAR = 3
_TITLE_WORDS = 7
_FEWEST_WORDS, _FEWEST_UNNAMED, _MOST_WORDS = 6, 12, 40
_PASSAGE_WORDS = (60, 75, 90, 110)
_ANSWER_WORDS = 20
_TITLE_SHARE, _ABOUT_SHARE = 0.15, 0.2
_NAMED_SHARE, _CUT_SHARE = 0.5, 0.5
_CUT_BEFORE, _CUT_AFTER = 8, 3

_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
# Atomic, so that no part of a name is taken for one where what follows the whole of it is not wanted.
_NAME = r"(?>[A-Z][\w'’.-]*\w(?: (?:(?:of|de|von|van|the|and) (?:the )?)?[A-Z][\w'’.-]*\w)*)"
_BLANKS: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (re.compile(rf"\b(?:{_MONTH} \d{{1,2}}, \d{{4}}|\d{{1,2}} {_MONTH} \d{{4}})\b"), ("what date", "which date")),
    (re.compile(r"(?<![\w,–-])(?:1\d|20)\d\d\b(?![,–-]\d)"), ("what year", "which year")),
    (re.compile(r"(?<![\w.,$])\d(?:[\d,.]*\d)?(?= [a-z]+s\b)"), ("how many",)),
    (re.compile(rf"(?<=[a-z]\b by ){_NAME}"), ("whom", "who")),
    (re.compile(rf"(?<=[a-z,] in ){_NAME}|(?<=[a-z,] at ){_NAME}|(?<=[a-z,] from ){_NAME}"), ("what place", "where")),
    (
        re.compile(rf"(?<=[a-z] )(?<!\ban )(?<!\ba ){_NAME}(?! [a-z]+(?:s|er|or|ist|an)\b)"),
        ("what", "which one", "who or what"),
    ),
)
_PRONOUN = re.compile(r"^(?:He|She|It|They)\b")
_BE = re.compile(r"\b(?:is|was|are|were) ((?:an?|the|one of) [^.;]+)")
_ABOUT = (
    "Who or what is {}?", "What is {}?", "Tell me about {}.", "What does the memory say about {}?", "{}",
    "what is {}", "Describe {}.", "What kind of thing is {}?", "Who is {}?",
)  # fmt: skip
_CLUE = ("Who or what {}?", "Which one {}?", "What {}?", "Who {}?")
_REGARDING = ("{0}: {1}", "As for {0}, {1}", "{1} (about {0})")


class Asked(NamedTuple):
    """A question, its answer, and the sentence of the passage that holds it; none where all of it is asked about."""

    question: str
    answer: str
    held: str


@cache
def read_shelf(path: Path) -> Shelf:
    """The passages of the question rows of `path`, stories aside."""
    return Shelf([row for row in read_pairs(path) if row.source != _STORIES])


def is_titled(passage: Passage) -> bool:
    """Whether a passage has a title short enough to be a name."""
    return bool(name(passage)) and passage.title.count(" ") < _TITLE_WORDS


def name(passage: Passage) -> str:
    """What a passage is about: its title without what stands in brackets after it."""
    return tidy(passage.title.split(" (")[0])


def ask(rng: Random, passage: Passage) -> Asked | None:
    """A question about `passage`; None where its sentences hold nothing that can be asked for."""
    drawn = rng.random()
    if drawn < _ABOUT_SHARE:
        defined = definition(passage)
        return Asked(pick(rng, _ABOUT).format(name(passage)), defined, "") if defined else None
    found = [one for one in short_sentences(passage) if one.count(" ") + 1 >= _FEWEST_WORDS]
    if not found:
        return None
    held = pick(rng, found)
    if drawn < _ABOUT_SHARE + _TITLE_SHARE:
        return _clue(rng, held, name(passage))
    return _blank(rng, held, name(passage))


def short_sentences(passage: Passage) -> list[str]:
    """The sentences of `passage` that are not too long for a question."""
    return [one for one in sentences(tidy(passage.text)) if one.count(" ") < _MOST_WORDS]


def of_its_subject(sentence: str, title: str) -> str:
    """`sentence` with the title in place of the pronoun it begins with, if it does."""
    return _PRONOUN.sub(lambda _: title, sentence)


def definition(passage: Passage) -> str:
    """What the first sentence of a passage says its subject is; nothing where it does not say so."""
    first = sentences(tidy(passage.text))[0]
    found = _BE.search(first)
    if found is None or name(passage).split()[-1] not in first[: found.start()]:
        return ""
    return " ".join(found[1].split()[:_ANSWER_WORDS]).strip(" ,")


def as_document(rng: Random, passage: Passage, keep: str) -> str:
    """A window of `passage` below its title that holds the sentence `keep`, or else the first one."""
    text = window(rng, tidy(passage.text), pick(rng, _PASSAGE_WORDS), keep or sentences(tidy(passage.text))[0])
    return f"{tidy(passage.title)}\n{text}" if passage.title else text


def nearest(shelf: Shelf, question: str, answer: str, gold: Sequence[Passage]) -> list[Passage]:
    """Passages that resemble `question` and neither are `gold` nor hold its `answer`."""
    return shelf.near(Pair("", question, (answer,), tuple(gold), ()))


def beside(rng: Random, near: Sequence[Passage]) -> tuple[list[str], list[Episode]]:
    """A few of the passages `near` as documents, and a question about each of which something can be asked."""
    texts, further = [], []
    for passage in rng.sample(near, min(_NEAR, len(near))):
        asked = ask(rng, passage) if name(passage) else None
        texts.append(as_document(rng, passage, asked.held if asked else ""))
        if asked:
            further.append(one_round("cloze", asked.question, texts[-1:], [], asked.answer))
    return texts, further


def _clue(rng: Random, held: str, title: str) -> Asked | None:
    """The sentence `held` with its subject, the title, asked for."""
    rest = held.removeprefix(title) if held.startswith(title) else _PRONOUN.sub("", held)
    rest = re.sub(r"^\s*\([^)]*\)", "", rest).strip(" .")
    if rest == held.strip(" .") or not rest[:1].islower() or title in rest:
        return None
    return Asked(pick(rng, _CLUE).format(rest), title, held)


def _blank(rng: Random, held: str, title: str) -> Asked | None:
    """The sentence `held` with a date, year, number or name in it asked for; whole, or with the title named."""
    found: dict[int, tuple[re.Match[str], tuple[str, ...]]] = {}
    for pattern, words in _BLANKS:
        for match in pattern.finditer(held):
            if not overlap(match[0], title):
                found.setdefault(match.start(), (match, words))
    if not found:
        return None
    match, words = pick(rng, list(found.values()))
    before, after = held[: match.start()].strip(), held[match.end() :].strip(" .")
    named = rng.random() < _NAMED_SHARE
    if not named and (title in held or held.count(" ") + 1 < _FEWEST_UNNAMED):
        return None
    if named:
        before = of_its_subject(before, title)
    if named and rng.random() < _CUT_SHARE:
        before, after = " ".join(before.split()[-_CUT_BEFORE:]), " ".join(after.split()[:_CUT_AFTER])
    question = re.sub(r" (?=[,;])", "", " ".join(part for part in (before, pick(rng, words), after) if part)).strip(
        " ,;"
    )
    if named and title.lower() not in question.lower():
        question = pick(rng, _REGARDING).format(title, question)
    if match[0] in question:
        return None
    return Asked(f"{question}?", match[0], held)


def overlap(one: str, other: str) -> bool:
    """Whether one of two names is in the other, in whatever case."""
    return one.lower() in other.lower() or other.lower() in one.lower()
