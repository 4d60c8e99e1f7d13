"""Questions about real passages nobody asked about: a sentence of one, with a question word for a part of it.

As in unsupervised question answering by clozes (Lewis et al. 2019), the question word stays where the answer stood.
Sets of questions cover few subjects; their passages, those that only look right among them, cover thousands.

passage:  "Steepletop: ... It was declared a National Historic Landmark on November 11, 1971."
question: "Steepletop was declared a National Historic Landmark on what date?"
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

from msa_bench.relations import pick
from msa_bench.training.episodes.episode import Episode, Generate, one_round
from msa_bench.training.episodes.files import Pair, Passage, read_pairs
from msa_bench.training.episodes.passages import opening, sentences, tidy, window
from msa_bench.training.episodes.similar import Shelf

_STORIES = "fairytaleqa"
_TITLE_WORDS = 7
_FEWEST_WORDS, _MOST_WORDS = 6, 40
_PASSAGE_WORDS = (60, 75, 90, 110)
_ANSWER_WORDS = 20
_NEAR = 3
_TWO_SHARE, _TITLE_SHARE, _ABOUT_SHARE = 0.2, 0.15, 0.2
_NAMED_SHARE, _CUT_SHARE = 0.75, 0.5
_CUT_BEFORE, _CUT_AFTER = 8, 3

_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_NAME = r"[A-Z][\w'’.-]*\w(?: (?:(?:of|de|von|van|the|and) (?:the )?)?[A-Z][\w'’.-]*\w)*"
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
_BORN = re.compile(r"\bborn\b[^.;)]*?\b(1[5-9]\d\d|20[0-2]\d)\b")
_FILM = re.compile(r"\bis an? (1[89]\d\d|20[0-2]\d) [^.]*?\bfilm\b")
_ABOUT = (
    "Who or what is {}?", "What is {}?", "Tell me about {}.", "What does the memory say about {}?", "{}",
    "what is {}", "Describe {}.", "What kind of thing is {}?", "Who is {}?",
)  # fmt: skip
_BOTH = (
    "What are {} and {}?",
    "Tell me about {} and {}.",
    "What do {} and {} have in common?",
    "{} and {}: what are they?",
)
_OLDER = ("Who is older, {} or {}?", "Who was born first, {} or {}?", "Which of them was born earlier, {} or {}?")
_EARLIER = (
    "Which film came out first, {} or {}?",
    "Which film is older, {} or {}?",
    "Which was released earlier, {} or {}?",
)
_CLUE = ("Who or what {}?", "Which one {}?", "What {}?", "Who {}?")
_REGARDING = ("{0}: {1}", "As for {0}, {1}", "{1} (about {0})")


class Asked(NamedTuple):
    """A question, its answer, and the sentence of the passage that holds it."""

    question: str
    answer: str
    held: str


def clozes(path: Path) -> Generate:
    """A generator over the titled passages of the question rows of `path`, stories aside; passages that resemble a
    question are its hard negatives, and asked about too."""
    rows = read_pairs(path)
    shelf = cache(lambda: Shelf([row for row in rows if row.source != _STORIES]))
    titled = cache(lambda: [one for one in shelf().passages if name(one) and one.title.count(" ") < _TITLE_WORDS])

    def generate(rng: Random) -> Episode:
        while True:
            passage = pick(rng, titled())
            asked = _asked(rng, passage)
            if asked is not None:
                break
        near = shelf().near(_row(asked, passage))
        if rng.random() < _TWO_SHARE and near:
            other = pick(rng, near if rng.random() < 0.5 else titled())
            two = _two(rng, passage, other) if name(other) and name(other) != name(passage) else None
            if two is not None:
                return two
        others = [_other(rng, each) for each in rng.sample(near, min(_NEAR, len(near)))]
        return one_round(
            "cloze", asked.question, [_document(rng, passage, asked.held)], [text for text, _ in others], asked.answer,
            [one for _, one in others if one is not None],
        )  # fmt: skip

    return generate


def name(passage: Passage) -> str:
    """What a passage is about: its title without what stands in brackets after it."""
    return tidy(passage.title.split(" (")[0])


def _row(asked: Asked, passage: Passage) -> Pair:
    return Pair("", asked.question, (asked.answer,), (passage,), ())


def _asked(rng: Random, passage: Passage) -> Asked | None:
    """A question about `passage`; None where its sentences hold nothing that can be asked for."""
    drawn = rng.random()
    if drawn < _ABOUT_SHARE:
        defined = _definition(passage)
        return Asked(pick(rng, _ABOUT).format(name(passage)), defined, "") if defined else None
    found = [one for one in sentences(tidy(passage.text)) if _FEWEST_WORDS <= one.count(" ") + 1 <= _MOST_WORDS]
    if not found:
        return None
    held = pick(rng, found)
    if drawn < _ABOUT_SHARE + _TITLE_SHARE:
        return _clue(rng, held, name(passage))
    return _blank(rng, held, name(passage))


def _clue(rng: Random, held: str, title: str) -> Asked | None:
    """The sentence `held` with its subject, the title, asked for."""
    rest = held.removeprefix(title) if held.startswith(title) else _PRONOUN.sub("", held)
    rest = re.sub(r"^\s*\([^)]*\)", "", rest).strip(" .")
    if rest == held.strip(" .") or not rest[:1].islower() or title in rest:
        return None
    return Asked(pick(rng, _CLUE).format(rest), title, held)


def _blank(rng: Random, held: str, title: str) -> Asked | None:
    """The sentence `held` with a date, year, number or name in it asked for, mostly with the title named."""
    found: dict[int, tuple[re.Match[str], tuple[str, ...]]] = {}
    for pattern, words in _BLANKS:
        for match in pattern.finditer(held):
            if not _overlap(match[0], title):
                found.setdefault(match.start(), (match, words))
    if not found:
        return None
    match, words = pick(rng, list(found.values()))
    before, after = held[: match.start()].strip(), held[match.end() :].strip(" .")
    if rng.random() < _NAMED_SHARE:
        before = _PRONOUN.sub(lambda _: title, before)
    if rng.random() < _CUT_SHARE:
        before, after = " ".join(before.split()[-_CUT_BEFORE:]), " ".join(after.split()[:_CUT_AFTER])
    question = re.sub(r" (?=[,;])", "", " ".join(part for part in (before, pick(rng, words), after) if part)).strip(
        " ,;"
    )
    if rng.random() < _NAMED_SHARE and title.lower() not in question.lower():
        question = pick(rng, _REGARDING).format(title, question)
    if match[0] in question:
        return None
    return Asked(f"{question}?", match[0], held)


def _overlap(answer: str, title: str) -> bool:
    return answer.lower() in title.lower() or title.lower() in answer.lower()


def _definition(passage: Passage) -> str:
    """What the first sentence of a passage says its subject is; nothing where it does not say so."""
    first = sentences(tidy(passage.text))[0]
    found = _BE.search(first)
    if found is None or name(passage).split()[-1] not in first[: found.start()]:
        return ""
    return " ".join(found[1].split()[:_ANSWER_WORDS]).strip(" ,")


def _two(rng: Random, first: Passage, second: Passage) -> Episode | None:
    """A question about two passages, which is older where both say so; None if one does not say what it is about."""
    names = (name(first), name(second))
    documents = [_document(rng, each, "") for each in (first, second)]
    for pattern, wordings in ((_BORN, _OLDER), (_FILM, _EARLIER)):
        years = [found[1] for found in map(pattern.search, documents) if found]
        if len(set(years)) == len(documents):
            return one_round(
                "cloze_two", pick(rng, wordings).format(*names), documents, [], names[years.index(min(years))]
            )
    told = [_definition(each) for each in (first, second)]
    if not all(told):
        return None
    answer = "; ".join(f"{each}: {opening(one, 10)}" for each, one in zip(names, told, strict=True))
    return one_round("cloze_two", pick(rng, _BOTH).format(*names), documents, [], answer)


def _other(rng: Random, passage: Passage) -> tuple[str, Episode | None]:
    """A passage as a document, with a question about it where something can be asked."""
    asked = _asked(rng, passage) if name(passage) else None
    if asked is None:
        return _document(rng, passage, ""), None
    text = _document(rng, passage, asked.held)
    return text, one_round("cloze", asked.question, [text], [], asked.answer)


def _document(rng: Random, passage: Passage, keep: str) -> str:
    text = window(rng, tidy(passage.text), pick(rng, _PASSAGE_WORDS), keep or sentences(tidy(passage.text))[0])
    return f"{tidy(passage.title)}\n{text}" if passage.title else text
