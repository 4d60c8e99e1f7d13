from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from toy_batches import FIRST_POSITION, HEAD, PLAN, SHARED, Read, absent, batch_of, chain, made, several, with_habits

from msa_bench.errors import UserError
from msa_bench.model.prompts import template_head, wrap_documents
from msa_bench.training.batch import MOST_GOLD, Batch, BatchPlan, Rows
from msa_bench.training.episodes import Episode
from msa_bench.training.loop import batch_number
from msa_bench.training.settings import Stage, TrainingSettings


@cache
def settings() -> tuple[TrainingSettings, Stage]:
    rows: dict[str, Any] = {"bank": ((12, 512),), "samples": ((8, 2048),)}
    stage = Stage(name="s", steps=1, **rows, tokens=20_000, targets=600, weights={"fact": 1})
    return TrainingSettings(model="tiny", out=Path("out"), stages=(stage,)), stage


def same(one: Batch, other: Batch) -> bool:
    return one.kinds == other.kinds and all(
        torch.equal(tensor, other.tensors()[name]) for name, tensor in one.tensors().items()
    )


def used(batch: Batch) -> dict[str, int]:
    """Of each bound of a plan how much a batch takes; rows of the widths together."""
    return {
        "bank": int((batch.document_lengths > 0).sum()),
        "samples": int((batch.sample_lengths > 0).sum()),
        "tokens": HEAD + batch.tokens,
        "targets": int(batch.learned.sum()),
    }


def test_a_batch_depends_on_the_settings_and_its_number_alone() -> None:
    run, stage = settings()
    first, again, other = (batch_number(run, stage, tiny.tokenizer(), 21, number) for number in (3, 3, 4))
    assert same(first, again)
    assert not same(first, other)
    assert not same(first, batch_number(run.model_copy(update={"seed": 2}), stage, tiny.tokenizer(), 21, 3))


# What the plan bounds


def test_all_batches_of_a_plan_have_one_shape() -> None:
    few, *others = [batch_of([absent(1)]), *(made(seed) for seed in range(3))]
    for other in others:
        assert {name: tensor.shape for name, tensor in other.tensors().items()} == {
            name: tensor.shape for name, tensor in few.tensors().items()
        }
        assert len(other.kinds) == len(few.kinds)


def one_width(**bounds: int) -> BatchPlan:
    """A plan with room for everything but what `bounds` say, no prose, and numbers of much the same length."""
    wide = {"bank": 99, "samples": 99, "tokens": 30_000, "targets": 5_000} | bounds
    return replace(
        with_habits(split=0.0), bank=((wide["bank"], 128),), samples=((wide["samples"], 640),),
        tokens=wide["tokens"], targets=wide["targets"], digits=(3,), prose=0.0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bound", "value"), [("bank", 13), ("bank", 5), ("samples", 8), ("samples", 3), ("tokens", 4500), ("targets", 90)]
)
def test_no_bound_of_a_plan_is_exceeded_while_it_is_used_up(bound: str, value: int) -> None:
    plan = one_width(**{bound: value})
    for seed in range(5):
        batch = made(seed, plan)
        assert 0.5 * value <= used(batch)[bound] <= value
        assert batch.ids.shape == batch.real.shape == (plan.tokens,)


@pytest.mark.parametrize("bound", ["bank", "samples", "tokens", "targets"])
def test_an_episode_that_finds_no_room_is_left_out_as_a_whole_and_a_smaller_one_comes_after_it(bound: str) -> None:
    def without_prose(*episodes: Episode) -> dict[str, int]:
        found = used(batch_of(episodes, one_width()))
        # Prose fills the rows of the bank, whose documents count.
        texts = {text for episode in episodes for text in episode.documents}
        return found | {"bank": len(texts)} | {"tokens": tokens_of(batch_of(episodes, one_width()), texts)}

    fits, both = without_prose(chain(1), absent(2)), without_prose(chain(1), several(3))
    assert both[bound] > 1.1 * fits[bound]
    tight = one_width(**{bound: int(1.05 * fits[bound])})
    batch = Read(batch_of([chain(1), several(3), absent(2)], tight))
    assert {(row.kind, row.number) for row in batch.rows} == {("chain", 1), ("absent", 2)}
    assert not set(batch.texts.values()) & set(several(3).documents)
    assert {*chain(1).documents, *absent(2).documents} <= set(batch.texts.values())


def tokens_of(batch: Batch, texts: set[str]) -> int:
    """Tokens of the head, the samples and the documents that say `texts`."""
    read = Read(batch)
    return HEAD + int(batch.sample_lengths.sum()) + sum(
        read.lengths[row] for row, text in read.texts.items() if text in texts
    )  # fmt: skip


def test_a_document_longer_than_the_widest_row_is_left_out_with_its_episode() -> None:
    def long(number: int) -> Episode:
        return replace(several(number), documents=("word " * 300,) * 4) if number % 2 else several(number)

    batch = Read(made(kinds=(long,)))
    assert batch.rows
    assert all(row.number % 2 == 0 for row in batch.rows)
    assert not any(text.startswith("word") for text in batch.texts.values())


def test_a_sample_longer_than_the_widest_row_is_left_out_and_shorter_ones_of_its_episode_stay() -> None:
    whole, answer = (
        Read(batch_of([several(1)], replace(with_habits(split=0.0), samples=((4, width),)))).rows
        for width in (640, 250)
    )
    assert [row.naming for row in whole] == [True, False]
    assert len(whole[0].tokens) <= 250 < len(whole[1].tokens)
    assert [row.naming for row in answer] == [True]


def test_a_step_that_names_more_documents_than_a_batch_can_say_is_left_out() -> None:
    count = MOST_GOLD + 1
    many = Episode("many", "All?", (tuple(range(count)),), tuple(f"Part {place}." for place in range(count)), "all")
    plan = with_habits(split=0.0)
    assert {row.kind for row in Read(batch_of([several(1)], plan)).rows if row.naming} == {"several"}
    with pytest.raises(UserError, match="No episode fits"):
        batch_of([many], with_habits(split=0.0, answer=0.0))


@pytest.mark.parametrize(
    "bounds", [{"bank": ((40, 10),)}, {"bank": ((3, 128),)}, {"samples": ((9, 20),)}, {"tokens": 150}, {"targets": 2}]
)
def test_a_plan_that_nothing_fits_is_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="No episode fits the bank, samples, tokens and targets"):
        made(plan=replace(PLAN, **bounds), kinds=(several,))


# The bank


def with_further(number: int, *further: Episode) -> Episode:
    """A chain whose near misses are asked about too."""
    whole = chain(number)
    asked = (
        Episode("further", f"Who had box {number}?", ((0,),), whole.documents[2:3], f"Bob{number}"),
        Episode("further", f"Where is Bob{number}?", ((0,),), whole.documents[3:4], f"village {number}"),
    )
    return replace(whole, further=(*asked, *further))


def test_further_questions_are_asked_over_documents_that_are_in_the_bank_once() -> None:
    made_of = batch_of([with_further(1), with_further(2)], with_habits(answer=0.0))
    texts = [text for text in Read(made_of).texts.values() if not text.startswith("Rain")]
    assert sorted(texts) == sorted({*chain(1).documents, *chain(2).documents})
    kinds = Counter(kind for kind in made_of.kinds if kind)
    assert kinds == {"chain": 4, "further": 4}
    said = Read(made_of).texts
    asked = [said[int(made_of.gold[row, 0])] for row, kind in enumerate(made_of.kinds) if kind == "further"]
    assert sorted(asked) == sorted(text for number in (1, 2) for text in chain(number).documents[2:4])


def test_of_further_questions_of_one_round_a_share_is_asked_and_of_more_rounds_all() -> None:
    none = replace(with_habits(answer=0.0), further=0.0)
    chained = replace(chain(1), kind="further", documents=(*chain(1).documents[2:4], *chain(1).documents[:2]))
    kinds = Counter(kind for kind in batch_of([with_further(1, chained)], none).kinds if kind)
    assert kinds == {"chain": 2, "further": 2}


def test_nothing_further_is_asked_of_an_episode_that_is_left_out() -> None:
    long = replace(with_further(1), documents=("word " * 300, *chain(1).documents[1:]))
    kinds = {kind for kind in batch_of([long, absent(2)]).kinds if kind}
    assert kinds == {"absent"}


def test_a_near_miss_that_is_not_kept_is_not_asked_about() -> None:
    batch = batch_of([with_further(1)], replace(PLAN, negatives=0.0))
    assert {kind for kind in batch.kinds if kind} == {"chain"}
    assert not any("Bob" in text for text in Read(batch).texts.values())


def test_a_passage_that_episodes_share_is_one_document() -> None:
    texts = list(Read(made()).texts.values())
    assert texts.count(SHARED) == 1
    assert len(set(texts)) == len(texts)


def test_documents_named_together_ascend_and_numbers_are_distinct() -> None:
    batch = Read(made(kinds=(several,)))
    assert len(set(batch.numbers.values())) == len(batch.numbers)
    for row in batch.rows:
        numbers = [batch.number(text) for text in row.episode.documents[:3]]
        assert numbers == sorted(numbers)


def test_a_number_says_nothing_about_being_the_right_document() -> None:
    below = []
    for seed in range(20):
        batch = Read(made(seed, kinds=(chain,)))
        for number in {row.number for row in batch.rows}:
            first, second, *others = (batch.number(text) for text in chain(number).documents[:4])
            below += [gold < other for gold in (first, second) for other in others]
    assert 0.38 < sum(below) / len(below) < 0.62, f"{len(below)} comparisons"


def test_numbers_have_the_digits_of_the_plan_but_enough_for_its_bank() -> None:
    lengths = [len(str(max(Read(made(seed, replace(PLAN, digits=(3, 6)))).numbers.values()))) for seed in range(12)]
    assert set(lengths) == {3, 6}
    rows = sum(count for count, _ in PLAN.bank)
    assert max(Read(made(plan=replace(PLAN, digits=(1,)))).numbers.values()) < 10 ** len(str(rows))


def test_negatives_are_kept_by_their_share() -> None:
    episodes = [chain(number) for number in range(6)]
    kept = []
    for share in (0.0, 0.5, 1.0):
        texts = Read(batch_of(episodes, replace(PLAN, negatives=share))).texts.values()
        assert all(text in texts for one in episodes for text in one.documents[:2])
        kept.append(sum("was kept by" in text for text in texts))
    assert kept[0] == 0 < kept[1] < kept[2] == 6


@pytest.mark.parametrize("share", [0.0, 0.4])
def test_a_share_of_the_tokens_is_kept_for_prose(share: float) -> None:
    batch = made(plan=replace(one_width(tokens=9000, bank=300), prose=share))
    texts = {text for text in Read(batch).texts.values() if not text.startswith("Rain")}
    assert 0.9 * (1 - share) * 9000 - 640 < tokens_of(batch, texts) <= (1 - share) * 9000
    assert used(batch)["tokens"] > 9000 - 64, "and used for it"


def test_prose_fills_the_rows_of_the_bank() -> None:
    batch = batch_of([several(1)])
    assert (batch.document_lengths > 0).sum() == sum(count for count, _ in PLAN.bank)


# Tensors


def widths(rows: Rows) -> list[int]:
    return [width for count, width in rows for _ in range(count)]


def test_the_tokens_stand_one_after_another_and_in_the_slots_of_their_rows() -> None:
    batch = made()
    plan = batch.plan
    lengths = torch.cat((batch.document_lengths, batch.sample_lengths)).tolist()
    assert HEAD + sum(lengths) == HEAD + batch.tokens < plan.tokens
    assert batch.ids[:HEAD].tolist() == template_head(tiny.tokenizer())
    assert batch.real.tolist() == [HEAD <= place < HEAD + batch.tokens for place in range(plan.tokens)]
    assert not batch.ids[HEAD + batch.tokens :].any()
    place = HEAD
    for start, length in zip(accumulate([0, *widths(plan.bank), *widths(plan.samples)]), lengths, strict=False):
        own = list(range(place, place + length))
        assert batch.slot[own].tolist() == list(range(start, start + length))
        assert batch.token[start : start + length].tolist() == own
        place += length


def test_positions_begin_anew_in_every_document_and_after_the_memory_in_every_sample() -> None:
    batch = made()
    positions = batch.positions.tolist()
    assert positions[:HEAD] == list(range(HEAD))
    place = HEAD
    for first, lengths in ((0, batch.document_lengths), (FIRST_POSITION, batch.sample_lengths)):
        for length in lengths.tolist():
            assert positions[place : place + length] == list(range(first, first + length))
            place += length


def test_a_text_goes_to_the_narrowest_row_that_holds_it() -> None:
    """While there is one: here the narrow rows are never used up."""
    long = "Nobody is 2. " * 9
    assert len(wrap_documents(tiny.tokenizer(), [(1, long)])[0]) > 64
    plan = replace(PLAN, bank=((400, 64), (4, 128)))
    batch = batch_of([several(1), replace(absent(2), documents=(long,))], plan)
    narrow, wide = batch.document_lengths.split([400, 4])
    assert (wide > 64).tolist() == [True, False, False, False]
    assert 0 < narrow.max() <= 64
    assert not wide[1:].any()
    assert (batch.sample_lengths <= torch.tensor(widths(PLAN.samples))).all()


def test_learned_tokens_are_labelled_with_what_follows() -> None:
    batch = made()
    for row in Read(batch).rows:
        assert row.labels == [row.tokens[place] for place in row.learned]
    assert batch.learned.tolist() == sorted(batch.learned.tolist(), reverse=True), "what is free stands last"
