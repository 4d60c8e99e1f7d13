from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_training import adapter_of, assert_same_run, curves, stage

from msa_bench.contracts import Progress
from msa_bench.errors import UserError
from msa_bench.storage import shards
from msa_bench.training import state
from msa_bench.training.loop import train
from msa_bench.training.settings import TrainingSettings
from msa_bench.training.state import STATE

Settings = Callable[..., TrainingSettings]


class KilledError(Exception):
    pass


def killed_at(step: int) -> Progress:
    def progress(text: str, done: int, total: int | None, unit: str) -> None:
        if unit == "steps" and done >= step:
            raise KilledError

    return progress


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_an_unbroken_one(settings: Settings, tmp_path: Path) -> None:
    """Killed before its first save, between saves, as a stage ends, in the next stage, and just before the end."""
    stages = (stage(steps=5), stage(name="second", steps=5, attended={1: 1, 2: 2}, forced=0.5))
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
