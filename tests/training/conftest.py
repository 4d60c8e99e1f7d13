from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import tiny
import toy_training

from msa_bench.training.settings import TrainingSettings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., TrainingSettings]:
    """Settings of a small run, which runs in a small world."""
    toy_training.make_small(monkeypatch)
    tiny.write_checkpoint(tmp_path / "backbone", num_hidden_layers=2)
    return partial(toy_training.settings_of, tmp_path)
