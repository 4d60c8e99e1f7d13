from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import groupby

import pytest
import tiny
from toy_batches import Read, absent, batch_of, chain, made, several, with_habits

from msa_bench.generation.interleave import Decision, Interleave, Limits, Switches, named_documents
from msa_bench.model.prompts import ROUTES, answer_turn
from msa_bench.training.episodes import Episode
from msa_bench.training.samples import READ


def test_the_gold_documents_of_a_step_are_those_it_names() -> None:
    for seed in range(4):
        batch = Read(made(seed, with_habits(retry=0.5)))
        for row in (one for one in batch.rows if one.naming):
            target = row.text([row.tokens[place] for place in row.learned])
            assert [batch.numbers[place] for place in row.gold] == named_documents(target)
            gold = {row.episode.documents[index] for found in row.episode.rounds for index in found}
            assert {batch.texts[place] for place in row.gold} <= gold
            if row.kind == "chain":
                assert len(row.gold) == 1


def test_where_the_question_tells_of_all_documents_those_of_later_rounds_are_ahead() -> None:
    made_of = made(plan=with_habits(split=1.0), kinds=(several, partial(replace_findable, chain)))
    batch = Read(made_of)
    for row, ahead in zip(batch.rows, made_of.ahead[[bool(kind) for kind in made_of.kinds]].tolist(), strict=True):
        told = {place for place in ahead if place >= 0}
        assert told.isdisjoint(row.gold)
        if row.kind == "chain":
            assert not told
        elif row.naming:
            texts = {batch.texts[place] for place in (*row.gold, *told)}
            read = {text for text in several(row.number).documents[:3] if text in row.text(row.prompt)}
            assert texts == {*several(row.number).documents[:3]} - read


def replace_findable(generate: Callable[[int], Episode], number: int) -> Episode:
    """An episode whose later documents its question does not tell of."""
    return replace(generate(number), findable=False)


def test_a_later_round_stands_after_the_text_of_the_earlier_one() -> None:
    batch = Read(made())
    steps = {
        (row.number, batch.texts[row.gold[0]]): row.text(row.prompt)
        for row in batch.rows
        if row.kind == "chain" and row.naming
    }
    assert steps
    for number in {number for number, _ in steps}:
        first, second, *_ = chain(number).documents
        called = batch.number(first)
        named = f"[{called}]<|object_ref_end|>[{called}]. {first}\n"
        assert named not in steps[number, first]
        assert steps[number, second].endswith(named + "<|object_ref_end|>")


def test_a_retrieval_step_learns_the_ids_and_their_end_and_nothing_else() -> None:
    naming = [row for row in Read(made()).rows if row.naming]
    assert {len(row.gold) for row in naming} >= {1, 3}
    for row in naming:
        learned = [row.tokens[place] for place in row.learned]
        assert row.learned == list(range(row.learned[0], len(row.tokens))), "without a gap, to the end"
        assert learned[-1] == tiny.tokenizer().control.references_end
        assert row.text(learned[:-1]).strip("[]").replace("][", "").isdigit()


def test_an_answer_step_learns_the_end_of_retrieval_and_the_answer_but_not_the_turn_put_in_between() -> None:
    control = tiny.tokenizer().control
    answers = [row for row in Read(made()).rows if not row.naming]
    assert {row.kind for row in answers} == {"chain", "several", "absent"}
    for row in answers:
        inserted = answer_turn(tiny.tokenizer(), row.episode.question)
        ended = len(row.prompt) + len(control.end_of_retrieve)
        assert row.tokens[len(row.prompt) : ended] == list(control.end_of_retrieve)
        assert row.tokens[ended : ended + len(inserted)] == inserted
        untold = set(range(len(row.prompt), len(row.tokens))) - set(row.learned)
        assert untold == set(range(ended, ended + len(inserted)))
        assert row.text(row.tokens[ended + len(inserted) :]).endswith(f": {row.episode.answer}<|im_end|>")


@pytest.mark.parametrize("retry", [0.0, 1.0])
def test_a_prompt_is_what_generation_arrives_at(retry: float) -> None:
    """Text and routing tokens, round by round, when the model names what the sample says it named."""
    batch = Read(made(1, with_habits(retry=retry, split=1.0)))
    text_of = {batch.numbers[row]: text for row, text in batch.texts.items()}.get
    machine, rounds = Interleave(tiny.tokenizer()), set()
    for row in batch.rows:
        state = machine.start(row.episode.question)
        while len(state.prompt.tokens) < len(row.prompt):
            state, decision = machine.advance(state, row.prompt[len(state.prompt.tokens) + len(state.fresh)], text_of)
            assert decision in (Decision.GO_ON, Decision.NEXT_ROUND)
        assert list(state.prompt.tokens) == row.prompt
        wanted = [role == ROUTES for role in state.prompt.roles]
        assert row.routes == wanted + [False] * (len(row.tokens) - len(wanted)), "what the model writes does not route"
        rounds.add(state.rounds)
    assert {1, 2, 3, 4} <= rounds <= {1, 2, 3, 4, 5} if retry else rounds == {0, 1, 2}


@pytest.mark.parametrize("missed", [0.0, 0.5])
def test_a_prompt_with_documents_beside_is_what_generation_arrives_at(missed: float) -> None:
    """Where each round reads four documents, and the router ranks first what the sample says was read."""
    batch = Read(made(5, with_habits(beside=1.0, missed=missed, split=0.0)))
    texts = {batch.numbers[row]: text for row, text in batch.texts.items()}
    machine, named, rounds = Interleave(tiny.tokenizer(), Limits(documents_read=READ)), set(), set()
    again: set[tuple[str, bool]] = set()
    for row in batch.rows:
        gold = {row.episode.documents[index] for found in row.episode.rounds for index in found}
        state = machine.start(row.episode.question)
        while len(state.prompt.tokens) < len(row.prompt):
            place = len(state.prompt.tokens) + len(state.fresh)
            rest = row.text(row.prompt[place + 1 :]).split("<|object_ref_end|>")[0]
            state, decision = machine.advance(state, row.prompt[place], texts.get, named_documents(rest))
            assert decision in (Decision.GO_ON, Decision.NEXT_ROUND)
            if decision is Decision.NEXT_ROUND and row.number > batch.rows[0].number + 2:
                assert len(state.round_documents[-1]) >= READ, "the first episodes have no others to read"
        assert list(state.prompt.tokens) == row.prompt
        asked = {batch.numbers[place] for place in row.gold}
        assert not set(state.named) & asked, "nothing is named again"
        again |= {(row.kind, bool(set(state.documents) & asked))}
        if row.kind != "absent":
            written = [named_documents(part) for part in row.text(row.prompt).split("<|object_ref_end|>")[::2]]
            named |= {texts[number] in gold for part in written for number in part}
        if not row.naming and row.kind != "absent":
            assert gold <= {texts[number] for number in state.documents}, "an answer rests on what was read"
        rounds.add((row.kind, row.naming, state.rounds))
    assert named == {True, False}
    assert {("chain", True), ("chain", False)} <= again, "what was read beside is named and read again, now and then"
    assert {("chain", True, 0), ("several", False, 1)} <= rounds
    assert max(count for *_, count in rounds) > 2 if missed else {("chain", True, 1), ("chain", False, 2)} <= rounds


@pytest.mark.parametrize("at_once", [0.0, 1.0])
def test_what_the_next_round_names_is_read_beside_as_often_as_habits_say(at_once: float) -> None:
    batch = Read(made(6, with_habits(beside=1.0, at_once=at_once), kinds=(chain,)))
    seconds = [row for row in batch.rows if row.naming and row.text(row.prompt).count("<|object_ref_end|>") == 2]
    assert seconds
    for row in seconds:
        assert (batch.texts[row.gold[0]] in row.text(row.prompt)) == bool(at_once)


def test_a_prompt_without_text_is_what_generation_arrives_at_when_original_text_is_off() -> None:
    batch = Read(made(4, with_habits(textless=1.0, beside=1.0, retry=1.0, split=1.0)))
    text_of = {batch.numbers[row]: text for row, text in batch.texts.items()}.get
    machine, steps = Interleave(tiny.tokenizer(), switches=Switches(original_text=False)), set()
    for row in batch.rows:
        state = machine.start(row.episode.question)
        while len(state.prompt.tokens) < len(row.prompt):
            state, _ = machine.advance(state, row.prompt[len(state.prompt.tokens) + len(state.fresh)], text_of)
        assert list(state.prompt.tokens) == row.prompt
        assert row.routes[: len(row.prompt)] == [role == ROUTES for role in state.prompt.roles]
        steps.add((row.kind, row.naming, state.rounds))
    assert {("chain", True, 0), ("chain", True, 1), ("chain", False, 2), ("several", False, 2)} <= steps


def test_text_is_left_out_as_often_as_habits_say() -> None:
    batch = Read(made(4, with_habits(textless=0.5)))
    assert {"." in row.text(row.prompt).split("assistant")[-1] for row in batch.rows if not row.naming} == {True, False}


def test_a_wrong_document_named_earlier_is_none_of_the_gold_ones() -> None:
    batch = Read(made(2, with_habits(retry=1.0)))
    texts = {batch.numbers[row]: text for row, text in batch.texts.items()}
    for row in batch.rows:
        gold = {row.episode.documents[index] for found in row.episode.rounds for index in found}
        shown = named_documents(row.text(row.prompt).split("assistant")[-1])
        assert any(texts[number] not in gold for number in shown)


def test_where_only_the_answer_is_known_no_wrong_document_is_named() -> None:
    alone = Read(batch_of([several(1)], replace(with_habits(retry=1.0, split=0.0), negatives=0.0)))
    assert [(row.kind, row.naming) for row in alone.rows] == [("several", True), ("several", False)]
    assert [len(named_documents(row.text(row.prompt))) for row in alone.rows] == [0, 3]


@pytest.mark.parametrize("split", [0.0, 1.0])
def test_documents_that_answer_together_are_named_in_two_rounds_as_often_as_habits_say(split: float) -> None:
    batch = Read(made(plan=with_habits(split=split), kinds=(several,)))
    named: dict[int, list[int]] = {}
    for row in (one for one in batch.rows if one.naming):
        named.setdefault(row.number, []).extend(row.gold)
        assert len(row.gold) in ((1, 2) if split else (3,))
    assert named
    for number, rows in named.items():
        assert {batch.texts[place] for place in rows} == set(several(number).documents[:3])


def test_documents_are_named_in_the_order_the_episode_says() -> None:
    episode = replace(several(1), rounds=((2, 0, 1),))
    batch = Read(batch_of([episode], with_habits(split=0.0)))
    step = next(row for row in batch.rows if row.naming)
    asked = [episode.documents[place] for place in (2, 0, 1)]
    assert [batch.texts[row] for row in step.gold] == asked
    target = step.text([step.tokens[place] for place in step.learned])
    assert named_documents(target) == [batch.number(text) for text in asked]


def test_an_answer_is_asked_for_as_often_as_habits_say_and_always_where_there_is_nothing_to_name() -> None:
    none, every = (Read(made(plan=with_habits(answer=share))) for share in (0.0, 1.0))
    assert {row.kind for row in none.rows if not row.naming} == {absent(0).kind}
    asked = groupby(sorted((row.number, row.naming) for row in every.rows), key=lambda pair: pair[0])
    assert all(sum(not naming for _, naming in rows) == 1 for _, rows in asked)


def test_of_an_episode_of_many_rounds_two_are_learned() -> None:
    long = replace(chain(1), rounds=((0,), (1,), (2,), (3,)))
    naming = [row for row in Read(batch_of([long])).rows if row.naming]
    assert len({row.gold[0] for row in naming}) == len(naming) == 2


def test_a_wrong_document_may_be_one_that_another_episode_asks_for() -> None:
    """Where an episode has no negatives of its own."""
    plan = replace(with_habits(retry=1.0), negatives=0.0)
    batch = Read(batch_of([absent(1), *(replace(chain(number), documents=chain(number).documents[:2])
                                        for number in (2, 3))], plan))  # fmt: skip
    texts = {batch.numbers[row]: text for row, text in batch.texts.items()}
    last = [row for row in batch.rows if row.number == 3]
    shown = {texts[number] for row in last for number in named_documents(row.text(row.prompt))}
    assert shown & {text for text in texts.values() if "3" not in text}
