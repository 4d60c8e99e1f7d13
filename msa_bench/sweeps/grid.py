"""A sweep's file and the runs it stands for: tasks x lengths x systems x ablations x seeds, block by block.

    out: results/sweeps/decay
    samples: 5
    grid:
      - task: chains
        length: [16K, 64K]
        system: [msa, rag-bm25]
        ablate: [none, {interleave: off}, {top_k: [1, 4]}]
        seed: [42, 43]

Every other key is a setting of `msa-bench run`, for all runs or for those of a block. An ablation holds for the systems
that know it; a list of values stands for one ablation each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from msa_bench.contracts import DataTask, Task
from msa_bench.errors import UserError, unknown
from msa_bench.evaluation.config import Names, RunConfig, checked_config, read_settings
from msa_bench.evaluation.runner import chosen_subtasks, system_requests
from msa_bench.lengths import format_length, parse_length

_OWN = ("out", "bank", "system", "ablate", "seed", "length", "task")
"""Settings of a run that a sweep decides itself."""

Switches = dict[str, str]

MEASURED_TOKENS = 8192
"""Tokens of the runs that only measure what others will cost."""


def _many(value: object) -> list[object]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _lengths(value: object) -> object:
    return tuple(parse_length(one) if isinstance(one, str) else one for one in _many(value))


def _ablations(value: object) -> object:
    found: list[Switches] = []
    for one in _many(value):
        if one in ("none", ""):
            found.append({})
        elif isinstance(one, Mapping):
            keys, values = [str(key).strip() for key in one], [_many(each) for each in one.values()]
            found += [dict(zip(keys, map(str, chosen), strict=True)) for chosen in product(*values)]
        else:
            raise ValueError(f"{one!r} is no ablation; write none or {{interleave: off}}")
    return tuple(found)


class Block(BaseModel):
    """One product of a grid; `name` goes in front of its runs' names where they would be another block's.

    `settings` are the block's own settings of `msa-bench run`; in the file they stand beside the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Annotated[Names, Field(min_length=1)]
    length: Annotated[tuple[Annotated[int, Field(gt=0)] | None, ...], BeforeValidator(_lengths)] = (None,)
    system: Annotated[Names, Field(min_length=1)] = ("msa",)
    ablate: Annotated[tuple[Switches, ...], BeforeValidator(_ablations), Field(min_length=1)] = ({},)
    seed: Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_many), Field(min_length=1)] = (42,)
    name: str = Field("", pattern=r"^[\w.-]*$")
    settings: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _sorted(cls, raw: Any) -> Any:
        if not isinstance(raw, Mapping):
            raise ValueError("a block of the grid holds keys such as task and length")
        own = {str(key).replace("-", "_"): value for key, value in raw.items()}
        settings = {key: own.pop(key) for key in list(own) if key in RunConfig.model_fields and key not in _OWN}
        return own | ({"settings": settings} if settings else {})


class Sweep(BaseModel):
    """A sweep's file. `keep_banks` leaves the encoded memories in `out`/banks when all their runs are finished."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    out: Path
    grid: Annotated[tuple[Block, ...], Field(min_length=1)]
    keep_banks: bool = False
    settings: dict[str, Any] = {}

    @model_validator(mode="before")
    @classmethod
    def _sorted(cls, raw: Any) -> Any:
        own = dict(raw)
        settings = {key: own.pop(key) for key in list(own) if key in RunConfig.model_fields and key not in _OWN}
        return own | {"settings": settings}


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of a sweep: an ordinary run of one system in a directory of its own.

    Cells of the same `group` encode the same memory and share a bank. `questions` is how many it asks about how many
    `corpora`, each of `config.length` tokens; None for a task whose number of questions its data decide.
    """

    name: str
    config: RunConfig
    group: str
    corpora: int
    questions: int

    @property
    def system(self) -> str:
        """The one system that is run."""
        return self.config.system[0]


def read_sweep(file: Path) -> Sweep:
    """The sweep in a YAML file; a `UserError` names the first key that is unknown or wrong."""
    try:
        return Sweep.model_validate(read_settings(file))
    except ValidationError as error:
        # A misspelt key is often also a missing one; the misspelling is what helps.
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        place = ".".join(str(part) for part in first["loc"]) or "grid"
        if first["type"] == "extra_forbidden":
            block = "grid" in first["loc"]
            known = {*RunConfig.model_fields, *(Block if block else Sweep).model_fields} - {"settings", "bank"}
            if first["loc"][-1] in _OWN:
                own = block or first["loc"][-1] == "bank"
                reason = "is decided by the sweep itself" if own else "belongs into a block of the grid"
                raise UserError(f"{file}: the key {place} {reason}.") from error
            raise unknown(f"key of a sweep in {file}", str(first["loc"][-1]), known) from error
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(f"{file}: {place} cannot be {_short(first['input'])}: {message.lower()}.") from error


def cells(
    sweep: Sweep, make_task: Callable[[str], Task], system_factory: Callable[[str], Any], where: str = ""
) -> list[Cell]:
    """The runs of `sweep`, in the order of its file, each once; a `UserError` for names, switches and settings that
    are not known, and for two runs that would have one name."""
    found: dict[str, Cell] = {}
    for block in sweep.grid:
        factories = {name: system_factory(name) for name in block.system}
        _refuse_unknown_switches(block, factories)
        for task_name in block.task:
            task = make_task(task_name)
            for length, (system, factory), ablate, seed in product(
                block.length, factories.items(), block.ablate, block.seed
            ):
                if not set(ablate) <= set(getattr(factory, "ablations", ())):
                    continue
                run: dict[str, Any] = {"task": task_name, "system": (system,), "ablate": ablate, "seed": seed}
                run |= {} if length is None else {"length": length}
                config = checked_config({**sweep.settings, **block.settings, **run}, where)
                cell = _cell(sweep, block.name, config, task, factory)
                earlier = found.setdefault(cell.name, cell)
                if earlier.config != cell.config:
                    raise _two_of_one_name(earlier, cell)
    shared = [cell.group for cell in found.values()]
    return [_with_bank(cell, sweep, shared.count(cell.group) > 1) for cell in found.values()]


def measuring(runs: Sequence[Cell], out: Path, make_task: Callable[[str], Task]) -> list[RunConfig]:
    """The short runs that measure what `runs` will cost, one for each system on each task: one question of the first
    subtask over at most `MEASURED_TOKENS`, in directories of their own under `out`/measure."""
    found: dict[str, RunConfig] = {}
    for config in (run.config for run in runs):
        name = f"{config.task}-{config.system[0]}"
        length = None if config.length is None else min(config.length, MEASURED_TOKENS)
        update: dict[str, Any] = {
            "length": length,
            "samples": 1,
            "subtask": tuple(filter(None, chosen_subtasks(make_task(config.task), config.subtask)[:1])),
            "ablate": {},
            "bank": None,
            "out": out / "measure" / name,
        }
        found.setdefault(name, config.model_copy(update=update))
    return list(found.values())


def _cell(sweep: Sweep, prefix: str, config: RunConfig, task: Task, factory: Any) -> Cell:
    subtasks = chosen_subtasks(task, config.subtask)
    system_requests(config, {config.system[0]: factory})
    length = "full" if config.length is None else format_length(config.length)
    what = config.subtask[0] if len(config.subtask) == 1 else config.task
    data = [*filter(None, [prefix]), what, length]
    switches = [f"{key}={value.replace('/', '_')}" for key, value in config.ablate.items()]
    name = "-".join([*data, config.system[0], *switches, f"s{config.seed}"])
    encoding: Callable[[Mapping[str, str]], str] | None = getattr(factory, "encoding", None)
    encoded = encoding(config.ablate) if encoding else None
    group = name if encoded is None else _bank_name(data, config, task, encoded)
    placed = config.model_copy(update={"out": sweep.out / "runs" / name})
    return Cell(name, placed, group, len(subtasks), len(subtasks) * config.samples)


def _bank_name(data: Sequence[str], config: RunConfig, task: Task, encoded: str) -> str:
    """A name for everything a memory bank depends on, known before any text is made."""
    names = ("task", "length", "subtask", "data", "haystack", "pad", "doc_tokens", "model", "device", "dtype", "budget")
    parts = {name: getattr(config, name) for name in names}
    # A whole bank of real documents is the same whatever is asked; made and cut ones depend on the questions.
    if not (isinstance(task, DataTask) and config.length is None):
        parts |= {"seed": config.seed, "samples": config.samples}
    parts |= {"system": config.system[0], "encoding": encoded}
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return "-".join([*data, config.system[0], *([encoded] if encoded else []), digest])


def _with_bank(cell: Cell, sweep: Sweep, shared: bool) -> Cell:
    """`cell` with a directory for its memory where other runs use it too, or it is to be kept."""
    if cell.group == cell.name or not (shared or sweep.keep_banks):
        return cell
    config = cell.config.model_copy(update={"bank": sweep.out / "banks" / cell.group})
    return Cell(cell.name, config, cell.group, cell.corpora, cell.questions)


def _refuse_unknown_switches(block: Block, factories: Mapping[str, Any]) -> None:
    known = {name: set(getattr(factory, "ablations", ())) for name, factory in factories.items()}
    for ablate in block.ablate:
        for key in ablate:
            if not any(key in keys for keys in known.values()):
                raise unknown(f"ablation of {', '.join(known)}", key, set().union(*known.values()))
        if not any(set(ablate) <= keys for keys in known.values()):
            raise UserError(f"None of {', '.join(known)} knows all switches of the ablation {_short(ablate)}.")


def _two_of_one_name(first: Cell, second: Cell) -> UserError:
    old, new = first.config.identity(), second.config.identity()
    different: Iterator[str] = (key for key in old if old[key] != new.get(key))
    key = next(different, "settings")
    return UserError(
        f"Two runs of the grid would be called {first.name}, with {key} = {_short(old.get(key))} and "
        f"{_short(new.get(key))}; give one of their blocks a name."
    )


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 80 else text[:77] + "..."
