"""Episodes from real text: titles and headwords with what is written under them, and questions with their passages.

The text is read from the caller's files (`title_text_pairs.jsonl.gz`, `qa_pairs.jsonl.gz`); none is in this package.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

from msa_bench.relations import pick
from msa_bench.training.episodes.episode import Episode, Generate, one_round
from msa_bench.training.episodes.files import Pair, Passage, read_pairs, read_titles
from msa_bench.training.episodes.passages import opening, tidy, window
from msa_bench.training.episodes.similar import Shelf, answers

_REQUESTS = (
    "{}", "Which document describes {}?", "What does the memory say about {}?", "Tell me about {}.", "What is {}?",
    "Find the entry for {}.", "Look up {}.", "Explain {}.", "Where is {} described?", "What is known about {}?",
    "Give the beginning of the text on {}.", "I am looking for {}.", "What is written under {}?",
)  # fmt: skip
_MEANINGS = ("Which word or term means: {}?", "What is the word for {}?", "Which headword is defined as {}?")
_CLAIMS = ("Which study bears on this claim: {}", "Is there evidence on this: {}", "Find a study about: {}")
_SYNONYMS = re.compile(r"\s*\[syn:[^\]]*\]")
_BRACES = re.compile(r"[{}]")

_MIN_WORDS, _MAX_WORDS = 40, 380
_SHORTEST_BODY, _SHORTEST_ALONE, _ANSWER_WORDS = 4, 10, 20
_STRIPPED_SHARE, _MEANING_SHARE, _TITLED_SHARE = 0.4, 0.15, 0.7
# Sets whose questions need several passages, one leading to the next.
_MULTI_HOP = frozenset({"2wiki_train500", "hotpot_train100", "hotpot_rpt_train", "musique_train100"})
_TWO_ROUNDS_SHARE = 0.8
# Few rows have several gold passages, and reading on after the first is what an answer to them takes.
_SEVERAL_SHARE = 0.3
_STORIES, _STORY_NAMED_SHARE = "fairytaleqa", 0.75
_QA_ANSWER_WORDS = 30
_QA_WORDS = (60, 75, 90, 110)
_NEAR = 3


def title_pairs(path: Path) -> Generate:
    """A generator over the `{title, text}` rows of `path`."""
    rows = read_titles(path)

    def generate(rng: Random) -> Episode:
        while True:
            row = pick(rng, rows)
            title, text = tidy(row.title), tidy(row.text)
            is_entry = text[: len(title)].lower() == title.lower()
            body = _BRACES.sub("", text[len(title) :].lstrip() if is_entry else text)
            if _says_something(title) and body.count(" ") + 1 >= _SHORTEST_BODY:
                break
        return _entry(rng, title, body) if is_entry else _section(rng, title, body)

    return generate


def qa_pairs(path: Path) -> Generate:
    """A generator over the question rows of `path`, those with several gold passages drawn more often; all of them in
    one round, sometimes in two for multi-hop.
    Passages of other rows that resemble the question are hard negatives, and asked about where they can be."""
    rows = read_pairs(path)
    several = [row for row in rows if len(row.positives) > 1 and row.source != _STORIES]
    shelf = cache(lambda: Shelf(rows))  # made by whoever draws the first episode, which takes seconds

    def generate(rng: Random) -> Episode:
        row = pick(rng, several if several and rng.random() < _SEVERAL_SHARE else rows)
        answer = _answer(row)
        gold = sorted(row.positives, key=lambda each: not _names(row.question, each))
        documents = [_document(rng, each, answer, row) for each in gold]
        near = shelf().near(row)
        others = [_other(rng, row, each, shelf()) for each in rng.sample(near, min(_NEAR, len(near)))]
        negatives = [_document(rng, each, "", row) for each in row.hard_negatives]
        negatives += [text for text, _ in others]
        further = tuple(asked for _, asked in others if asked is not None)
        named = sum(_names(row.question, each) for each in gold)
        episode = one_round("qa", _asked(rng, row), documents, negatives, answer, further)
        if row.source in _MULTI_HOP and 0 < named < len(gold) and rng.random() < _TWO_ROUNDS_SHARE:
            return replace(episode, kind="qa_two_rounds", rounds=(tuple(range(named)), tuple(range(named, len(gold)))))
        return episode

    return generate


def _says_something(title: str) -> bool:
    """Whether the last part of a title is words and not a mark of the page's layout."""
    last = title.rpartition(" > ")[2]
    return sum(map(str.isalpha, last)) > 1 and last != "Navigation"


def _entry(rng: Random, head: str, body: str) -> Episode:
    """A dictionary entry, found by its headword, which may be left out of it, or by its meaning."""
    plain = _SYNONYMS.sub("", body)
    meaning = opening(plain, _ANSWER_WORDS)
    if rng.random() < _MEANING_SHARE and head.lower() not in meaning.lower():
        document = window(rng, f"{head} {body}", _limit(rng), head)
        return one_round("meaning", pick(rng, _MEANINGS).format(meaning), [document], [], head)
    if plain.count(" ") + 1 >= _SHORTEST_ALONE and rng.random() < _STRIPPED_SHARE:
        document = window(rng, plain, _limit(rng), meaning)
    else:
        document = window(rng, f"{head} {body}", _limit(rng), head)
    return one_round("pair", pick(rng, _REQUESTS).format(head), [document], [], meaning)


def _section(rng: Random, title: str, body: str) -> Episode:
    """A section of a manual, found by the path of titles that leads to it; a long one is a window of it."""
    text = window(rng, body, _limit(rng))
    answer = opening(text, _ANSWER_WORDS)
    document = f"{title}\n{text}" if rng.random() < _TITLED_SHARE else text
    page, _, section = title.rpartition(" > ")
    asked = title if not page or rng.random() < 0.5 else f"{section} ({page})"
    return one_round("pair", pick(rng, _REQUESTS).format(asked), [document], [], answer)


def _limit(rng: Random) -> int:
    """Words a document may have; short ones are the rule, as in the memories the model meets."""
    return _MIN_WORDS + int(rng.random() ** 2 * (_MAX_WORDS - _MIN_WORDS))


def _asked(rng: Random, row: Pair) -> str:
    asked = tidy(row.question)
    if not row.answers:
        return pick(rng, _CLAIMS).format(asked)
    if row.source == _STORIES and rng.random() < _STORY_NAMED_SHARE:
        return f"{asked} (In the story: {row.positives[0].title})"
    return asked


def _answer(row: Pair) -> str:
    """The first short answer, else how the first begins; a row without answers is a claim and asks for a title."""
    if not row.answers:
        return tidy(row.positives[0].title) or opening(tidy(row.positives[0].text), _QA_ANSWER_WORDS)
    short = (each for each in row.answers if each.count(" ") < _QA_ANSWER_WORDS)
    return tidy(next(short, None) or opening(tidy(row.answers[0]), _QA_ANSWER_WORDS))


def _document(rng: Random, passage: Passage, keep: str, row: Pair) -> str:
    """A window of `passage` that holds `keep`, or all of it where the answer to `row` is not `keep` word for word or
    leads to a further passage."""
    body = tidy(passage.text)
    whole = row.source in _MULTI_HOP or keep not in body
    text = window(rng, body, _MAX_WORDS if whole else pick(rng, _QA_WORDS), keep)
    return f"{tidy(passage.title)}\n{text}" if passage.title else text


def _other(rng: Random, row: Pair, passage: Passage, shelf: Shelf) -> tuple[str, Episode | None]:
    """A `passage` that does not answer `row` as a document, with a question it answers and the passages of `row` do
    not, if there is one."""
    free = [one for one in shelf.asked(passage) if not any(answers(one, gold) for gold in row.positives)]
    if not free:
        return _document(rng, passage, "", row), None
    asked = pick(rng, free)
    text = _document(rng, passage, _answer(asked), asked)
    return text, one_round("qa", _asked(rng, asked), [text], [], _answer(asked))


def _names(question: str, passage: Passage) -> bool:
    """Whether the question names the passage's title, without what stands in brackets after it."""
    title = passage.title.split(" (")[0].strip().lower()
    return bool(title) and title in question.lower()
