from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file
from torch import Tensor

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.model.adapter import read_card
from msa_bench.model.backbone import Backbone, load_memory_model
from msa_bench.model.checkpoint import load_decoder
from msa_bench.model.config import MSAConfig
from msa_bench.storage import shards
from msa_bench.training import loop, state
from msa_bench.training.episodes import Episode, mix
from msa_bench.training.loop import Place, train
from msa_bench.training.settings import Stage, TrainingSettings
from msa_bench.training.state import STATE

MSA = MSAConfig(router_layers=(0, 1), chunk_tokens=16, top_k=2, trained=False)
LETTERS = "BCDFGHJKLMNPRSTV"


def box(rng: Random) -> Episode:
    """One fact that a tiny model can tell from the others: what is in box JJJJJJ."""
    one, other = rng.sample(LETTERS, 2)
    documents = tuple(f"{letter * 24} {ord(letter)}" for letter in (one, other))
    return Episode("fact", f"{one * 8}?", ((0,),), documents, str(ord(one)))


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Short facts for the data, and a backbone of two layers whose routers find like tokens, if badly: one that starts
    from nothing would need minutes."""
    monkeypatch.setitem(mix.INVENTED, "box", box)  # type: ignore[arg-type]
    monkeypatch.setattr(loop, "filler", lambda rng: ["It", "rained", str(rng.randrange(1000))])
    tiny.write_checkpoint(tmp_path / "backbone", num_hidden_layers=2)

    def load(model: str, device: str, dtype: str) -> Backbone:
        decoder = load_decoder(Path(model), torch.device("cpu"), torch.float32, memory=True, msa=MSA)
        for layer in decoder.layers:
            query, key = (part[0].weight for part in (layer.self_attn.router_q_proj, layer.self_attn.router_k_proj))
            query.copy_(3 * query + key.unflatten(0, (2, 8)).repeat_interleave(2, 0).flatten(0, 1))
        return Backbone(model, Path(model), decoder, tiny.tokenizer())

    monkeypatch.setattr(loop, "load_untrained", load)


def stage(**other: Any) -> dict[str, Any]:
    small = {"bank_tokens": 120, "questions": 4, "documents": [2], "weights": {"box": 1}, "aux_weight": 1.0}
    return {"name": "only", "steps": 6} | small | other


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., TrainingSettings]:
    def make(*stages: dict[str, Any], **other: Any) -> TrainingSettings:
        where = {"model": str(tmp_path / "backbone"), "out": tmp_path / "out", "workers": 0, "device": "cpu"}
        habits = {"dtype": "float32", "rank": 4, "log_every": 2, "save_every": 3, "warm_up_steps": 2}
        return TrainingSettings.model_validate(where | habits | {"stages": stages or (stage(),)} | other)

    return make


Settings = Callable[..., TrainingSettings]


class KilledError(Exception):
    pass


def killed_at(step: int) -> Progress:
    def progress(text: str, done: int, total: int | None, unit: str) -> None:
        if done >= step:
            raise KilledError

    return progress


def curves(directory: Path, name: str = "curves.csv") -> list[dict[str, str]]:
    """What was written down, without the time it took."""
    with (directory / name).open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def adapter_of(directory: Path) -> dict[str, Tensor]:
    return {
        name: tensor for file in read_card(directory)["files"] for name, tensor in load_file(directory / file).items()
    }


def assert_same_run(one: Path, other: Path) -> None:
    ours, theirs = adapter_of(one), adapter_of(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    for name in ("curves.csv", "kinds.csv"):
        assert curves(one, name) == curves(other, name)


def test_the_losses_fall_and_the_router_finds_more(settings: Settings) -> None:
    rates = {"learning_rate": [0.005] * 2, "router_learning_rate": [0.01] * 2}
    one = stage(steps=40, bank_tokens=400, questions=10, answer=0.0, **rates)
    rows = curves(train(settings(one, log_every=1, save_every=100, rank=16)))
    assert len(rows) == 40

    def mean(key: str, part: list[dict[str, str]]) -> float:
        return sum(float(row[key]) for row in part) / len(part)

    first, last = rows[:10], rows[-10:]
    assert mean("lm_loss", last) < 0.5 * mean("lm_loss", first)
    assert mean("aux_loss", last) < 0.85 * mean("aux_loss", first)
    assert mean("recall", last) > mean("recall", first) + 0.1


def test_a_run_that_is_killed_again_and_again_ends_as_an_unbroken_one(settings: Settings, tmp_path: Path) -> None:
    """Killed before its first save, between saves, as a stage ends, in the next stage, and just before the end."""
    stages = (stage(steps=5), stage(name="second", steps=5, documents=[1, 2], forced=False))
    whole = train(settings(*stages, out=tmp_path / "whole"))
    for step in (2, 4, 5, 8, 10):
        with pytest.raises(KilledError):
            train(settings(*stages), killed_at(step))
    assert_same_run(train(settings(*stages)), whole)


def test_a_run_that_is_complete_is_not_run_again(settings: Settings, tmp_path: Path) -> None:
    out = train(settings())
    before, rows = adapter_of(out), curves(out)
    train(settings(), killed_at(0))
    assert curves(out) == rows
    assert all(torch.equal(tensor, before[name]) for name, tensor in adapter_of(out).items())


def test_every_step_is_in_the_curves(settings: Settings) -> None:
    """A stage that ends between two rows writes one, under its own name."""
    rows = curves(train(settings(stage(steps=3), stage(name="second", steps=2), log_every=2, save_every=100)))
    assert [(int(row["step"]), row["stage"]) for row in rows] == [
        (2, "only"),
        (3, "only"),
        (4, "second"),
        (5, "second"),
    ]


@pytest.mark.parametrize(
    ("key", "value"), [("seed", 2), ("rank", 8), ("clip", 0.5), ("stages", (stage(steps=7),)), ("aux_loss", "INFONCE")]
)
def test_a_run_of_other_settings_is_not_continued(settings: Settings, key: str, value: Any) -> None:
    train(settings())
    other = settings(*value) if key == "stages" else settings(**{key: value})
    with pytest.raises(UserError, match=f"another {key}; continue with the same settings"):
        train(other)


def test_where_and_how_often_it_is_written_may_change(settings: Settings) -> None:
    with pytest.raises(KilledError):
        train(settings(), killed_at(4))
    train(settings(log_every=1, save_every=1))


def test_training_starts_from_an_adapter(settings: Settings, tmp_path: Path) -> None:
    first = train(settings(out=tmp_path / "first"))
    still = stage(steps=1, learning_rate=[0.0] * 2, router_learning_rate=[0.0] * 2)
    second = train(settings(still, start_from=first))
    assert all(torch.equal(tensor, adapter_of(first)[name]) for name, tensor in adapter_of(second).items())


def test_an_adapter_of_another_size_or_backbone_is_no_start(settings: Settings, tmp_path: Path) -> None:
    first = train(settings(stage(steps=1), out=tmp_path / "first"))
    with pytest.raises(UserError, match="has rank 4, not 8"):
        train(settings(start_from=first, rank=8))
    other = tiny.write_checkpoint(tmp_path / "other", seed=1, num_hidden_layers=2)
    with pytest.raises(UserError, match=r"is for a backbone with SHA-256 \w{64}, not \w{64}"):
        train(settings(start_from=first, model=str(other)))
    with pytest.raises(UserError, match="holds no adapter"):
        train(settings(start_from=tmp_path))


@pytest.mark.parametrize("name", ["state-000.safetensors", "state.json"])
@pytest.mark.parametrize("truncated", [True, False])
def test_a_damaged_save_is_refused_by_name(settings: Settings, name: str, truncated: bool) -> None:
    file = train(settings(stage(steps=1))) / STATE / name
    if truncated:
        file.write_bytes(file.read_bytes()[:-20])
    else:
        file.unlink()
    with pytest.raises(UserError, match=f"{name} (is missing or truncated|cannot be read)"):
        train(settings(stage(steps=1)))


def test_a_save_that_was_cut_off_does_no_harm(settings: Settings, tmp_path: Path) -> None:
    """Neither half of a new save, nor the moment between putting the old one away and the new one in its place."""
    whole = train(settings(out=tmp_path / "whole"))
    with pytest.raises(KilledError):
        train(settings(), killed_at(4))
    out = tmp_path / "out"
    (out / f"{STATE}.partial").mkdir()
    (out / f"{STATE}.partial" / "state-000.safetensors").write_bytes(b"half")
    (out / STATE).rename(out / f"{STATE}.old")
    assert_same_run(train(settings()), whole)
    assert sorted(path.name for path in out.iterdir() if path.is_dir()) == [STATE]


def test_a_save_of_several_files_is_read_back(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(settings(out=tmp_path / "whole"))
    monkeypatch.setattr(state, "shards", partial(shards, limit=20_000))
    with pytest.raises(KilledError):
        train(settings(), killed_at(4))
    files = list((tmp_path / "out" / STATE).glob("*.safetensors"))
    assert len(files) > 1
    assert max(file.stat().st_size for file in files) < 30_000
    assert_same_run(train(settings()), whole)


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


def test_learning_rates_and_documents_follow_the_stage(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, ran = [], loop.run_batch

    def spy(decoder: Any, batch: Any, head: Any, attended: Any) -> Any:
        seen.append((attended.documents, attended.forced))
        return ran(decoder, batch, head, attended)

    monkeypatch.setattr(loop, "run_batch", spy)
    train(settings(stage(steps=4, documents=[1, 2]), stage(steps=2, forced=False)), no_progress)
    assert seen == [(1, True), (1, True), (2, True), (2, True), (2, False), (2, False)]


def test_every_step_has_a_batch_of_its_own(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn, make = [], loop.batch_number

    def spy(run: TrainingSettings, part: Stage, tokenizer: Any, number: int) -> Any:
        drawn.append(number)
        return make(run, part, tokenizer, number)

    monkeypatch.setattr(loop, "batch_number", spy)
    train(settings(stage(steps=2), stage(steps=3)))
    assert drawn == [0, 1, 2, 3, 4]
