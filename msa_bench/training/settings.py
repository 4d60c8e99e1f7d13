"""The training file: stages, mixture and sizes, validated before anything is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from msa_bench.errors import UserError
from msa_bench.training.batch import BatchPlan
from msa_bench.training.episodes import DEFAULT_WEIGHTS
from msa_bench.training.losses import METHODS
from msa_bench.training.samples import Habits

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(gt=0)]
_PLAN = BatchPlan()


def _ascending(rows: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    if [width for _, width in rows] != sorted({width for _, width in rows}):
        raise ValueError("give rows as [count, width], narrowest first")
    return rows


def _several(given: object) -> object:
    """One path stands for itself alone."""
    return (given,) if isinstance(given, str | Path) else given


RowsField = Annotated[tuple[tuple[Positive, Positive], ...], Field(min_length=1), AfterValidator(_ascending)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Stage(_Strict):
    """One stage. Exactly one of `steps` and `minutes` bounds it. `attended` says how often a sample attends so many
    documents, on any scale, and `forced` how often its gold documents are among them whatever the router chose;
    learning rates run linearly from the first value to the second; `remembered` routing keys of earlier batches are
    further negatives, begun anew by a restart. The shape of batches and their habits are those of
    `BatchPlan` and `Habits`."""

    name: str
    steps: Positive | None = None
    minutes: Annotated[float, Field(gt=0)] | None = None
    lm_weight: float = 1.0
    aux_weight: float = 0.1
    learning_rate: tuple[float, float] = (2e-3, 2e-3)
    router_learning_rate: tuple[float, float] = (1e-3, 1e-3)
    attended: Annotated[dict[Positive, Annotated[float, Field(gt=0)]], Field(min_length=1)] = {16: 1.0}
    forced: Share = 0.0
    remembered: Annotated[int, Field(ge=0)] = 0
    bank: RowsField = _PLAN.bank
    samples: RowsField = _PLAN.samples
    tokens: Positive = _PLAN.tokens
    targets: Positive = _PLAN.targets
    prose: Share = _PLAN.prose
    negatives: Share = _PLAN.negatives
    further: Share = _PLAN.further
    digits: Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(min_length=1)] = _PLAN.digits
    answer: Share = _PLAN.habits.answer
    retry: Share = _PLAN.habits.retry
    split: Share = _PLAN.habits.split
    beside: Share = _PLAN.habits.beside
    at_once: Share = _PLAN.habits.at_once
    missed: Share = _PLAN.habits.missed
    textless: Share = _PLAN.habits.textless
    weights: dict[str, float] = Field(default_factory=lambda: dict(DEFAULT_WEIGHTS))

    @model_validator(mode="after")
    def _one_bound(self) -> Stage:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give either steps or minutes")
        return self

    @property
    def plan(self) -> BatchPlan:
        """What the stage asks of a batch."""
        own = {one.name: getattr(self, one.name) for one in fields(BatchPlan) if one.name != "habits"}
        return BatchPlan(**own, habits=Habits(**{one.name: getattr(self, one.name) for one in fields(Habits)}))


class TrainingSettings(_Strict):
    """A training run: the backbone, the adapter's size, how many routing keys a chunk has, and the stages in order. It
    begins with the adapter in `start_from`, or with the mean of several, which without stages is what comes out
    (Wortsman et al. 2022)."""

    model: str
    out: Path
    stages: tuple[Stage, ...] = ()
    seed: int = 1
    rank: Positive = 64
    routing_keys: Positive = 1
    data: Path | None = None
    start_from: Annotated[tuple[Path, ...], BeforeValidator(_several)] = ()
    workers: Annotated[int, Field(ge=0)] = 4
    aux_loss: str = "INFONCE_DECOUPLE"
    aux_temperature: Annotated[float, Field(gt=0)] = 0.05
    clip: Annotated[float, Field(gt=0)] = 1.0
    warm_up_steps: Annotated[int, Field(ge=0)] = 50
    log_every: Positive = 20
    save_every: Positive = 500
    compile: bool = False
    device: str = "auto"
    dtype: str = "auto"

    @model_validator(mode="after")
    def _known_loss(self) -> TrainingSettings:
        if self.aux_loss not in METHODS:
            raise ValueError(f"aux_loss must be one of {', '.join(METHODS)}")
        return self

    @model_validator(mode="after")
    def _something_to_do(self) -> TrainingSettings:
        if not self.stages and len(self.start_from) < 2:
            raise ValueError("give stages to train, or several adapters in start_from to take the mean of")
        return self


def read_settings(path: Path, given: Mapping[str, object] | None = None) -> TrainingSettings:
    """The settings in a YAML file, those `given` in place of its own; a `UserError` names the key that is unknown or
    wrong."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"The training file {path} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise UserError(f"The training file {path} cannot be read (it is not UTF-8 text).") from error
    except yaml.YAMLError as error:
        raise UserError(f"The training file {path} is no valid YAML ({' '.join(str(error).split())}).") from error
    if not isinstance(raw, dict):
        raise UserError(f"The training file {path} holds no settings; it needs at least model, out and stages.")
    try:
        return TrainingSettings.model_validate(raw | dict(given or {}))
    except ValidationError as error:
        # A misspelt key is often also a missing one; the misspelling is what helps.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        if first["type"] == "extra_forbidden":
            known = (Stage if "stages" in first["loc"] else TrainingSettings).model_fields
            near = get_close_matches(str(first["loc"][-1]), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys are {', '.join(known)}."
            raise UserError(f"{path}: there is no key {place}; {hint}") from error
        raise UserError(f"{path}: {place}: {first['msg'].removeprefix('Value error, ')}.") from error
