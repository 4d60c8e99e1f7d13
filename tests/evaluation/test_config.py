from __future__ import annotations

from pathlib import Path

import pytest

from msa_bench.errors import UserError
from msa_bench.evaluation.config import RunConfig, make_config


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    return file


def test_a_file_has_the_options_as_keys_and_an_option_wins_over_it(tmp_path: Path) -> None:
    file = written(
        tmp_path, "task: niah\nlength: 16K\nsystem: [msa, rag-bm25]\nablate: {interleave: off}\nsamples: 3\n"
    )
    config = make_config(file, {"samples": 7})
    assert (config.task, config.length, config.samples) == ("niah", 16384, 7)
    assert config.system == ("msa", "rag-bm25")
    assert config.ablate == {"interleave": "off"}


def test_dashes_single_values_and_empty_keys_are_understood(tmp_path: Path) -> None:
    config = make_config(written(tmp_path, "task: niah\nlength:\nsystem: msa\ndoc-tokens: 64\nablate: a=1\n"), {})
    assert (config.length, config.system, config.doc_tokens, config.ablate) == (None, ("msa",), 64, {"a": "1"})


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("task: niah\nsampels: 3\n", "no setting in .*run.yaml named 'sampels'; did you mean samples"),
        ("task: niah\nsamples: many\n", "samples cannot be 'many' in .*run.yaml"),
        ("task: niah\nsamples: 0\n", "samples cannot be '0'"),
        ("task: niah\nlength: 12X\n", "'12X' is not a length"),
        ("task: niah\nablate: [interleave]\n", "'interleave' is not KEY=VALUE"),
        ("task: [\n", "run.yaml is not YAML"),
        ("niah\n", "does not hold settings"),
        ("samples: 3\n", "needs a task"),
    ],
)
def test_bad_settings_are_said_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as raised:
        make_config(written(tmp_path, text), {})
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.yaml cannot be read"):
        make_config(tmp_path / "none.yaml", {})


def test_every_setting_but_the_directory_makes_a_run_another_one() -> None:
    base = RunConfig(task="niah", length=16384)
    assert base.sha256() == RunConfig(task="niah", length=16384, out=Path("elsewhere")).sha256()
    changes = {"seed": 1, "model": "x", "dtype": "float32", "batch_size": 1, "ablate": {"a": "b"}, "subtask": ("s",)}
    for key, value in changes.items():
        assert base.sha256() != base.model_copy(update={key: value}).sha256(), key


def test_a_setting_that_is_not_used_leaves_the_run_what_it_was_before_there_was_one() -> None:
    base = RunConfig(task="niah", length=16384)
    assert not {"pad", "reader", "budget", "workers", "bank"} & set(base.identity())
    for key, value in {"pad": "synthetic", "reader": "x", "budget": "gpu=1GB"}.items():
        assert base.model_copy(update={key: value}).identity() == {**base.identity(), key: value}
    for key, value in {"workers": 2, "bank": Path("banks")}.items():
        assert base.model_copy(update={key: value}).sha256() == base.sha256()


def test_the_directory_has_a_place_of_its_own_by_default() -> None:
    config = RunConfig(task="niah", length=16384)
    assert config.directory() == Path(f"results/runs/niah-16K-{config.sha256()[:8]}")


def test_the_quick_configuration_holds() -> None:
    config = make_config(Path(__file__).parents[2] / "configs/quick.yaml", {})
    assert (config.task, config.length, config.samples, config.seed) == ("niah", 16384, 3, 42)
    assert config.system == ("msa", "full-context", "rag-bm25")
    assert len(config.subtask) == 8
