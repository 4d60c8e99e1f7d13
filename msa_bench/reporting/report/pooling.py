"""What may be counted together: samples of one system, set up one way, on one kind of data, over all seeds."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from statistics import fmean
from typing import Any

from msa_bench.evaluation.files import weights_of
from msa_bench.evaluation.samples import natural_key
from msa_bench.evaluation.statistics import Interval, mean_interval, stratified_interval
from msa_bench.reporting.report.runs import Line, Run, length_name

JUDGE = "judge"
# What must agree for two runs of a task to be of one kind of data, whatever their seeds and lengths.
PROTOCOL = ("data", "haystack", "pad", "doc_tokens", "max_answer_tokens")


@dataclass(frozen=True)
class Series:
    """One system set up one way: what a curve or a row of a table stands for.

    `own` are its ablations without those that all runs of the report share; `model` and `data` are shown (and not
    empty) only where the report has several.
    """

    system: str
    variant: str | None
    ablations: tuple[tuple[str, str], ...] = field(compare=False)
    own: tuple[tuple[str, str], ...]
    weights: str
    model: str
    data: str

    @property
    def label(self) -> str:
        """`rag-bm25 k=5`, `msa interleave=off (smollm2-135m, data B)`."""
        parts = [self.system, self.variant, *(f"{key}={value}" for key, value in self.own)]
        extra = ", ".join(filter(None, (self.model, self.data)))
        return " ".join(filter(None, parts)) + (f" ({extra})" if extra else "")

    @property
    def order(self) -> tuple[Any, ...]:
        """By which series of one system are sorted: few switches before many, `chunk=16` before `chunk=128`."""
        return len(self.own), natural_key(*chain.from_iterable(self.own))


@dataclass(frozen=True, eq=False)
class Cell:
    """All samples of one series on one task at one length; `parts` are the runs they come from, each with its own."""

    task: str
    length: int | None
    series: Series
    parts: Sequence[tuple[Run, Sequence[Line]]]

    @cached_property
    def runs(self) -> list[Run]:
        return [run for run, _ in self.parts]

    @cached_property
    def lines(self) -> list[Line]:
        return [line for _, lines in self.parts for line in lines]

    @property
    def main_score(self) -> str:
        return self.runs[0].main_score

    @property
    def finished(self) -> bool:
        return all(run.finished for run in self.runs)

    @cached_property
    def by_subtask(self) -> dict[str | None, list[Line]]:
        """The samples of each subtask, in the task's order."""
        order = list(dict.fromkeys(name for run in self.runs for name in run.record.get("subtasks", [None])))
        groups: dict[str | None, list[Line]] = {name: [] for name in order}
        for line in self.lines:
            groups.setdefault(line["subtask"], []).append(line)
        return {name: lines for name, lines in groups.items() if lines}

    @cached_property
    def planned_subtasks(self) -> int:
        """How many subtasks the runs were to have; an unfinished one may not have come to all of them."""
        return len({name for run in self.runs for name in run.record.get("subtasks", [None])})

    @cached_property
    def seeds(self) -> list[int]:
        return sorted({run.seed for run in self.runs})

    def score(self, name: str) -> Interval | None:
        """The mean of the subtasks' means with its interval; None where a subtask lacks the score."""
        if name not in self._scores:
            # In the order of the run's own summary, which the resampling depends on in the last digits.
            order = sorted(self.by_subtask, key=natural_key)
            strata = [_column(self.by_subtask[subtask], name) for subtask in order]
            self._scores[name] = stratified_interval(strata) if all(values for values, _ in strata) else None
        return self._scores[name]

    def mean_score(self, name: str) -> float | None:
        """The mean of `score` without the work of its interval."""
        strata = [_column(lines, name)[0] for lines in self.by_subtask.values()]
        return fmean(map(fmean, strata)) if all(strata) else None

    @cached_property
    def _scores(self) -> dict[str, Interval | None]:
        return {}

    def subtask_score(self, subtask: str | None, name: str) -> Interval | None:
        """The mean over one subtask with its interval."""
        values, clusters = _column(self.by_subtask[subtask], name)
        return mean_interval(values, clusters) if values else None

    def mean(self, *path: str) -> float | None:
        """The mean of a number of each sample, such as `seconds` or `tokens`, `in`."""
        values = [value for line in self.lines if isinstance(value := _at(line, path), int | float)]
        return fmean(values) if values else None

    def index(self, key: str) -> float | None:
        """What indexing one subtask's memory took: `seconds`, `bytes` or `tokens`, the mean over subtasks and runs. The
        seconds are those of memories that were made, not only opened."""
        entries = [one for run in self.runs for one in run.record.get("indexes", ())]
        if key == "seconds":
            entries = [one for one in entries if not one.get("reused")]
        values = [
            one[key] for one in entries if one["system"] == self.series.system and one["subtask"] in self.by_subtask
        ]
        return fmean(values) if values else None


@dataclass(frozen=True)
class Pooled:
    """The cells of a report, what all its runs share in ablations, and what a reader must know of the pooling."""

    cells: Sequence[Cell]
    shared_ablations: Mapping[str, str]
    remarks: Sequence[str]


def pool(runs: Sequence[Run]) -> Pooled:
    """Group the samples of `runs` into cells."""
    remarks: list[str] = []
    shared = dict.fromkeys(set.intersection(*({*(run.config.get("ablate") or {}).items()} for run in runs)))
    models = _model_names(runs)
    data = _data_names(runs, remarks)
    pieces: dict[tuple[str, int | None, Series], dict[int, list[Line]]] = defaultdict(lambda: defaultdict(list))
    for place, run in enumerate(runs):
        made: dict[tuple[str, str | None], Series] = {}
        for line in run.lines:
            key = line["system"], line["variant"]
            if key not in made:
                ablations = tuple(sorted(run.ablations(key[0]).items()))
                own = tuple(item for item in ablations if item not in shared)
                weights = _weights(run, key[0])
                made[key] = Series(*key, ablations, own, weights, models[key[0], weights], data[place])
            pieces[run.task, run.length, made[key]][place].append(line)
    systems = list(dict.fromkeys(name for run in runs for name in run.record["systems"]))
    cells = [
        Cell(task, length, series, [(runs[place], lines) for place, lines in parts.items()])
        for (task, length, series), parts in pieces.items()
    ]
    cells.sort(key=lambda cell: (cell.task, cell.length or 0, *_rank(cell.series, systems)))
    remarks += _repeated(cells)
    return Pooled(cells, dict(sorted(shared)), remarks)


def _rank(series: Series, systems: Sequence[str]) -> tuple[Any, ...]:
    place = systems.index(series.system) if series.system in systems else len(systems)
    parts = natural_key(series.variant, series.model, series.data)
    return place, parts[0], *series.order, *parts[1:], series.weights


def _weights(run: Run, system: str) -> str:
    """What answers, as far as it is recorded: the model's name, its hashes and another reader's name, as JSON."""
    said = run.record["systems"].get(system) or {}
    name = run.config.get("reader") if system != "msa" and run.config.get("reader") else run.config.get("model")
    return json.dumps([name, weights_of(said)], sort_keys=True)


def _model_names(runs: Iterable[Run]) -> dict[tuple[str, str], str]:
    """A short name for each system's `_weights` where models differ, with a hash where a name stands for several."""
    found = {(name, _weights(run, name)): None for run in runs for name in {line["system"] for line in run.lines}}
    models = {key: str(json.loads(key[1])[0]) for key in found}
    several = len(set(models.values())) > 1
    versions = Counter((system, model) for (system, _), model in models.items())
    names = {}
    for (system, weights), model in models.items():
        name = "/".join(model.rstrip("/").split("/")[-2:])
        if versions[system, model] > 1:
            names[system, weights] = f"{name} {hashlib.sha256(weights.encode()).hexdigest()[:6]}"
        else:
            names[system, weights] = name if several else ""
    return names


def _signature(run: Run) -> dict[tuple[int | None, int, str | None], tuple[Any, Any]]:
    return {
        (run.length, run.seed, one.get("subtask")): (one.get("documents_fingerprint"), one.get("questions_sha256"))
        for one in run.record.get("datasets", ())
    }


def _data_names(runs: Sequence[Run], remarks: list[str]) -> list[str]:
    """`data A`, `data B` for each run where runs of its task are not of one kind of data, else nothing."""
    names = [""] * len(runs)
    for task in dict.fromkeys(run.task for run in runs):
        groups: list[list[int]] = []
        reasons: dict[str, None] = {}
        for place in (place for place, run in enumerate(runs) if run.task == task):
            fitting = []
            for group in groups:
                reason = next(filter(None, (_conflict(runs[place], runs[other]) for other in group)), None)
                if reason is None:
                    fitting.append(group)
                else:
                    reasons[reason] = None
            chosen = max(
                fitting, key=lambda group: max(_alike(runs[place], runs[other]) for other in group), default=None
            )
            if chosen is None:
                groups.append([place])
            else:
                chosen.append(place)
        if len(groups) > 1:
            for number, group in enumerate(groups):
                for place in group:
                    names[place] = f"data {_letters(number)}"
            parts = "; ".join(
                f"{names[group[0]]}: {', '.join(runs[place].name for place in group)}" for group in groups
            )
            remarks.append(f"Not pooled: runs of {task} are not of the same data ({'; '.join(reasons)}). {parts}.")
    return names


def _conflict(one: Run, other: Run) -> str | None:
    """Why the two are not of one kind of data, if they are not."""
    for key in PROTOCOL:
        if one.config.get(key) != other.config.get(key):
            return f"another {key}"
    first, second = _signature(one), _signature(other)
    for place in first.keys() & second.keys():
        if first[place] != second[place]:
            return f"other documents or questions at {length_name(place[0])}, seed {place[1]}"
    return None


def _alike(one: Run, other: Run) -> tuple[bool, bool]:
    """Whether the two asked as many questions, and whether at the same length as well; greater is more alike."""
    same = one.config.get("samples") == other.config.get("samples")
    return same, same and one.length == other.length


def _letters(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else str(number + 1)


def _repeated(cells: Iterable[Cell]) -> Iterator[str]:
    for cell in cells:
        if len(cell.runs) > 1:
            asked = Counter((line["sample_id"], line["question"]) for line in cell.lines)
            often = sum(count > 1 for count in asked.values())
            if often:
                yield (
                    f"Asked again: {often} questions of {cell.task} {length_name(cell.length)}, {cell.series.label}, "
                    f"are in several of {', '.join(run.name for run in cell.runs)}; all answers count, and intervals "
                    "go by question."
                )


def _column(lines: Iterable[Line], name: str) -> tuple[list[float], list[str]]:
    """The values of one score, and the questions, which a seed's number alone does not tell apart."""
    found = [line for line in lines if name in line["scores"]]
    return [line["scores"][name] for line in found], [f"{line['sample_id']}\n{line['question']}" for line in found]


def _at(line: Any, path: Sequence[str]) -> Any:
    for key in path:
        line = line.get(key) if isinstance(line, Mapping) else None
    return line
