from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny

from msa_bench.cli import main
from msa_bench.errors import UserError
from msa_bench.model.backbone import load_memory_model
from msa_bench.performance import shapes
from msa_bench.performance.checkpoint import write_checkpoint

SHAPE = shapes.Shape("qwen3", 4, 4, 2, 8, 32, 48, 700)


def status(arguments: list[str]) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    return int(str(stopped.value.code or 0))


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shapes.SHAPES, "small", SHAPE)
    monkeypatch.setitem(shapes.SHAPES, "narrow", shapes.Shape("qwen3", 4, 4, 2, 8, 32, 48, 16))


def test_random_weights_are_loaded_and_run_as_a_released_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, made, out = tiny.write_checkpoint(tmp_path / "source"), tmp_path / "made", tmp_path / "run"
    common = ["--device", "cpu", "--dtype", "float32"]
    assert status(["perf", "checkpoint", str(made), "--shape", "small", "--tokenizer", str(source), *common]) == 0
    assert f"--model {made}" in capsys.readouterr().out
    model = load_memory_model(str(made), "cpu", "float32")
    assert model.config.msa is not None
    assert model.config.msa.trained
    assert model.config.msa.router_layers == (2, 3)
    assert model.config.vocab_size == 700 > max(model.tokenizer.stop_ids)
    # Tokens the tokenizer does not know are written too, and must not end the run.
    task = ["--task", "niah", "--subtask", "niah_single_2", "--length", "4K", "--samples", "2"]
    assert status(["run", *task, "--model", str(made), "--out", str(out), "--max-answer-tokens", "12", *common]) == 0
    systems = json.loads((out / "run.json").read_text())["systems"]
    assert "untrained" not in json.dumps(systems)


def test_a_directory_that_exists_and_a_vocabulary_too_small_are_refused(tmp_path: Path) -> None:
    source = str(tiny.write_checkpoint(tmp_path / "source"))
    with pytest.raises(UserError, match="exists already"):
        write_checkpoint(tmp_path, "small", source, "cpu")
    with pytest.raises(UserError, match="narrow has 16 tokens, fewer than the"):
        write_checkpoint(tmp_path / "made", "narrow", source, "cpu")
    assert not (tmp_path / "made").exists()
