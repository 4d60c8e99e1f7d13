"""Passages that resemble a question: hard negatives a retriever finds, which random passages hardly ever are.

As in dense passage retrieval (Karpukhin et al. 2020): the best by BM25 that do not hold the answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import bm25s
import numpy as np

from msa_bench.training.episodes.files import Pair, Passage

NEAREST = 10
"""How many passages resemble a question."""

_LOOKED_AT = 4 * NEAREST
_SHORTEST_ANSWER = 3


class Shelf:
    """All passages of some rows, by their words, and the questions each of them answers alone."""

    def __init__(self, rows: Sequence[Pair]) -> None:
        self.passages = list(dict.fromkeys(one for row in rows for one in (*row.positives, *row.hard_negatives)))
        texts = [f"{passage.title} {passage.text}" for passage in self.passages]
        self._index = bm25s.BM25()
        self._index.index(bm25s.tokenize(texts, stopwords="en", show_progress=False), show_progress=False)
        self._asked = defaultdict[Passage, list[Pair]](list)
        for row in rows:
            if len(row.positives) == 1 and row.answers:
                self._asked[row.positives[0]].append(row)

    def near(self, row: Pair) -> list[Passage]:
        """The passages nearest to the question of `row` that are none of its own and hold no answer to it, the nearest
        first; none for a row without answers, where nobody knows which others would do."""
        [words] = bm25s.tokenize([row.question], stopwords="en", return_ids=False, show_progress=False)
        if not words or not row.answers:
            return []
        scores = self._index.get_scores(words)
        looked_at = np.argsort(-scores, kind="stable")[:_LOOKED_AT]
        own = {passage.text for passage in (*row.positives, *row.hard_negatives)}
        found = [self.passages[place] for place in looked_at if scores[place] > 0]
        return [one for one in found if one.text not in own and not answers(row, one)][:NEAREST]

    def asked(self, passage: Passage) -> list[Pair]:
        """The rows `passage` answers alone."""
        return self._asked.get(passage, [])


def answers(row: Pair, passage: Passage) -> bool:
    """Whether an answer of `row`, yes and no and the very shortest aside, stands in `passage`."""
    text = f"{passage.title} {passage.text}".lower()
    return any(len(answer) >= _SHORTEST_ANSWER and answer.lower() in text for answer in row.answers)
