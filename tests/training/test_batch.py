from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, replace
from functools import cache
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
import tiny
import torch

from msa_bench.errors import UserError
from msa_bench.generation.interleave import Decision, Interleave, named_documents
from msa_bench.model.prompts import ROUTES, answer_turn
from msa_bench.training.batch import Batch, BatchPlan, Samples, make_batch
from msa_bench.training.episodes import Episode
from msa_bench.training.loop import batch_number
from msa_bench.training.settings import Stage, TrainingSettings

PLAN = BatchPlan(bank_tokens=1500, questions=12, longest_document=400, longest_sample=1200, answer=1.0, retry=0.0)
SHARED = "What everybody knows stands here."


def chain(number: int) -> Episode:
    """Two hops to a town, with one near miss for each and a passage that all episodes share."""
    return Episode(
        "chain",
        f"Where does the keeper of box {number} live?",
        ((0,), (1,)),
        (
            f"Box {number} is kept by Ann{number}.",
            f"Ann{number} lives in town {number}.",
            f"Box {number} was kept by Bob{number}.",
            f"Bob{number} lives in village {number}.",
            SHARED,
        ),
        f"town {number}",
    )


def several(number: int) -> Episode:
    """Three documents named together."""
    documents = tuple(f"Value {place} of key {number} is v{number}-{place}." for place in range(4))
    return Episode("several", f"What are the values of key {number}?", ((0, 1, 2),), documents, "three values")


def absent(number: int) -> Episode:
    return Episode("absent", f"Who is {number}?", (), (f"Nobody is {number}.",), "Not there.")


def made(seed: int = 0, plan: BatchPlan = PLAN, kinds: Any = (chain, several, absent)) -> Batch:
    stream: Iterator[Episode] = (kinds[number % len(kinds)](number) for number in count(seed * 1000))
    return make_batch(tiny.tokenizer(), stream, filler, plan, Random(seed))


def filler(rng: Random) -> str:
    return f"Rain {rng.random()} fell on the mill and on the river, and nobody minded."


class Read:
    """A batch as text: document `i` says `texts[i]` and is called `numbers[i]`; one row per sample."""

    def __init__(self, batch: Batch) -> None:
        self.texts, self.numbers = [], []
        for part in batch.documents:
            for ids, length in zip(part.ids, part.lengths.tolist(), strict=True):
                wrapped = tiny.tokenizer().decode(ids[1 : length - 1].tolist(), control=True)
                number, _, rest = wrapped.removeprefix("[").partition("]. ")
                self.numbers.append(int(number))
                self.texts.append(rest.removesuffix(f"[{number}]"))
        self.rows = [Row(part, row) for part in batch.samples for row in range(len(part.ids))]

    def index(self, text: str) -> int:
        return self.texts.index(text)


class Row:
    """One sample: `tokens` without padding, the places of those that are `learned`, and what else it says."""

    def __init__(self, part: Samples, row: int) -> None:
        self.learned = part.target_columns[part.target_rows == row].tolist()
        self.tokens = part.ids[row, : self.learned[-1] + 1].tolist()
        self.prompt = self.tokens[: self.learned[0]]
        self.routes = part.routes[row].tolist()
        self.gold = part.positives[row].nonzero()[:, 0].tolist()
        self.naming, self.kind = bool(part.naming[row]), part.kinds[row]
        self.padding = part.ids[row, len(self.tokens) :].tolist()
        self.number = int("".join(filter(str.isdigit, self.text(self.prompt).split("?")[0])))
        self.episode = {"chain": chain, "several": several, "absent": absent}[self.kind](self.number)

    @staticmethod
    def text(tokens: list[int]) -> str:
        return tiny.tokenizer().decode(tokens, control=True)


@cache
def settings() -> tuple[TrainingSettings, Stage]:
    stage = Stage(
        name="s", steps=1, bank_tokens=2000, questions=4, longest_document=900, longest_sample=2000, weights={"fact": 1}
    )
    return TrainingSettings(model="tiny", out=Path("out"), stages=(stage,)), stage


def flat(batch: Batch) -> list[Any]:
    return [part for bucket in (*batch.documents, *batch.samples) for part in map(_comparable, astuple(bucket))]


def _comparable(value: Any) -> Any:
    return value.tolist() if isinstance(value, torch.Tensor) else value


def test_a_batch_depends_on_the_settings_and_its_number_alone() -> None:
    run, stage = settings()
    first, again, other = (batch_number(run, stage, tiny.tokenizer(), number) for number in (3, 3, 4))
    assert flat(first) == flat(again)
    assert flat(first) != flat(other)
    assert flat(first) != flat(batch_number(run.model_copy(update={"seed": 2}), stage, tiny.tokenizer(), 3))


def test_the_positives_of_a_step_are_the_documents_it_names() -> None:
    for seed in range(4):
        batch = Read(made(seed, replace(PLAN, retry=0.5)))
        for row in (one for one in batch.rows if one.naming):
            target = row.text([row.tokens[place] for place in row.learned])
            assert sorted(batch.numbers[place] for place in row.gold) == named_documents(target)
            gold = {row.episode.documents[index] for found in row.episode.rounds for index in found}
            assert {batch.texts[place] for place in row.gold} <= gold
            if row.kind == "chain":
                assert len(row.gold) == 1


def test_a_later_round_stands_after_the_text_of_the_earlier_one() -> None:
    batch = Read(made())
    steps = {
        (row.number, row.gold[0]): row.text(row.prompt) for row in batch.rows if row.kind == "chain" and row.naming
    }
    for number in {number for number, _ in steps}:
        first, second, *_ = (batch.index(text) for text in chain(number).documents)
        named = f"[{batch.numbers[first]}]<|object_ref_end|>[{batch.numbers[first]}]. {batch.texts[first]}\n"
        assert named not in steps[number, first]
        assert steps[number, second].endswith(named + "<|object_ref_end|>")


def test_a_retrieval_step_learns_the_ids_and_their_end_and_nothing_else() -> None:
    for row in (one for one in Read(made()).rows if one.naming):
        learned = [row.tokens[place] for place in row.learned]
        assert row.learned == list(range(row.learned[0], len(row.tokens))), "without a gap, to the end"
        assert learned[-1] == tiny.tokenizer().control.references_end
        assert row.text(learned[:-1]).strip("[]").replace("][", "").isdigit()


def test_an_answer_step_learns_the_end_of_retrieval_and_the_answer_but_not_the_turn_put_in_between() -> None:
    control = tiny.tokenizer().control
    answers = [one for one in Read(made()).rows if not one.naming]
    assert {row.kind for row in answers} == {"chain", "several", "absent"}
    for row in answers:
        inserted = answer_turn(tiny.tokenizer(), row.episode.question)
        ended = len(row.prompt) + len(control.end_of_retrieve)
        assert row.tokens[len(row.prompt) : ended] == list(control.end_of_retrieve)
        assert row.tokens[ended : ended + len(inserted)] == inserted
        untold = set(range(len(row.prompt), len(row.tokens))) - set(row.learned)
        assert untold == set(range(ended, ended + len(inserted)))
        assert row.text(row.tokens[ended + len(inserted) :]).endswith(f": {row.episode.answer}<|im_end|>")
        assert row.gold == []


def test_a_passage_that_episodes_share_is_one_document() -> None:
    texts = Read(made()).texts
    assert texts.count(SHARED) == 1
    assert len(set(texts)) == len(texts)


def test_documents_named_together_ascend_and_numbers_are_distinct() -> None:
    batch = Read(made(kinds=(several,)))
    assert len(set(batch.numbers)) == len(batch.numbers)
    for row in batch.rows:
        numbers = [batch.numbers[batch.index(text)] for text in row.episode.documents[:3]]
        assert numbers == sorted(numbers)


def test_a_number_says_nothing_about_being_the_right_document() -> None:
    below = []
    for seed in range(12):
        batch = Read(made(seed, kinds=(chain,)))
        for number in {row.number for row in batch.rows}:
            first, second, *others = (batch.numbers[batch.index(text)] for text in chain(number).documents[:4])
            below += [gold < other for gold in (first, second) for other in others]
    assert 0.38 < sum(below) / len(below) < 0.62, f"{len(below)} comparisons"


@pytest.mark.parametrize("retry", [0.0, 1.0])
def test_a_prompt_is_what_generation_arrives_at(retry: float) -> None:
    """Text and routing tokens, round by round, when the model names what the sample says it named."""
    batch = Read(made(1, replace(PLAN, retry=retry, split=1.0)))
    text_of = dict(zip(batch.numbers, batch.texts, strict=True)).get
    machine, rounds = Interleave(tiny.tokenizer()), set()
    for row in batch.rows:
        state = machine.start(row.episode.question)
        while len(state.prompt.tokens) < len(row.prompt):
            state, decision = machine.advance(state, row.prompt[len(state.prompt.tokens) + len(state.fresh)], text_of)
            assert decision in (Decision.GO_ON, Decision.NEXT_ROUND)
        assert list(state.prompt.tokens) == row.prompt
        wanted = [role == ROUTES for role in state.prompt.roles]
        assert [place for place, routes in enumerate(row.routes) if routes] == [
            place for place, routes in enumerate(wanted) if routes
        ]
        rounds.add(state.rounds)
    assert rounds == ({1, 2, 3} if retry else {0, 1, 2})


def test_a_wrong_document_named_earlier_is_none_of_the_gold_ones() -> None:
    batch = Read(made(2, replace(PLAN, retry=1.0, questions=6)))
    for row in batch.rows:
        gold = {row.episode.documents[index] for found in row.episode.rounds for index in found}
        shown = named_documents(row.text(row.prompt).split("assistant")[-1])
        assert any(batch.texts[batch.numbers.index(number)] not in gold for number in shown)


def test_a_bank_of_nothing_but_the_answer_has_no_wrong_document_to_name() -> None:
    alone = made(plan=replace(PLAN, bank_tokens=1, questions=1, retry=1.0, negatives=0.0), kinds=(several,))
    assert [row.kind for row in Read(alone).rows] == ["several", "several"]


def test_negatives_are_kept_by_their_share() -> None:
    none, some, all_of_them = (made(plan=replace(PLAN, negatives=share), kinds=(chain,)) for share in (0.0, 0.5, 1.0))
    kept = [sum("was kept by" in text for text in Read(batch).texts) for batch in (none, some, all_of_them)]
    assert kept[0] == 0
    assert kept[1] > 0
    assert len([text for text in Read(all_of_them).texts if "was kept by" in text]) == kept[2] > 0


def test_the_bank_is_filled_up_with_prose() -> None:
    batch = made(plan=replace(PLAN, questions=2))
    tokens = sum(tiny.tokenizer().count(text) for text in Read(batch).texts)
    assert 1500 <= tokens < 1500 + 100


def test_what_is_too_long_is_left_out() -> None:
    def long(number: int) -> Episode:
        return replace(several(number), documents=("word " * 300,) * 4) if number % 2 else several(number)

    batch = made(plan=replace(PLAN, longest_document=100), kinds=(long,))
    assert max(tiny.tokenizer().count(text) for text in Read(batch).texts) <= 100
    longest = max(len(row.tokens) for row in Read(made()).rows)
    cut = Read(made(plan=replace(PLAN, longest_sample=longest - 1)))
    assert max(len(row.tokens) for row in cut.rows) < longest


@pytest.mark.parametrize(("bound", "value"), [("longest_document", 10), ("longest_sample", 20)])
def test_bounds_that_leave_nothing_are_refused_by_name(bound: str, value: int) -> None:
    few = iter([several(number) for number in range(5)])
    plan = replace(PLAN, questions=5, bank_tokens=100, **{bound: value})
    with pytest.raises(UserError, match=f"{bound}: {value}"):
        make_batch(tiny.tokenizer(), few, filler, plan, Random(0))


def test_buckets_hold_every_document_and_sample_once_in_ascending_length() -> None:
    def uneven(number: int) -> Episode:
        one = chain(number)
        return replace(one, documents=(*one.documents, *(f"{number} " + "and so on " * n for n in (20, 90))))

    batch = made(plan=replace(PLAN, bank_tokens=4000, longest_document=1000), kinds=(uneven, several))
    lengths = torch.cat([part.lengths for part in batch.documents]).tolist()
    assert lengths == sorted(lengths)
    assert len(batch.documents) > 1
    read = Read(batch)
    assert len(set(read.texts)) == len(lengths)
    assert all(part.positives.shape == (len(part.ids), len(lengths)) for part in batch.samples)
    sizes = [len(row.tokens) for row in read.rows]
    assert sizes == sorted(sizes)
    assert batch.tokens == sum(lengths) + sum(sizes)
    assert not any(token for row in read.rows for token in row.padding)
    for part in batch.documents:
        assert part.ids.shape[1] < 2 * max(int(part.lengths.min()), 96)
