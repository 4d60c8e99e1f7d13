"""Cost against quality, and time and memory over the length of the memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from matplotlib.figure import Figure

from msa_bench.reporting.report.figures.drawing import (
    MUTED,
    WIDTH,
    Drawing,
    by_length,
    colour,
    file_name,
    legend_below,
    log_ticks,
    marker,
    share_axis,
    whiskers,
)
from msa_bench.reporting.report.pooling import Cell
from msa_bench.reporting.report.results import peak_gigabytes
from msa_bench.reporting.report.runs import length_name

Measure = Callable[[Cell], float | None]


def cost_quality(cells: Sequence[Cell]) -> Iterator[Drawing]:
    """A figure per task: the main score over the tokens read and the seconds taken for a question."""
    measures: tuple[tuple[str, Measure], ...] = (
        ("tokens read per question", lambda cell: cell.mean("tokens", "in")),
        ("seconds per question", lambda cell: cell.mean("seconds")),
    )
    for task in dict.fromkeys(cell.task for cell in cells):
        own = [cell for cell in cells if cell.task == task and cell.score(cell.main_score) is not None]
        if len(own) < 2:
            continue
        series = list(dict.fromkeys(cell.series for cell in own))
        lengths = {cell.length for cell in own}
        figure = Figure(figsize=(WIDTH, 3.1))
        panels = figure.subplots(1, 2, sharey=True)
        for axes, (label, measure) in zip(panels, measures, strict=True):
            for place, one in enumerate(series):
                _trail(axes, place, [cell for cell in own if cell.series == one], measure, len(lengths) > 1)
            log_ticks(axes.set_xscale, axes.xaxis)
            axes.set_xlabel(label)
        for place, one in enumerate(series):
            panels[0].plot([], [], linestyle="none", color=colour(place), marker=marker(place), label=one.label)
        panels[0].set_ylabel(f"{own[0].main_score} (mean)")
        for axes in panels:
            share_axis(axes)
        legend_below(figure, panels[0])
        yield Drawing(
            file_name("cost-quality", task),
            f"{task}: quality over cost",
            "One point per system and length, up and left is better; lines lead to the longest. Tokens read are "
            "those of a question's prompts, not of the memory's encoding; the table of runs names the machines.",
            "; ".join(_point(cell) for cell in own) + ".",
            figure,
            own,
        )


def _trail(axes: Any, place: int, cells: Sequence[Cell], measure: Measure, several: bool) -> None:
    """The points of one series, from its shortest memory to its longest, which is named."""
    points = [
        (cost, score, cell) for cell in cells if (cost := measure(cell)) and (score := cell.score(cell.main_score))
    ]
    if points:
        costs, scores, known = zip(*points, strict=True)
        whiskers(axes, place, costs, scores, "", linestyle="dotted")
        if several:
            axes.annotate(length_name(known[-1].length), (costs[-1], scores[-1].mean), (5, 4),
                          textcoords="offset points", fontsize=7, color=MUTED)  # fmt: skip


def _point(cell: Cell) -> str:
    score, tokens, seconds = cell.score(cell.main_score), cell.mean("tokens", "in"), cell.mean("seconds")
    cost = ", ".join(
        part
        for part in (
            "" if tokens is None else f"{tokens:,.0f} tokens",
            "" if seconds is None else f"{seconds:.2g} s",
        )
        if part
    )
    return (
        f"{cell.series.label} at {length_name(cell.length)}: {score.mean if score else 0:.2f} for {cost or 'unknown'}"
    )


def time_and_memory(cells: Sequence[Cell]) -> Iterator[Drawing]:
    """A figure per task with lengths: seconds per question, seconds to index, size of the index, peak memory."""
    measures: tuple[tuple[str, Measure], ...] = (
        ("seconds per question", lambda cell: cell.mean("seconds")),
        ("seconds to index", lambda cell: cell.index("seconds")),
        ("index, MB", lambda cell: (cell.index("bytes") or 0) / 1e6),
        ("peak of the run, GB", peak_gigabytes),
    )
    for task in dict.fromkeys(cell.task for cell in cells):
        own = [cell for cell in cells if cell.task == task and cell.length is not None]
        lengths = [cell.length for cell in own if cell.length is not None]
        if not own:
            continue
        figure = Figure(figsize=(WIDTH, 5.2))
        panels = figure.subplots(2, 2, sharex=True, gridspec_kw={"wspace": 0.5, "hspace": 0.16}).ravel()
        series = list(dict.fromkeys(cell.series for cell in own))
        says = []
        for axes, (label, measure) in zip(panels, measures, strict=True):
            values: list[float] = []
            for place, one in enumerate(series):
                # What took nothing, such as the index of a system without one, has no place on a logarithmic axis.
                points = [(cell.length or 0, value) for cell in own if cell.series == one and (value := measure(cell))]
                if points:
                    # Smaller and smaller, so that a curve that lies under another shows.
                    axes.plot(*zip(*points, strict=True), color=colour(place), marker=marker(place),
                              markersize=max(8 - place, 3.5), linewidth=1.2)  # fmt: skip
                    numbers = ", ".join(f"{value:.3g} at {length_name(length)}" for length, value in points)
                    says.append(f"{label}, {one.label}: {numbers}")
                    values += [value for _, value in points]
            if values and max(values) > 3 * min(values):
                log_ticks(axes.set_yscale, axes.yaxis)
            axes.set_ylabel(label)
            axes.grid(axis="y")
        for place, one in enumerate(series):
            panels[0].plot([], [], color=colour(place), marker=marker(place), markersize=4, label=one.label)
        for place, axes in enumerate(panels):
            by_length(axes, lengths)
            if place < 2:
                axes.set_xlabel("")
        legend_below(figure, panels[0])
        yield Drawing(
            file_name("time-and-memory", task),
            f"{task}: time and memory over memory length",
            "Means per question and per index of one subtask's memory; a system without an index has no curve there. "
            "The peak is that of the run's process, shared by all its systems.",
            "; ".join(says) + ".",
            figure,
            own,
        )
