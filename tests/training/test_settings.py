from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
import yaml

from msa_bench.errors import UserError
from msa_bench.training.batch import BatchPlan
from msa_bench.training.loop import train
from msa_bench.training.samples import Habits
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
    settings = read_settings(written(tmp_path, {"rank": 8}, tokens=777, retry=0.3))
    assert (settings.rank, settings.seed, settings.data) == (8, 1, None)
    assert settings.stages[0].plan == BatchPlan(tokens=777, habits=Habits(retry=0.3))


def test_everything_a_batch_is_made_by_can_be_said_of_a_stage(tmp_path: Path) -> None:
    rows = {"bank": [[3, 40], [2, 90]], "samples": [[4, 50]]}
    shares = {"prose": 0.5, "negatives": 0.25, "answer": 0.6, "retry": 0.7, "split": 0.8}
    stage = read_settings(written(tmp_path, tokens=777, targets=66, digits=[3, 5], **rows, **shares)).stages[0]
    assert stage.plan == BatchPlan(
        bank=((3, 40), (2, 90)),
        samples=((4, 50),),
        tokens=777,
        targets=66,
        prose=0.5,
        negatives=0.25,
        digits=(3, 5),
        habits=Habits(answer=0.6, retry=0.7, split=0.8),
    )


def test_a_curriculum_is_read_as_counts_and_how_often_each_is_drawn(tmp_path: Path) -> None:
    stage = read_settings(written(tmp_path, attended={1: 3, 16: 0.5}, forced=0.8)).stages[0]
    assert (stage.attended, stage.forced) == ({1: 3.0, 16: 0.5}, 0.8)


def test_a_misspelt_key_is_named_with_the_nearest_even_where_it_is_also_missing(tmp_path: Path) -> None:
    assert "there is no key modle; did you mean model?" in refusal(
        written(tmp_path, {"model": None, "modle": "smollm2-135m"})
    )


def test_a_misspelt_key_of_a_stage_is_named_with_its_place_and_the_nearest(tmp_path: Path) -> None:
    assert "stages.0.target; did you mean targets?" in refusal(written(tmp_path, target=1))


def test_a_key_like_no_other_is_answered_with_all_there_are(tmp_path: Path) -> None:
    assert "known keys are model, out, stages" in refusal(written(tmp_path, {"zzz": 1}))


def test_what_is_given_takes_the_place_of_the_files_own_before_either_is_checked(tmp_path: Path) -> None:
    # Without the adapters that are given, a file of no stages would have nothing to do.
    file = written(tmp_path, {"stages": [], "rank": 8})
    settings = read_settings(file, {"start_from": ("one", "two"), "rank": 16})
    assert (settings.start_from, settings.rank) == ((Path("one"), Path("two")), 16)


@pytest.mark.parametrize("stage", [{"minutes": 1}, {"steps": None}])
def test_a_stage_is_bounded_by_either_steps_or_minutes(tmp_path: Path, stage: dict[str, Any]) -> None:
    assert refusal(written(tmp_path, **stage)).endswith("stages.0: give either steps or minutes.")


@pytest.mark.parametrize(
    ("top", "stage", "named"),
    [
        ({"aux_loss": "INFONSE"}, {}, "aux_loss must be one of INFONCE, INFONCE_FOCAL"),
        ({"stages": []}, {}, "the file"),
        ({"stages": [], "start_from": "one"}, {}, "the file"),
        ({"rank": 0}, {}, "rank"),
        ({"out": None}, {}, "out: Field required"),
        ({}, {"attended": {}}, "stages.0.attended"),
        ({}, {"attended": {0: 1}}, "stages.0.attended.0"),
        ({}, {"attended": {2: 0}}, "stages.0.attended.2"),
        ({}, {"forced": 1.5}, "stages.0.forced"),
        ({}, {"answer": 1.5}, "stages.0.answer"),
        ({}, {"tokens": 0}, "stages.0.tokens"),
        ({}, {"digits": [9]}, "stages.0.digits.0"),
        ({}, {"bank": []}, "stages.0.bank"),
        ({}, {"bank": [[0, 64]]}, "stages.0.bank.0.0"),
        ({}, {"bank": [[4, 128], [4, 64]]}, "stages.0.bank: give rows as [count, width], narrowest first"),
        ({}, {"samples": [[4, 64], [2, 64]]}, "stages.0.samples: give rows as [count, width], narrowest first"),
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
def test_the_training_files_of_the_repository_are_valid_and_name_no_place_of_their_own(file: Path) -> None:
    settings = read_settings(file)
    assert settings.data is None
    assert not settings.out.is_absolute()


def test_the_default_backbone_learns_ids_from_one_document_and_is_given_more_and_more_freedom() -> None:
    settings: TrainingSettings = read_settings(CONFIGS / "train-smollm2-135m.yaml")
    first, *_, last = settings.stages
    assert first.forced == 1
    assert max(first.attended, key=lambda count: first.attended[count]) == 1
    assert max(last.attended, key=lambda count: last.attended[count]) == 16
    assert all(first.forced >= later.forced >= last.forced for later in settings.stages)
    assert last.forced == 0
