from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml

from msa_bench.errors import UserError
from msa_bench.training.batch import BatchPlan
from msa_bench.training.loop import train
from msa_bench.training.settings import TrainingSettings, read_settings

CONFIGS = Path(__file__).parents[2] / "configs"


def written(path: Path, top: dict[str, Any] | None = None, **stage: Any) -> Path:
    """A training file of one stage with other keys at its `top` and in its `stage`."""
    only = {"name": "only", "steps": 2, "weights": {"fact": 1}} | stage
    raw = {"model": "smollm2-135m", "out": "out", "stages": [only]} | (top or {})
    file = path / "train.yaml"
    file.write_text(yaml.safe_dump({key: value for key, value in raw.items() if value is not None}))
    return file


def refusal(file: Path) -> str:
    with pytest.raises(UserError) as refused:
        read_settings(file)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_a_file_is_read_with_the_defaults_for_the_rest(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, {"rank": 8}, bank_tokens=777))
    assert (settings.rank, settings.seed, settings.data) == (8, 1, None)
    assert settings.stages[0].plan == BatchPlan(bank_tokens=777)


def test_a_misspelt_key_is_named_with_the_nearest_even_where_it_is_also_missing(tmp_path: Path) -> None:
    assert "there is no key modle; did you mean model?" in refusal(
        written(tmp_path, {"model": None, "modle": "smollm2-135m"})
    )


def test_a_misspelt_key_of_a_stage_is_named_with_its_place_and_the_nearest(tmp_path: Path) -> None:
    assert "stages.0.bank_token; did you mean bank_tokens?" in refusal(written(tmp_path, bank_token=1))


def test_a_key_like_no_other_is_answered_with_all_there_are(tmp_path: Path) -> None:
    assert "known keys are model, out, stages" in refusal(written(tmp_path, {"zzz": 1}))


@pytest.mark.parametrize("stage", [{"minutes": 1}, {"steps": None}])
def test_a_stage_is_bounded_by_either_steps_or_minutes(tmp_path: Path, stage: dict[str, Any]) -> None:
    assert refusal(written(tmp_path, **stage)).endswith("stages.0: give either steps or minutes.")


@pytest.mark.parametrize(
    ("top", "stage", "named"),
    [
        ({"aux_loss": "INFONSE"}, {}, "aux_loss must be one of INFONCE, INFONCE_FOCAL"),
        ({"stages": []}, {}, "stages"),
        ({"rank": 0}, {}, "rank"),
        ({"out": None}, {}, "out: Field required"),
        ({}, {"documents": []}, "stages.0.documents"),
        ({}, {"documents": [0]}, "stages.0.documents.0"),
        ({}, {"answer": 1.5}, "stages.0.answer"),
        ({}, {"longest_document": 12}, "stages.0.longest_document"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, top: dict[str, Any], stage: dict[str, Any], named: str) -> None:
    assert named in refusal(written(tmp_path, top, **stage))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"model: [", "is no valid YAML"),
        (b"\xff\xfe\xff", "cannot be read (it is not UTF-8 text)"),
        (b"just words", "holds no settings"),
        (b"", "holds no settings"),
    ],
)
def test_what_holds_no_settings_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "bad.yaml"
    file.write_bytes(content)
    assert f"The training file {file} {said}" in refusal(file)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert "cannot be read (No such file or directory)" in refusal(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("data", "said"), [(False, "give the data directory"), (True, "There is no training data file")]
)
def test_a_source_without_its_data_is_refused_before_anything_is_loaded(tmp_path: Path, data: bool, said: str) -> None:
    settings = read_settings(
        written(tmp_path, {"model": "no/such", "data": str(tmp_path) if data else None}, weights={"titles": 1})
    )
    with pytest.raises(UserError, match=said):
        train(settings)


def test_an_unknown_source_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean needle"):
        train(read_settings(written(tmp_path, weights={"nedle": 1})))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"sizes": {"model_type": "mamba"}}, "model_type 'mamba'"),
        ({"released": {"router_layer_idx": "2,3"}}, "is a memory model already"),
    ],
)
def test_a_backbone_that_cannot_be_trained_is_refused(tmp_path: Path, raw: dict[str, Any], said: str) -> None:
    backbone = tiny.write_checkpoint(tmp_path / "backbone", released=raw.get("released"))
    config = backbone / "config.json"
    config.write_text(config.read_text().replace("qwen3", raw.get("sizes", {}).get("model_type", "qwen3")))
    with pytest.raises(UserError, match=said):
        train(read_settings(written(tmp_path, {"model": str(backbone), "out": str(tmp_path / "out")})))


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("train-*.yaml")), ids=lambda file: file.stem)
def test_the_training_files_of_the_repository_are_valid_and_need_no_data(file: Path) -> None:
    settings = read_settings(file)
    assert settings.data is None
    assert not {"titles", "qa"}.intersection(*(stage.weights for stage in settings.stages))
    assert not settings.out.is_absolute()


def test_the_default_backbone_learns_ids_from_one_document_and_is_free_at_the_end() -> None:
    settings: TrainingSettings = read_settings(CONFIGS / "train-smollm2-135m.yaml")
    first, *_, last = settings.stages
    assert (first.documents, first.forced) == ((1,), True)
    assert (last.documents, last.forced) == ((16,), False)
    assert sum(stage.minutes or 0 for stage in settings.stages) <= 30
