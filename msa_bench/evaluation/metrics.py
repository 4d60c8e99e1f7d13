"""Scores of one answer. A score that does not apply is absent; there are no sentinel values.

Answers are compared as in SQuAD (Rajpurkar et al. 2016) and HotpotQA (Yang et al. 2018), needles as in RULER
(Hsieh et al. 2024).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence

from msa_bench.contracts import Answer, Question

RECALL_AT = (1, 5, 10, 16)
_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CONTROL = re.compile(r"[\x00-\x1f]")
_CLOSED = frozenset({"yes", "no", "noanswer"})


def score(question: Question, answer: Answer) -> dict[str, float]:
    """Every score that applies to `answer`, all in [0, 1]."""
    return {**text_scores(answer.text, question.answers), **retrieval_scores(answer, question.gold_ids)}


def text_scores(text: str, expected: Sequence[str]) -> dict[str, float]:
    """`em` and `f1` against the best expected answer, and `string_match_all` over all of them."""
    if not expected:
        return {}
    return {
        "em": max(exact_match(text, one) for one in expected),
        "f1": max(f1(text, one) for one in expected),
        "string_match_all": string_match_all(text, expected),
    }


def retrieval_scores(answer: Answer, gold: Iterable[int]) -> dict[str, float]:
    """Precision, recall and F1 of the documents an answer rests on, and recall@k of its ranking.

    A system that names no documents and ranks none does not retrieve and gets none of these. One that ranked but then
    used nothing has precision 0, as in HotpotQA's supporting-fact score.
    """
    wanted, named = set(gold), set(answer.documents)
    if not wanted or not (named or answer.ranking):
        return {}
    hits = len(wanted & named)
    scores = {
        "retrieval_precision": hits / len(named) if named else 0.0,
        "retrieval_recall": hits / len(wanted),
        "retrieval_f1": 2 * hits / (len(wanted) + len(named)),
    }
    if answer.ranking:
        ranking = list(dict.fromkeys(answer.ranking))
        scores |= {f"recall@{k}": len(wanted.intersection(ranking[:k])) / len(wanted) for k in RECALL_AT}
    return scores


def normalise(text: str) -> str:
    """Lower case, without punctuation and the articles a, an, the, with single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(text: str, expected: str) -> float:
    """1 if both are the same after `normalise`."""
    return float(normalise(text) == normalise(expected))


def f1(text: str, expected: str) -> float:
    """Harmonic mean of word precision and recall; yes, no and noanswer count only when they match exactly."""
    given, wanted = normalise(text), normalise(expected)
    if given == wanted:
        return 1.0
    if given in _CLOSED or wanted in _CLOSED:
        return 0.0
    given_words, wanted_words = given.split(), wanted.split()
    common = sum((Counter(given_words) & Counter(wanted_words)).values())
    return 2 * common / (len(given_words) + len(wanted_words)) if common else 0.0


def string_match_all(text: str, expected: Sequence[str]) -> float:
    """The share of the expected values that `text` contains, case aside, control characters read as spaces."""
    folded = _fold(text)
    return sum(_fold(one) in folded for one in expected) / len(expected)


def _fold(text: str) -> str:
    return _CONTROL.sub(" ", text).strip().lower()
