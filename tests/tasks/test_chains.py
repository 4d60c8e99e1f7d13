from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise, product
from pathlib import Path

import pytest

from msa_bench.contracts import Dataset, TaskRequest, hidden_ids
from msa_bench.errors import UserError
from msa_bench.relations import World, phrase
from msa_bench.seeding import generator
from msa_bench.training.episodes.world import WORLD as TRAINING
from tasks.chain_world import WORLD
from tasks.chains import ANSWER_TOKENS, SUBTASKS, ChainsTask

LENGTH = 4096


def count_tokens(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))


def request(**changes: object) -> TaskRequest:
    asked: dict[str, object] = {
        "length": LENGTH, "samples": 4, "seed": 42, "count_tokens": count_tokens, "subtask": "three_hop",
    }  # fmt: skip
    return TaskRequest(**{**asked, **changes})  # type: ignore[arg-type]


@lru_cache
def loaded(subtask: str) -> Dataset:
    return ChainsTask().load(request(subtask=subtask))


def texts(dataset: Dataset, ids: tuple[int, ...]) -> list[str]:
    return [dataset.corpus[each].text for each in ids]


NAME = re.compile(
    "|".join(
        "".join(f"(?:{'|'.join(pool)})" for pool in pattern) for kind in WORLD.patterns.values() for pattern in kind
    )
)


def names(text: str) -> set[str]:
    """The names of the invented world in `text`."""
    return set(NAME.findall(text))


@pytest.mark.parametrize("subtask", SUBTASKS)
def test_gold_documents_are_in_hop_order_and_only_the_last_holds_the_answer(subtask: str) -> None:
    dataset, hops = loaded(subtask), SUBTASKS[subtask]
    for question in dataset.questions:
        (answer,) = question.answers
        assert len(question.gold_ids) == hops
        assert [answer in text for text in texts(dataset, question.gold_ids)] == [False] * (hops - 1) + [True]
        assert question.subtask == subtask


@pytest.mark.parametrize("subtask", SUBTASKS)
def test_the_question_names_its_head_alone_and_each_hop_names_the_next(subtask: str) -> None:
    dataset = loaded(subtask)
    for question in dataset.questions:
        links = [names(question.text), *map(names, texts(dataset, question.gold_ids)), set(question.answers)]
        assert len(links[0]) == 1
        assert all(len(one & two) == 1 for one, two in pairwise(links))
        assert not any(one & two for place, one in enumerate(links) for two in links[place + 2 :])


def test_no_visible_document_but_the_last_hop_holds_the_answer() -> None:
    dataset = loaded("two_hop")
    question = dataset.questions[1]
    order = dataset.corpus.reading_order(question)
    holding = [each for each in order if question.answers[0] in dataset.corpus[each].text]
    assert holding == [question.gold_ids[-1]]


def test_each_hop_has_a_distractor_of_its_entity_and_one_of_its_relation() -> None:
    dataset = loaded("four_hop")
    for question in dataset.questions:
        hops = len(question.gold_ids)
        distractors = [names(text) for text in texts(dataset, question.own_ids[hops:])]
        assert len(distractors) == 2 * hops
        gold = [names(text) for text in texts(dataset, question.gold_ids)]
        assert not any(one & two for one in gold for two in distractors[:hops])
        assert all(len(one & two) == 1 for one, two in zip(gold, distractors[hops:], strict=True))


def test_a_question_sees_its_own_documents_in_place_of_others_and_nobody_elses() -> None:
    dataset = loaded("two_hop")
    everything = set(range(len(dataset.corpus)))
    for question in dataset.questions:
        order = set(dataset.corpus.reading_order(question))
        assert order == everything - hidden_ids(dataset.corpus, question)
        assert set(question.own_ids) <= order
        assert not order.intersection(question.replaced_ids)
        assert set(question.gold_ids) <= set(question.own_ids)


def test_what_a_question_sees_fits_the_length_and_nearly_fills_it() -> None:
    dataset = loaded("three_hop")
    seen = [
        sum(count_tokens(dataset.corpus[each].text) for each in dataset.corpus.reading_order(question))
        for question in dataset.questions
    ]
    assert max(seen) <= LENGTH - ANSWER_TOKENS
    assert min(seen) > LENGTH - ANSWER_TOKENS - 4 * 128


def test_documents_stay_within_their_token_limit() -> None:
    dataset = ChainsTask().load(request(doc_tokens=64))
    assert max(count_tokens(document.text) for document in dataset.corpus) <= 64


def test_the_same_request_gives_the_same_dataset_and_another_seed_another() -> None:
    one, again, other = (ChainsTask().load(request(seed=seed)) for seed in (1, 1, 2))
    assert one.corpus.fingerprint == again.corpus.fingerprint != other.corpus.fingerprint
    assert list(one.questions) == list(again.questions)
    assert {each.text for each in one.questions}.isdisjoint(each.text for each in other.questions)


def test_questions_do_not_depend_on_the_length_nor_on_how_many_are_asked() -> None:
    short, long = loaded("three_hop"), ChainsTask().load(request(length=2 * LENGTH, samples=6))
    assert [each.text for each in long.questions[:4]] == [each.text for each in short.questions]
    assert [each.answers for each in long.questions[:4]] == [each.answers for each in short.questions]


def test_the_depth_of_the_first_hop_is_stratified() -> None:
    dataset = ChainsTask().load(request(subtask="two_hop", length=16_384))
    depths = sorted(each.depth or 0.0 for each in dataset.questions)
    assert all(layer / 4 - 0.05 <= depth <= (layer + 1) / 4 + 0.05 for layer, depth in enumerate(depths))


def test_a_users_text_can_be_the_haystack(tmp_path: Path) -> None:
    (tmp_path / "essay.txt").write_text("The old mill grinds slowly. " * 900)
    dataset = ChainsTask().load(request(haystack=tmp_path))
    question = dataset.questions[0]
    base = next(each for each in dataset.corpus.reading_order(question) if each not in question.own_ids)
    assert set(dataset.corpus[base].text.split(". ")) <= {"The old mill grinds slowly", "The old mill grinds slowly."}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subtask": "two_hops"}, "did you mean two_hop"),
        ({"subtask": None}, "no subtask of chains"),
        ({"samples": 0}, "at least 1"),
        ({"length": 300}, "too short for the facts of three_hop; the shortest that works is"),
        ({"doc_tokens": 8}, "cannot hold the facts of three_hop"),
        ({"data": Path("somewhere")}, "reads no --data"),
    ],
)
def test_what_cannot_be_met_is_explained(changes: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        ChainsTask().load(request(**changes))


# Training never sees this world


def wordings(world: World) -> set[str]:
    return {
        form
        for relation in world.relations
        for form in (*relation.statements, *relation.questions, *relation.phrases)
    }  # fmt: skip


def test_no_statement_and_no_question_template_is_one_of_training() -> None:
    assert not wordings(WORLD) & wordings(TRAINING)
    assert all(len(set(relation.statements)) >= 3 for relation in WORLD.relations)


def test_no_name_can_be_one_of_training() -> None:
    def chosen(world: World) -> set[str]:
        """What distinguishes names: the parts there is a choice of, and two of them in a row put together."""
        pools = [pool for kind in world.patterns.values() for pattern in kind for pool in pattern]
        pairs = [pair for kind in world.patterns.values() for pattern in kind for pair in pairwise(pattern)]
        single = {part for pool in pools if len(pool) > 1 for part in pool if part.strip().isalpha()}
        return single | {one + two for first, second in pairs for one, two in product(first, second)}

    assert not chosen(WORLD) & chosen(TRAINING)


def test_every_relation_of_the_world_leads_to_a_name_that_cannot_be_guessed() -> None:
    rng = generator("a test")
    for relation in WORLD.relations:
        made = {WORLD.fact(rng, relation).object.name for _ in range(60)}
        assert len(made) >= 45
        assert phrase(rng, [WORLD.fact(rng, relation)])
