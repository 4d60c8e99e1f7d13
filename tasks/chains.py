"""Chains of facts: questions of two to four hops that can only be answered one document after the other.

    ... Nuri Coppikamp swore the oath of the Fortiregis Guild. ...    ... The Fortiregis Guild meets in Isenhoek. ...
    In which village are the meetings of the guild whose oath Nuri Coppikamp swore held?

    msa-bench run --task chains --subtask two_hop --length 128K

The question names only the head of its chain, so the document of the next hop has nothing in common with it: this is
what reading in rounds is for. Each hop has two distractors, the same relation in a chain of lookalike origin and
another relation of the same entity. Haystack, visibility and depth (of the first hop) are as in the needle task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random

from msa_bench.contracts import Dataset, Question, TaskRequest
from msa_bench.errors import UserError, unknown
from msa_bench.prose import fitted_prose
from msa_bench.relations import Fact, question
from msa_bench.seeding import derive, generator
from tasks.chain_world import WORLD
from tasks.corpus import NeedleCorpus
from tasks.extent import EXACT_DOCUMENTS, measure
from tasks.haystack import Essay, Haystack
from tasks.planted import Planted, fit
from tasks.user_text import split_files

SUBTASKS = {"two_hop": 2, "three_hop": 3, "four_hop": 4}
ANSWER_TOKENS = 128
DEFAULT_LENGTH = 131_072

_PER_HOP = 3  # documents: the fact and its two distractors
_CACHED_COUNTS = 1 << 17


@dataclass(frozen=True)
class _Chain:
    """One question, its answer, and its sentences: those of the hops in order, then those of the distractors."""

    text: str
    answer: str
    sentences: tuple[str, ...]


class ChainsTask:
    """Multi-hop questions over invented facts in one shared, lazy haystack of any length."""

    name = "chains"
    description = "chains of two to four invented facts hidden in prose: each hop can be looked up after the last one"
    subtasks: Sequence[str] = tuple(SUBTASKS)
    main_score = "string_match_all"

    def load(self, request: TaskRequest) -> Dataset:
        """The haystack and the questions over it; a `UserError` where `request` cannot be met."""
        name = request.subtask or ""
        if name not in SUBTASKS:
            raise unknown("subtask of chains", name, SUBTASKS)
        if request.samples < 1:
            raise UserError(f"{request.samples} samples are too few; ask for at least 1.")
        if request.data is not None:
            raise UserError("chains makes its own questions and reads no --data; a text can be given with --haystack.")
        if request.pad is not None:
            raise UserError("chains has text for any length and needs no --pad; leave it out.")
        hops = SUBTASKS[name]
        length = DEFAULT_LENGTH if request.length is None else request.length
        budget = length - ANSWER_TOKENS
        seed = derive("chains", name, request.seed)
        count_tokens = lru_cache(_CACHED_COUNTS)(request.count_tokens)

        chains = [_chain(generator("chain", seed, sample), hops) for sample in range(request.samples)]
        fewest = hops * _PER_HOP + 1
        haystack = _haystack(request, budget, fewest, count_tokens)
        extent = measure(haystack, budget, fewest, count_tokens)
        rows = [chain.sentences for chain in chains]
        what = f"the facts of {name}"
        planted = fit(what, haystack, extent, rows, request.doc_tokens, seed, count_tokens, ANSWER_TOKENS)
        corpus = NeedleCorpus(haystack, planted.base, planted.texts, derive("ids", seed))
        prefix = f"{name}/seed{request.seed}"
        questions = [
            _question(f"{prefix}/{sample:04d}", name, sample, chain, planted, corpus)
            for sample, chain in enumerate(chains)
        ]
        notes = haystack.notes(planted.base)
        if extent.mean is not None:
            notes += (f"The number of documents was extrapolated from {EXACT_DOCUMENTS:,} evenly spaced ones.",)
        return Dataset(corpus, questions, notes)


def _chain(rng: Random, hops: int) -> _Chain:
    """A chain with its distractors in which every entity has a name of its own."""
    while True:
        path = WORLD.path(rng, hops)
        facts = WORLD.chain(rng, path)
        lookalike = WORLD.chain(rng, path, head=WORLD.lookalike(rng, facts[0].subject))
        others = [other for fact in facts if (other := WORLD.other_fact(rng, fact))]
        if _distinct(facts, lookalike, others):
            sentences = tuple(fact.state(rng) for fact in (*facts, *lookalike, *others))
            return _Chain(question(rng, facts), facts[-1].object.name, sentences)


def _distinct(*groups: Sequence[Fact]) -> bool:
    """Whether no two facts share an object and none has the head of a chain for its object."""
    names = [fact.object.name for group in groups for fact in group]
    names += [group[0].subject.name for group in groups[:2]]
    return len(set(names)) == len(names)


def _haystack(request: TaskRequest, budget: int, fewest: int, count_tokens: Callable[[str], int]) -> Haystack:
    if request.haystack is not None:
        return split_files(request.haystack, budget, fewest, request.doc_tokens, count_tokens)
    return Essay(fitted_prose(derive("chains essay", request.seed), request.doc_tokens, count_tokens))


def _question(
    question_id: str, name: str, sample: int, chain: _Chain, planted: Planted, corpus: NeedleCorpus
) -> Question:
    places = planted.places[sample]
    own_ids = tuple(corpus.own_id(sample * len(places) + number) for number in range(len(places)))
    return Question(
        id=question_id,
        text=chain.text,
        answers=(chain.answer,),
        gold_ids=own_ids[: SUBTASKS[name]],
        own_ids=own_ids,
        replaced_ids=tuple(corpus.ids(place) for place in places),
        subtask=name,
        depth=places[0] / (planted.base - 1),
        intro="Facts about people and places are scattered over the text below. Keep them in mind while you read: a "
        "question that takes several of them follows the text.",
        answer_prefix="The answer is",
    )
