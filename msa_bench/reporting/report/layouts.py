"""The paper's Tables 2, 3 and 4 and Figures 1 and 4 with its values, ours, and the differences that mean something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from msa_bench.evaluation.statistics import Interval
from msa_bench.paper import Paper, paper
from msa_bench.paper import Value as Point
from msa_bench.reporting.report.grid import Table, Value
from msa_bench.reporting.report.pooling import JUDGE, Cell
from msa_bench.reporting.report.runs import length_name

ACCURACY, AVERAGE = "string_match_all", "average"
NIAH_SUBTASKS = 8
SYSTEMS = {"rag": "rag-dense", "rag-rerank": "rag-rerank", "hipporag2": "hipporag", "msa": "msa"}
"""The paper's systems and the ones here that do the same."""
CURVES = {"msa": "msa", "backbone": "full-context", "qwen3-4b-instruct": "full-context", "memagent-14b": "memagent"}
SWITCHES = {"without_interleave": {"interleave": "off"}, "without_original_text": {"original_text": "off"}}
"""The rows of Table 4 that a switch makes; the others need adapters trained otherwise."""

_SCALE = (
    "The paper's values are a judge's mean score from 0 to 5. Where no judge was asked, ours is the score that is "
    "named, on another scale, and there is no difference to give. {models}"
)


@dataclass(frozen=True)
class Ours:
    """A measured value that belongs into a place of a layout; `comparable` if it is on the paper's scale."""

    score: str
    interval: Interval
    cell: Cell
    comparable: bool
    remark: str = ""


@dataclass(frozen=True)
class Place:
    """One place of a layout: what the paper has there, and what was measured here."""

    row: str
    column: str
    paper: float | None
    exact: bool
    ours: tuple[Ours, ...]


def layouts(cells: Sequence[Cell]) -> list[Table]:
    """The layouts in the paper's order."""
    numbers = paper()
    models = _models(numbers, cells)
    scale = _SCALE.format(models=models)
    return [
        _table("paper-figure-1", "Paper, Figure 1: MS MARCO over memory length", "length",
               list(_figure1(numbers, cells)), [scale, _READ_OFF], list(numbers.figure1)),
        _table("paper-table-2", "Paper, Table 2: RAG on the same backbone", "task",
               list(_table2(numbers, cells)), [scale, "@1, @5, @10: passages fed to the generator."]),
        _table("paper-table-3", "Paper, Table 3: best-of-breed RAG", "system",
               list(_table3(numbers, cells)), [scale, "Averages over the nine tasks; other systems than MSA use models "
               "that no run here has."]),
        _table("paper-table-4", "Paper, Table 4: ablations", "variant",
               list(_table4(numbers, cells)), [scale, "Rows without a switch here need adapters trained otherwise."]),
        _table("paper-figure-4", "Paper, Figure 4: NIAH over memory length", "length",
               list(_figure4(numbers, cells)), ["Accuracy, a share from 0 to 1, the mean over RULER's eight NIAH "
               f"subtasks. {models}", _READ_OFF], list(numbers.figure4)),
    ]  # fmt: skip


def _models(numbers: Paper, cells: Sequence[Cell]) -> str:
    names = dict.fromkeys(str(run.config.get("model")) for cell in cells for run in cell.runs)
    return f"The paper's backbone is {numbers.backbone}; ours: {', '.join(names)}."


_READ_OFF = "~: read off the paper's figure."


def _figure1(numbers: Paper, cells: Sequence[Cell]) -> Iterator[Place]:
    return _curves(numbers.figure1, cells, "ms_marco", _judged)


def _figure4(numbers: Paper, cells: Sequence[Cell]) -> Iterator[Place]:
    return _curves(numbers.figure4, cells, "niah", lambda found: tuple(map(_accuracy, found)))


def _curves(
    curves: Mapping[str, Mapping[int, Point]],
    cells: Sequence[Cell],
    task: str,
    measured: Callable[[Sequence[Cell]], tuple[Ours, ...]],
) -> Iterator[Place]:
    """The curves by length, also at lengths that were measured here alone."""
    own = {cell.length for cell in cells if cell.task == task and cell.length and cell.series.system in CURVES.values()}
    for length in sorted(own.union(*curves.values())):
        for system, points in curves.items():
            value = points.get(length)
            ours = measured(_plain(cells, task, CURVES.get(system), None, length))
            if value or ours:
                score, exact = (value.score, value.exact) if value else (None, True)
                yield Place(length_name(length), system, score, exact, ours)


def _table2(numbers: Paper, cells: Sequence[Cell]) -> Iterator[Place]:
    columns: dict[str, list[tuple[Ours, ...]]] = {}
    for task, row in numbers.table2.items():
        for system, scores in row.items():
            for k, value in scores.items():
                column = system if k is None else f"{system} @{k}"
                known = columns.setdefault(column, [])
                if task == AVERAGE:
                    ours = _averaged(known)
                else:
                    ours = _judged(_bank(_plain(cells, task, SYSTEMS[system], None if k is None else f"k={k}")))
                    known.append(ours)
                yield Place(task, column, value, True, ours)


def _table3(numbers: Paper, cells: Sequence[Cell]) -> Iterator[Place]:
    own = [_judged(_bank(_plain(cells, task, "msa", None))) for task in numbers.table2 if task != AVERAGE]
    for system, scores in numbers.table3.items():
        for k, value in scores.items():
            column = "chosen by MSA" if k is None else f"@{k}"
            yield Place(system, column, value, True, _averaged(own) if system == "msa" else ())


def _table4(numbers: Paper, cells: Sequence[Cell]) -> Iterator[Place]:
    for variant, row in numbers.table4.items():
        known: dict[str, tuple[Ours, ...]] = {}
        for task in row:
            found: list[Cell] = []
            if variant == "msa-s2":
                found = _plain(cells, task, "msa", None)
            elif variant in SWITCHES:
                found = [one for one in cells if one.task == task and _is_ablated(one, SWITCHES[variant])]
            known[task] = _judged(_bank(found))
        known[AVERAGE] = _averaged([ours for task, ours in known.items() if task != AVERAGE])
        for task, value in row.items():
            yield Place(variant, task, value, True, known[task])


def _averaged(tasks: Sequence[tuple[Ours, ...]]) -> tuple[Ours, ...]:
    """The mean over tasks, where each of them has been judged and none of them for several series."""
    if not all(len(ours) == 1 and ours[0].comparable for ours in tasks):
        return ()
    every = [ours[0] for ours in tasks]
    mean, n = fmean(ours.interval.mean for ours in every), sum(ours.interval.n for ours in every)
    unfinished = next((ours.cell for ours in every if not ours.cell.finished), every[0].cell)
    return (Ours(JUDGE, Interval(mean, None, None, "none (mean of tasks)", n), unfinished, True),)


def _plain(
    cells: Iterable[Cell], task: str, system: str | None, variant: str | None, length: int | None = None
) -> list[Cell]:
    """The cells of a system as it is by itself; only MSA's switches take something away from it."""
    return [
        cell
        for cell in cells
        if (cell.task, cell.series.system, cell.series.variant) == (task, system, variant)
        and (length is None or cell.length == length)
        and (system != "msa" or not (cell.series.own or _is_crippled(cell)))
    ]


def _is_crippled(cell: Cell) -> bool:
    """Whether an ablation of Table 4 is set, be it in all runs of the report."""
    return any(item in cell.series.ablations for switch in SWITCHES.values() for item in switch.items())


def _is_ablated(cell: Cell, switch: Mapping[str, str]) -> bool:
    """Whether `switch` is what sets the cell apart from MSA as it is by itself."""
    items = set(switch.items())
    return cell.series.system == "msa" and items <= set(cell.series.ablations) and set(cell.series.own) <= items


def _bank(cells: Sequence[Cell]) -> list[Cell]:
    """Of each series the cell over the whole bank, as in the paper's tables, else over the longest part of it."""
    best: dict[object, Cell] = {}
    for cell in cells:
        other = best.get(cell.series)
        if other is None or (other.length is not None and (cell.length is None or cell.length > other.length)):
            best[cell.series] = cell
    return list(best.values())


def _judged(cells: Iterable[Cell]) -> tuple[Ours, ...]:
    found = []
    for cell in cells:
        name = JUDGE if cell.score(JUDGE) else cell.main_score
        score = cell.score(name)
        if score is not None:
            remark = "" if cell.length is None or cell.task == "niah" else f"at {length_name(cell.length)}"
            found.append(Ours(name, score, cell, name == JUDGE, remark))
    return tuple(found)


def _accuracy(cell: Cell) -> Ours:
    reached = len(cell.by_subtask)
    score = cell.score(ACCURACY)
    if score is None:
        raise ValueError("a NIAH cell has a score of its own")
    remark = "" if reached == NIAH_SUBTASKS else f"{reached} of {NIAH_SUBTASKS} subtasks"
    return Ours(ACCURACY, score, cell, not remark, remark)


def _table(
    name: str, title: str, corner: str, places: Sequence[Place], notes: Sequence[str], order: Sequence[str] = ()
) -> Table:
    """Rows and columns as they come in `places`; `order` says which columns go first."""
    rows = list(dict.fromkeys(place.row for place in places))
    columns = list(dict.fromkeys((*order, *(place.column for place in places))))
    grid = {(place.row, place.column): place for place in places}
    body = [[Value(row, at), *(_value(grid.get((row, column))) for column in columns)] for at, row in enumerate(rows)]
    used = [ours for place in places for ours in place.ours]
    extra = list(notes)
    if not used:
        extra.insert(0, "Nothing in this report measures any of it.")
    if any(not ours.cell.finished for ours in used):
        extra.append("†: from a run that is not finished.")
    return Table(
        name, title, [corner, *columns], body, extra, frozenset(range(1, len(columns) + 1)), _flat(name, places)
    )


def _value(place: Place | None) -> Value:
    if place is None:
        return Value("")
    lines = ["paper –" if place.paper is None else f"paper {'' if place.exact else '~'}{place.paper:.3f}"]
    several = len(place.ours) > 1
    for ours in place.ours:
        mark = "" if ours.cell.finished else "†"
        extra = ", ".join(filter(None, (ours.cell.series.label if several else "", ours.remark)))
        named = "ours" if ours.comparable else ours.score
        lines.append(f"{named} {ours.interval.mean:.3f}{mark}" + (f" ({extra})" if extra else ""))
        if ours.comparable and place.paper is not None:
            lines.append(f"difference {signed(ours.interval.mean - place.paper)}")
    return Value("\n".join(lines if place.ours else [*lines, "not measured"]), place.paper)


def _flat(name: str, places: Iterable[Place]) -> Table:
    """One line per place and measured value, for programs."""
    header = ("row", "column", "paper", "read_off", "score", "ours", "low", "high", "difference", "samples", "length",
              "series", "state", "remark")  # fmt: skip
    rows = []
    for place in places:
        paper_value = "" if place.paper is None else f"{place.paper:g}"
        start = [place.row, place.column, paper_value, "" if place.exact else "yes"]
        for ours in place.ours:
            one, cell = ours.interval, ours.cell
            gap = "" if place.paper is None or not ours.comparable else f"{one.mean - place.paper:.6f}"
            bounds = ("" if bound is None else f"{bound:.6f}" for bound in (one.low, one.high))
            rows.append([*start, ours.score, f"{one.mean:.6f}", *bounds, gap, str(one.n), length_name(cell.length),
                         cell.series.label, "finished" if cell.finished else "unfinished", ours.remark])  # fmt: skip
        if not place.ours:
            rows.append([*start, *[""] * 8, "not measured", ""])
    return Table(name, name, header, [list(map(Value, row)) for row in rows])


def signed(value: float) -> str:
    """`+0.120` or `−0.120`, with a minus sign that reads as one."""
    return f"{value:+.3f}".replace("-", "−")
