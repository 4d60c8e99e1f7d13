from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from torch import Tensor
from toy_training import adapter_of, assert_same_run, curves, stage

from msa_bench.errors import UserError
from msa_bench.model.adapter import read_card
from msa_bench.model.backbone import load_memory_model
from msa_bench.training import loop
from msa_bench.training.batch import Batch
from msa_bench.training.loop import Place, curriculum, train
from msa_bench.training.samples import READ
from msa_bench.training.settings import Stage, TrainingSettings
from msa_bench.training.shared_bank import Attended, Outcome
from msa_bench.training.step import Step

Settings = Callable[..., TrainingSettings]


@pytest.mark.slow
def test_the_losses_fall_and_the_router_finds_more(settings: Settings) -> None:
    rates = {"learning_rate": [0.005] * 2, "router_learning_rate": [0.01] * 2}
    one = stage(steps=40, bank=[[24, 64]], samples=[[10, 320]], tokens=3500, targets=200, answer=0.0, **rates)
    rows = curves(train(settings(one, log_every=1, save_every=100, rank=16)))
    assert len(rows) == 40

    def mean(key: str, part: list[dict[str, str]]) -> float:
        return sum(float(row[key]) for row in part) / len(part)

    first, last = rows[:10], rows[-10:]
    assert mean("lm_loss", last) < 0.5 * mean("lm_loss", first)
    assert mean("aux_loss", last) < 0.85 * mean("aux_loss", first)
    assert mean("recall", last) > mean("recall", first) + 0.1


def test_every_step_is_in_the_curves(settings: Settings) -> None:
    """A stage that ends between two rows writes one, under its own name."""
    rows = curves(train(settings(stage(steps=3), stage(name="second", steps=2), log_every=2, save_every=100)))
    assert [(int(row["step"]), row["stage"]) for row in rows] == [
        (2, "only"),
        (3, "only"),
        (4, "second"),
        (5, "second"),
    ]


def test_the_kinds_of_question_are_counted_without_the_rows_that_hold_none(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    make = loop.batch_number

    def spy(*arguments: Any) -> Batch:
        batch = make(*arguments)
        assert "" in batch.kinds
        seen.extend(kind for kind in batch.kinds if kind)
        return batch

    monkeypatch.setattr(loop, "batch_number", spy)
    out = train(settings(stage(steps=4, targets=60, samples=[[12, 320]])))
    counted: Counter[str] = Counter()
    for row in curves(out, "kinds.csv"):
        counted[row["kind"]] += int(row["samples"])
        assert (row["recall"] != "") == (row["naming"] == "1")
    assert counted == Counter(seen)


def of_batch(number: int, seed: int = 1, samples: int = 500, **other: Any) -> Attended:
    one = Stage(name="s", steps=1, **other)
    run = TrainingSettings(model="tiny", out=Path("out"), seed=seed, stages=(one,))
    return curriculum(run, one, samples, number)


def same(one: Attended, other: Attended) -> bool:
    return torch.equal(one.documents, other.documents) and torch.equal(one.forced, other.forced)


def test_what_a_sample_attends_depends_on_the_settings_and_the_batch_number_alone() -> None:
    dials: dict[str, Any] = {"attended": {1: 1, 4: 1}, "forced": 0.5}
    first = of_batch(3, **dials)
    assert same(first, of_batch(3, **dials))
    assert not same(first, of_batch(4, **dials))
    assert not same(first, of_batch(3, seed=2, **dials))


def test_samples_draw_how_many_documents_they_attend_and_whether_gold_is_forced() -> None:
    dials = of_batch(0, samples=4000, attended={1: 6, 4: 2, 16: 2}, forced=0.25)
    shares = {count: float((dials.documents == count).float().mean()) for count in (1, 4, 16)}
    assert shares == pytest.approx({1: 0.6, 4: 0.2, 16: 0.2}, abs=0.05)
    for count in shares:
        assert dials.forced[dials.documents == count].float().mean() == pytest.approx(0.25, abs=0.06)
    assert of_batch(0, forced=1.0).forced.all()
    assert not of_batch(0, forced=0.0).forced.any()


class Seen:
    """What was given to every step."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attended: list[Attended] = []
        self.weights: list[tuple[float, float]] = []
        self.rates: list[list[float]] = []
        run, move = Step.__call__, torch.optim.AdamW.step

        def step(one: Step, batch: Batch, attended: Attended, lm_weight: float, aux_weight: float) -> Outcome:
            self.attended.append(attended)
            self.weights.append((lm_weight, aux_weight))
            return run(one, batch, attended, lm_weight, aux_weight)

        def optimise(one: torch.optim.AdamW) -> Any:
            self.rates.append([group["lr"] for group in one.param_groups])
            return move(one)

        monkeypatch.setattr(Step, "__call__", step)
        monkeypatch.setattr(torch.optim.AdamW, "step", optimise)


def test_curriculum_weights_and_learning_rates_follow_the_stage(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = Seen(monkeypatch)
    rates = {"learning_rate": [0.4, 0.0], "router_learning_rate": [0.1, 0.3]}
    run = settings(stage(steps=4, **rates), stage(steps=2, attended={1: 1}, forced=0.0, lm_weight=0.5))
    train(run)
    numbers = [(run.stages[number >= 4], number) for number in range(6)]
    assert all(
        same(given, curriculum(run, one, 4, number))
        for given, (one, number) in zip(seen.attended, numbers, strict=True)
    )
    assert [int(given.documents[0]) for given in seen.attended] == [2] * 4 + [1] * 2
    assert seen.weights == [(1.0, 1.0)] * 4 + [(0.5, 1.0)] * 2
    # The first of two steps of warming up has half the rate.
    expected = [[0.2, 0.05], [0.3, 0.15], [0.2, 0.2], [0.1, 0.25]]
    assert [pytest.approx(each) for each in expected] == seen.rates[:4]


def test_every_step_has_a_batch_of_its_own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, make = [], loop.batch_number

    def spy(*arguments: Any) -> Batch:
        drawn.append(arguments[-1])
        return make(*arguments)

    monkeypatch.setattr(loop, "batch_number", spy)
    train(settings(stage(steps=2), stage(steps=3)))
    assert drawn == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_a_gradient_that_is_not_finite_changes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wrong: float
) -> None:
    """In the first step, whose place a run of no rate takes."""
    still = {"learning_rate": [0.0] * 2, "router_learning_rate": [0.0] * 2}
    begun = adapter_of(train(settings(stage(steps=1, **still), out=tmp_path / "still")))
    run = Step.__call__

    def step(one: Step, *arguments: Any) -> Outcome:
        outcome = run(one, *arguments)
        one.gradient[3] = wrong
        return outcome

    with monkeypatch.context() as patched:
        patched.setattr(Step, "__call__", step)
        ended: dict[str, Tensor] = adapter_of(train(settings(stage(steps=1))))
    assert all(torch.equal(tensor, begun[name]) for name, tensor in ended.items())
    moved = adapter_of(train(settings(stage(steps=1), out=tmp_path / "moved")))
    assert not all(torch.equal(tensor, begun[name]) for name, tensor in moved.items())


def test_training_starts_from_an_adapter(settings: Settings, tmp_path: Path) -> None:
    first = train(settings(out=tmp_path / "first"))
    still = stage(steps=1, learning_rate=[0.0] * 2, router_learning_rate=[0.0] * 2)
    second = train(settings(still, start_from=first))
    assert all(torch.equal(tensor, adapter_of(first)[name]) for name, tensor in adapter_of(second).items())


def test_the_mean_of_adapters_is_an_adapter(settings: Settings, tmp_path: Path) -> None:
    parents = [train(settings(out=tmp_path / name, seed=seed)) for name, seed in (("first", 1), ("second", 2))]
    mean = adapter_of(train(settings(out=tmp_path / "mean", start_from=parents, stages=[])))
    first, second = map(adapter_of, parents)
    assert not all(torch.equal(first[name], second[name]) for name in mean)
    for name, tensor in mean.items():
        between = (first[name].float() + second[name].float()) / 2
        torch.testing.assert_close(tensor.float(), between, atol=1e-4, rtol=1e-2)


def test_an_adapter_of_another_size_or_backbone_is_no_start(settings: Settings, tmp_path: Path) -> None:
    first = train(settings(stage(steps=1), out=tmp_path / "first"))
    with pytest.raises(UserError, match="has rank 4, not 8"):
        train(settings(start_from=first, rank=8))
    other = tiny.write_checkpoint(tmp_path / "other", seed=1, num_hidden_layers=2)
    with pytest.raises(UserError, match=r"is for a backbone with SHA-256 \w{64}, not \w{64}"):
        train(settings(start_from=first, model=str(other)))
    with pytest.raises(UserError, match="holds no adapter"):
        train(settings(start_from=tmp_path))


def test_an_adapter_trained_to_read_more_than_it_names_reads_so(settings: Settings, tmp_path: Path) -> None:
    for share, read in ((0.0, 0), (0.5, READ)):
        made = train(settings(stage(steps=1, beside=share), out=tmp_path / f"beside-{share}"))
        loaded = load_memory_model(str(made), "cpu", "float32")
        assert loaded.config.msa is not None
        assert loaded.config.msa.documents_read == read
    parents = [tmp_path / "beside-0.0", tmp_path / "beside-0.5"]
    mean = train(settings(out=tmp_path / "mean", start_from=parents, stages=[]))
    assert read_card(mean)["msa"]["documents_read"] == READ


def test_an_adapter_trained_with_finer_routing_keys_has_them_and_hands_them_on(
    settings: Settings, tmp_path: Path
) -> None:
    made = train(settings(stage(steps=1), out=tmp_path / "finer", routing_keys=4))
    further = train(settings(stage(steps=1), out=tmp_path / "further", start_from=made))
    for directory in (made, further):
        loaded = load_memory_model(str(directory), "cpu", "float32")
        assert loaded.config.msa is not None
        assert loaded.config.msa.keys_per_chunk == 4
    with pytest.raises(UserError, match="Chunks of 16 tokens cannot have 3 routing keys"):
        train(settings(stage(steps=1), out=tmp_path / "odd", routing_keys=3))


def test_the_card_says_how_the_adapter_was_made(settings: Settings, tmp_path: Path) -> None:
    out = train(settings(aux_loss="BCE"))
    card = read_card(out)
    assert card["backbone"] == str(tmp_path / "backbone")
    assert len(card["backbone_sha256"]) == 64
    assert card["msa"] == {"router_layers": [0, 1], "chunk_tokens": 16, "top_k": 2, "similarity": "dot"}
    assert card["steps"] == 6
    assert card["tokens"] == int(curves(out)[-1]["tokens"]) > 0
    assert card["seconds"] > 0
    assert card["hardware"]["cores"]
    assert card["training"]["stages"][0]["weights"] == {"box": 1}
    assert "out" not in card["training"]
    json.dumps(card)


def test_what_was_trained_is_a_memory_model_by_its_directory(settings: Settings) -> None:
    out = train(settings())
    loaded = load_memory_model(str(out), "cpu", "float32")
    assert loaded.config.msa is not None
    assert (loaded.config.msa.trained, loaded.config.msa.top_k) == (True, 2)


def test_workers_make_the_same_batches_in_the_same_order(settings: Settings, tmp_path: Path) -> None:
    assert_same_run(train(settings(workers=2)), train(settings(out=tmp_path / "alone")))


def test_an_error_in_a_worker_is_one_sentence(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> None:
        raise UserError("This is what is wrong.")

    monkeypatch.setattr(loop, "batch_number", broken)
    with pytest.raises(UserError) as refused:
        train(settings(workers=1))
    assert str(refused.value) == "This is what is wrong."


def test_a_stage_is_done_by_its_steps_or_its_minutes() -> None:
    place = Place(stage_step=5, stage_seconds=30.0)
    assert place.share(Stage(name="s", steps=20)) == 0.25
    assert place.share(Stage(name="s", minutes=2)) == 0.25
