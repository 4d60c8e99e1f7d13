"""Decay curves: a score over the length of the memory, with the paper's curve behind where it has one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from msa_bench.evaluation.statistics import Interval
from msa_bench.paper import Value, paper
from msa_bench.reporting.report.figures.drawing import (
    PAPER,
    WIDTH,
    Drawing,
    by_length,
    file_name,
    legend_below,
    share_axis,
    whiskers,
)
from msa_bench.reporting.report.pooling import JUDGE, Cell, Series
from msa_bench.reporting.report.runs import length_name


def decay_curves(cells: Sequence[Cell]) -> Iterator[Drawing]:
    """A figure per task and score, the judge's beside the main one, for tasks that have lengths."""
    for task in dict.fromkeys(cell.task for cell in cells):
        own = [cell for cell in cells if cell.task == task and cell.length is not None]
        for score in dict.fromkeys((*(cell.main_score for cell in own), JUDGE)):
            found = [cell for cell in own if cell.score(score) is not None]
            if found:
                yield _decay(task, score, found)


def _decay(task: str, score: str, cells: Sequence[Cell]) -> Drawing:
    figure = Figure(figsize=(WIDTH, 3.3))
    axes = figure.add_subplot()
    behind = paper_curves(task, score)
    lengths = [cell.length for cell in cells if cell.length is not None]
    first, last = min(lengths) / 4, max(lengths) * 4
    for place, (name, points) in enumerate(behind.items()):
        near = {x: value for x, value in points.items() if first <= x <= last}
        axes.plot(list(near), [value.score for value in near.values()], color=PAPER, linewidth=1.2, alpha=0.75,
                  zorder=1, linestyle=("solid", "dashed")[place % 2], label=f"the paper's {name}")  # fmt: skip
        lengths += near
    says = []
    series = dict.fromkeys(cell.series for cell in cells)
    for place, one in enumerate(series):
        points_of = _points(one, cells, score)
        unfinished = any(not cell.finished for cell in cells if cell.series == one)
        # A little apart, so that intervals at the same length can be told from each other.
        nudge = 2 ** ((place - (len(series) - 1) / 2) * 0.05)
        label = one.label + (" †" if unfinished else "")
        whiskers(axes, place, [x * nudge for x, _ in points_of], [value for _, value in points_of], label, zorder=3)
        says.append(f"{label}: " + ", ".join(f"{value.mean:.2f} at {length_name(x)}" for x, value in points_of))
    by_length(axes, lengths)
    axes.set_ylabel(f"{score} (mean)")
    share_axis(axes)
    legend_below(figure, axes)
    caption = "Mean with 95% interval over the samples of all seeds."
    if behind:
        caption += " Grey: the paper's values, of its own models."
    if any(not cell.finished for cell in cells):
        caption += " †: from a run that is not finished."
    caption += "".join(f" {lacking}." for lacking in _lacking(cells))
    title = f"{task}: {score} over memory length"
    return Drawing(file_name("decay", task, score), title, caption, "; ".join(says) + ".", figure, cells)


def _lacking(cells: Sequence[Cell]) -> Iterator[str]:
    """Points whose mean is over fewer subtasks than others of their series, in words."""
    for series in dict.fromkeys(cell.series for cell in cells):
        own = [cell for cell in cells if cell.series == series]
        most = len({subtask for cell in own for subtask in cell.by_subtask})
        for cell in own:
            if len(cell.by_subtask) < most:
                yield f"{series.label} at {length_name(cell.length)}: {len(cell.by_subtask)} of {most} subtasks"


def _points(series: Series, cells: Sequence[Cell], score: str) -> list[tuple[int, Interval]]:
    return [
        (cell.length, value)
        for cell in cells
        if cell.series == series and cell.length is not None and (value := cell.score(score)) is not None
    ]


def paper_curves(task: str, score: str) -> Mapping[str, Mapping[int, Value]]:
    """The paper's curves of MSA and of its backbone that measure the same as `score` of `task`."""
    if (task, score) == ("niah", "string_match_all"):
        return {"MSA": paper().figure4["msa"], "backbone": paper().figure4["qwen3-4b-instruct"]}
    if (task, score) == ("ms_marco", JUDGE):
        return {"MSA": paper().figure1["msa"], "backbone": paper().figure1["backbone"]}
    return {}
