"""Needle in a haystack, the eight subtasks of RULER (Hsieh et al. 2024, arXiv:2404.06654).

    ... One of the special magic numbers for quiet-harbor is: 4821937. ...
    What is the special magic number for quiet-harbor mentioned in the provided text?

    msa-bench run --task niah --subtask niah_single_2 --length 16K

All questions of a subtask and seed share one haystack; the documents that hold a question's needles are its own and
take the place of base documents for it alone. Unlike RULER, which draws needle depth at random, depth is stratified
over the questions, so that a score can be drawn over length and depth.

Keys, values and wording of question k depend on the subtask, the seed and k; where its needles stand depends on the
number of questions asked for too, because depth is stratified over them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from msa_bench.contracts import Dataset, Question, TaskRequest
from msa_bench.errors import UserError, unknown
from msa_bench.prose import fitted_prose
from msa_bench.seeding import derive
from tasks.corpus import NeedleCorpus
from tasks.extent import EXACT_DOCUMENTS, Extent, measure
from tasks.haystack import Essay, Haystack, fitted_distractors, fitted_noise
from tasks.keys import Labels, Needle
from tasks.planted import fit
from tasks.user_text import split_files

DEFAULT_LENGTH = 16_384
ANSWER_TOKENS = 128  # what RULER sets aside for the answer, inside the length

_CACHED_COUNTS = 1 << 17


@dataclass(frozen=True)
class Subtask:
    """One row of RULER's table: the haystack, what keys and values are, and how many of them there are.

    Every key has `values` values; the first `queries` keys are asked for.
    """

    haystack: str
    key: str = "words"
    value: str = "numbers"
    keys: int = 1
    values: int = 1
    queries: int = 1

    @property
    def needles(self) -> int:
        """Needles of one question, those not asked for included."""
        return self.keys * self.values


SUBTASKS = {
    "niah_single_1": Subtask("noise"),
    "niah_single_2": Subtask("essay"),
    "niah_single_3": Subtask("essay", value="uuids"),
    "niah_multikey_1": Subtask("essay", keys=4),
    "niah_multikey_2": Subtask("needle"),
    "niah_multikey_3": Subtask("needle", key="uuids", value="uuids"),
    "niah_multivalue": Subtask("essay", values=4),
    "niah_multiquery": Subtask("essay", keys=4, queries=4),
}


class NeedleTask:
    """RULER's needle task over one shared, lazy haystack of any length."""

    name = "niah"
    description = "RULER's needles in a haystack: find what was said about a key, anywhere in the text"
    subtasks: Sequence[str] = tuple(SUBTASKS)
    main_score = "string_match_all"

    def load(self, request: TaskRequest) -> Dataset:
        """The haystack and the questions over it; a `UserError` where `request` cannot be met."""
        name = request.subtask or ""
        if name not in SUBTASKS:
            raise unknown("subtask of niah", name, SUBTASKS)
        if request.samples < 1:
            raise UserError(f"{request.samples} samples are too few; ask for at least 1.")
        if request.data is not None:
            raise UserError("niah makes its own questions and reads no --data; its text can be given with --haystack.")
        if request.pad is not None:
            raise UserError("niah has text for any length and needs no --pad; leave it out.")
        subtask = SUBTASKS[name]
        length = DEFAULT_LENGTH if request.length is None else request.length
        budget = length - ANSWER_TOKENS
        seed = derive("niah", name, request.seed)
        # A document is asked for more than once while the size is sought, but never counted twice.
        count_tokens = lru_cache(_CACHED_COUNTS)(request.count_tokens)

        needles = _needles(subtask, request.samples, seed)
        haystack = _haystack(subtask, request, budget, seed, count_tokens)
        extent = measure(haystack, budget, subtask.needles + 1, count_tokens)
        rows = [[needle.sentence for needle in row] for row in needles]
        planted = fit(
            f"the needles of {name}", haystack, extent, rows, request.doc_tokens, seed, count_tokens, ANSWER_TOKENS
        )
        corpus = NeedleCorpus(haystack, planted.base, planted.texts, derive("ids", seed))
        prefix = f"{name}/seed{request.seed}"
        questions = [
            _question(f"{prefix}/{sample:04d}", name, row, places, corpus, sample * subtask.needles)
            for sample, (row, places) in enumerate(zip(needles, planted.places, strict=True))
        ]
        return Dataset(corpus, questions, _notes(subtask, request, extent, corpus))


def _needles(subtask: Subtask, samples: int, seed: int) -> list[tuple[Needle, ...]]:
    """The needles of every question: all values of the first key, then those of the second, and so on."""
    keys, values = _labels(subtask, seed)
    if samples * subtask.needles >= min(keys.distinct, values.distinct):
        raise UserError(f"{samples} samples are more than there are different keys for; ask for fewer.")
    return [
        tuple(
            Needle(subtask.value, keys[number // subtask.values], values[number])
            for number in range(sample * subtask.needles, (sample + 1) * subtask.needles)
        )
        for sample in range(samples)
    ]


def _labels(subtask: Subtask, seed: int) -> tuple[Labels, Labels]:
    return Labels(subtask.key, derive("keys", seed)), Labels(subtask.value, derive("values", seed))


def _haystack(
    subtask: Subtask, request: TaskRequest, budget: int, seed: int, count_tokens: Callable[[str], int]
) -> Haystack:
    if subtask.haystack == "noise":
        return fitted_noise(request.doc_tokens, count_tokens)
    if subtask.haystack == "needle":
        keys, values = _labels(subtask, seed)
        reserved = request.samples * subtask.needles
        return fitted_distractors(subtask.value, keys, values, reserved, request.doc_tokens, count_tokens)
    if request.haystack is not None:
        return split_files(request.haystack, budget, subtask.needles + 1, request.doc_tokens, count_tokens)
    return Essay(fitted_prose(derive("niah essay", request.seed), request.doc_tokens, count_tokens))


def _question(
    question_id: str, name: str, needles: tuple[Needle, ...], places: tuple[int, ...], corpus: NeedleCorpus, first: int
) -> Question:
    """The question whose own texts are numbered from `first` in the corpus."""
    subtask = SUBTASKS[name]
    queried = subtask.queries * subtask.values
    own_ids = tuple(corpus.own_id(first + number) for number in range(len(needles)))
    queries = list(dict.fromkeys(needle.key for needle in needles[:queried]))
    query = queries[0] if len(queries) == 1 else f"{', '.join(queries[:-1])}, and {queries[-1]}"
    one = subtask.value.removesuffix("s")
    if queried == 1:
        text = f"What is the special magic {one} for {query} mentioned in the provided text?"
        answer_prefix = f"The special magic {one} for {query} mentioned in the provided text is"
    else:
        text = f"What are all the special magic {subtask.value} for {query} mentioned in the provided text?"
        answer_prefix = f"The special magic {subtask.value} for {query} mentioned in the provided text are"
    return Question(
        id=question_id,
        text=text,
        answers=tuple(needle.value for needle in needles[:queried]),
        gold_ids=tuple(own_id for _, own_id in sorted(zip(places[:queried], own_ids[:queried], strict=True))),
        own_ids=own_ids,
        replaced_ids=tuple(corpus.ids(place) for place in places),
        subtask=name,
        depth=places[0] / (corpus.base - 1),
        intro=f"Special magic {subtask.value} are hidden in the text below. Keep them in mind while you read: "
        "a question about them follows the text.",
        answer_prefix=answer_prefix,
    )


def _notes(subtask: Subtask, request: TaskRequest, extent: Extent, corpus: NeedleCorpus) -> tuple[str, ...]:
    notes = list(corpus.haystack.notes(corpus.base))
    if extent.mean is not None:
        notes.append(
            f"The number of documents for this length was extrapolated from {EXACT_DOCUMENTS:,} evenly spaced ones."
        )
    if request.haystack is not None and subtask.haystack != "essay":
        notes.append(f"This subtask's haystack is {subtask.haystack}; the given text is not used.")
    return tuple(notes)
