"""What a run is: its settings, where they come from, and which of them make it this run and no other.

A YAML file has the command line's options as keys, and an option given on the command line wins:

    task: niah
    length: 16K
    system: [msa, rag-bm25]
    ablate: {interleave: off}
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from msa_bench.errors import UserError, unknown
from msa_bench.lengths import format_length, parse_length


def _length(value: object) -> object:
    return parse_length(value) if isinstance(value, str) else value


def _names(value: object) -> object:
    if isinstance(value, str):
        value = [value]
    return tuple(dict.fromkeys(value)) if isinstance(value, list | tuple) else value


def _switches(value: object) -> object:
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple):
        return value
    switches = {}
    for item in value:
        key, equals, setting = str(item).partition("=")
        if not (key.strip() and equals and setting.strip()):
            raise UserError(f"The ablation {item!r} is not KEY=VALUE; write it as interleave=off.")
        switches[key.strip()] = setting.strip()
    return switches


def _price(value: object) -> object:
    return value.split("/") if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_names)]


class RunConfig(BaseModel):
    """The settings of one run, named as the command line's options are."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    task: str
    length: Annotated[int | None, BeforeValidator(_length), Field(gt=0)] = None
    system: Names = ("msa",)
    model: str = "smollm2-135m"
    reader: str | None = None
    samples: Annotated[int, Field(ge=1)] = 5
    seed: Annotated[int, Field(ge=0)] = 42
    subtask: Names = ()
    ablate: Annotated[dict[str, str], BeforeValidator(_switches)] = {}
    data: Path | None = None
    haystack: Path | None = None
    pad: Literal["synthetic"] | None = None
    doc_tokens: Annotated[int, Field(ge=1)] = 128
    max_answer_tokens: Annotated[int, Field(ge=1)] = 128
    batch_size: Annotated[int, Field(ge=1)] = 8
    workers: Annotated[int | None, Field(ge=0, le=256)] = None
    device: str = "auto"
    dtype: str = "auto"
    bank: Path | None = None
    budget: str | None = None
    out: Path | None = None
    judge_model: str | None = None
    judge_url: str | None = None
    judge_prompt: Path | None = None
    judge_repeats: Annotated[int, Field(ge=1)] = 1
    judge_concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    judge_price: Annotated[tuple[float, float] | None, BeforeValidator(_price)] = None

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is answered, as JSON values.

        Where it is written, how many processes make text and who judges it are not among them, so that a finished
        run can be judged.
        """
        other = {"out", "workers", "bank", *(name for name in type(self).model_fields if name.startswith("judge_"))}
        # A setting that came later is left out where it is not used, so that older runs are still the same run.
        other |= {name for name in ("pad", "reader", "budget") if getattr(self, name) is None}
        return self.model_dump(mode="json", exclude=other)

    def sha256(self) -> str:
        """The hash of `identity()`; equal hashes mean the same run."""
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()

    def directory(self) -> Path:
        """Where the run is written: `out`, or a place of its own under `results/runs`."""
        length = "full" if self.length is None else format_length(self.length)
        return self.out or Path("results/runs") / f"{self.task}-{length}-{self.sha256()[:8]}"


def make_config(file: Path | None, options: Mapping[str, Any]) -> RunConfig:
    """The settings of `file`, if there is one, overridden by `options`; a `UserError` names the first bad one."""
    settings = {**(read_settings(file) if file else {}), **options}
    return checked_config(settings, f" in {file}" if file else "")


def checked_config(settings: Mapping[str, Any], where: str = "") -> RunConfig:
    """The run that `settings` describe; a `UserError` names the first bad one and `where` it stands (` in FILE`)."""
    for key in settings:
        if key not in RunConfig.model_fields:
            raise unknown(f"setting{where}", key, RunConfig.model_fields)
    if "task" not in settings:
        raise UserError("A run needs a task: give --task NAME or a configuration file with the key task.")
    try:
        return RunConfig(**settings)
    except ValidationError as error:
        first = error.errors()[0]
        key, value = ".".join(map(str, first["loc"])), first["input"]
        raise UserError(f"The setting {key} cannot be {value!r}{where}: {first['msg'].lower()}.") from error


def read_settings(file: Path) -> dict[str, Any]:
    """The keys and values of a YAML file, scalars as written: `off` stays a word, and an empty value is left out."""
    try:
        settings = yaml.load(file.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The configuration file {file} cannot be read: {_reason(error)}.") from error
    except yaml.YAMLError as error:
        raise UserError(f"The configuration file {file} is not YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(settings, dict):
        raise UserError(f"The configuration file {file} does not hold settings; write lines such as 'task: niah'.")
    return {str(key).replace("-", "_"): value for key, value in settings.items() if value not in ("", "null", "~")}


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return error.strerror or "unknown reason" if isinstance(error, OSError) else "it is not UTF-8 text"
