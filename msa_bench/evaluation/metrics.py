"""Scores of one answer. A score that does not apply is absent; there are no sentinel values.

Answers are compared as in SQuAD (Rajpurkar et al. 2016) and HotpotQA (Yang et al. 2018), needles as in RULER
(Hsieh et al. 2024), rankings as in trec_eval.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import log2

from msa_bench.contracts import Answer, Question
from msa_bench.evaluation.normalisers import SQUAD, Normaliser

RECALL_AT = (1, 5, 10, 16)
NDCG_AT = 10
_CONTROL = re.compile(r"[\x00-\x1f]")
_CLOSED = frozenset({"yes", "no", "noanswer"})


def score(question: Question, answer: Answer, normalise: Normaliser = SQUAD) -> dict[str, float]:
    """Every score that applies to `answer`, all in [0, 1]."""
    return {
        **text_scores(answer.text, question.answers, normalise),
        **retrieval_scores(answer, question.gold_ids, question.substitutes),
        **graded_scores(answer, question.relevance, question.substitutes),
    }


def text_scores(text: str, expected: Sequence[str], normalise: Normaliser = SQUAD) -> dict[str, float]:
    """`em`, `f1` and `containment` against the best expected answer, and `string_match_all` over all of them."""
    if not expected:
        return {}
    return {
        "em": max(exact_match(text, one, normalise) for one in expected),
        "f1": max(f1(text, one, normalise) for one in expected),
        "containment": max(containment(text, one, normalise) for one in expected),
        "string_match_all": string_match_all(text, expected),
    }


def retrieval_scores(answer: Answer, gold: Sequence[int], substitutes: Mapping[int, Sequence[int]]) -> dict[str, float]:
    """Precision, recall and F1 of the documents an answer rests on, and recall@k of its ranking.

    A gold document is found where it or one of its `substitutes` is. A system that names no documents and ranks none
    does not retrieve and gets none of these. One that ranked but then used nothing has precision 0, as in HotpotQA's
    supporting-fact score.
    """
    wanted = [{one, *substitutes.get(one, ())} for one in dict.fromkeys(gold)]
    named = set(answer.documents)
    if not wanted or not (named or answer.ranking):
        return {}
    precision = len(named & set().union(*wanted)) / len(named) if named else 0.0
    recall = _found(wanted, named)
    scores = {
        "retrieval_precision": precision,
        "retrieval_recall": recall,
        "retrieval_f1": 2 * precision * recall / (precision + recall) if precision and recall else 0.0,
    }
    if answer.ranking:
        ranking = list(dict.fromkeys(answer.ranking))
        scores |= {f"recall@{k}": _found(wanted, set(ranking[:k])) for k in RECALL_AT}
    return scores


def graded_scores(
    answer: Answer, relevance: Mapping[int, int], substitutes: Mapping[int, Sequence[int]]
) -> dict[str, float]:
    """`ndcg@10` of a ranking whose documents were graded; the substitutes of a document count once, as that one."""
    if not relevance or not answer.ranking:
        return {}
    same = {other: one for one in relevance for other in substitutes.get(one, ()) if other not in relevance}
    ranking = dict.fromkeys(same.get(one, one) for one in answer.ranking)
    return {f"ndcg@{NDCG_AT}": ndcg([relevance.get(one, 0) for one in ranking], list(relevance.values()), NDCG_AT)}


def ndcg(gains: Sequence[float], ideal: Sequence[float], k: int) -> float:
    """Discounted gain of the first `k` of a ranking over that of the best order of all grades, `ideal`.

    The gain is the grade itself, as in trec_eval, and that at rank r is divided by log2(r + 1) (Jarvelin and
    Kekalainen 2002).
    """
    best = _discounted(sorted(ideal, reverse=True)[:k])
    return _discounted(gains[:k]) / best if best else 0.0


def exact_match(text: str, expected: str, normalise: Normaliser = SQUAD) -> float:
    """1 if both are the same once normalised."""
    return float(normalise.words(text) == normalise.words(expected))


def f1(text: str, expected: str, normalise: Normaliser = SQUAD) -> float:
    """Harmonic mean of word precision and recall; yes, no and noanswer count only when they match exactly."""
    given, wanted = normalise.words(text), normalise.words(expected)
    if given == wanted:
        return 1.0
    if normalise.joint.join(given) in _CLOSED or normalise.joint.join(wanted) in _CLOSED:
        return 0.0
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted)) if common else 0.0


def containment(text: str, expected: str, normalise: Normaliser = SQUAD) -> float:
    """1 if the words of `expected` stand in a row in `text`, both normalised."""
    given, wanted = normalise.words(text), normalise.words(expected)
    starts = range(len(given) - len(wanted) + 1)
    return float(bool(wanted) and any(given[start : start + len(wanted)] == wanted for start in starts))


def string_match_all(text: str, expected: Sequence[str]) -> float:
    """The share of the expected values that `text` contains, case aside, control characters read as spaces."""
    folded = _fold(text)
    return sum(_fold(one) in folded for one in expected) / len(expected)


def _found(wanted: Sequence[set[int]], among: set[int]) -> float:
    return sum(not one.isdisjoint(among) for one in wanted) / len(wanted)


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def _fold(text: str) -> str:
    return _CONTROL.sub(" ", text).strip().lower()
