"""Heat maps: where in a memory a needle is found, and how long the memory may be, system by system."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from msa_bench.reporting.report.figures.drawing import MUTED, WIDTH, Drawing, file_name
from msa_bench.reporting.report.pooling import Cell
from msa_bench.reporting.report.runs import length_name

DEPTHS = 5
"""Equal parts of the memory that depths are counted in."""
_COLOURS = "cividis"
_NOTHING = "no sample"

Grid = dict[tuple[int, int], tuple[float, int]]


def heat_maps(cells: Sequence[Cell]) -> Iterator[Drawing]:
    """For each task with depths, length by system, then length by depth for each system."""
    for task in dict.fromkeys(cell.task for cell in cells):
        own = [cell for cell in cells if cell.task == task and cell.length is not None]
        if any(line["depth"] is not None for cell in own for line in cell.lines) and _in_shares(own):
            yield _by_system(task, own)
            for series in dict.fromkeys(cell.series for cell in own):
                yield _by_depth(task, [cell for cell in own if cell.series == series])


def _in_shares(cells: Sequence[Cell]) -> bool:
    return all(0 <= line["scores"].get(cell.main_score, 0) <= 1 for cell in cells for line in cell.lines)


def _by_system(task: str, cells: Sequence[Cell]) -> Drawing:
    rows = list(dict.fromkeys(cell.series.label for cell in cells))
    lengths = sorted({cell.length for cell in cells if cell.length is not None})
    grid: Grid = {}
    for cell in cells:
        score = cell.score(cell.main_score)
        if score is not None and cell.length is not None:
            grid[rows.index(cell.series.label), lengths.index(cell.length)] = score.mean, score.n
    main = cells[0].main_score
    figure = _map(grid, rows, [length_name(length) for length in lengths])
    return Drawing(
        file_name("heat", task, "systems"),
        f"{task}: {main}, length by system",
        "Mean of the subtasks' means; below it the number of samples.",
        _in_words(grid, rows, [length_name(length) for length in lengths]),
        figure,
        cells,
    )


def _by_depth(task: str, cells: Sequence[Cell]) -> Drawing:
    """`cells` are those of one series."""
    lengths = sorted({cell.length for cell in cells if cell.length is not None})
    rows = [f"{100 * place // DEPTHS}–{100 * (place + 1) // DEPTHS}%" for place in range(DEPTHS)]
    found: dict[tuple[int, int], list[float]] = {}
    for cell in cells:
        for line in cell.lines:
            depth, score = line["depth"], line["scores"].get(cell.main_score)
            if isinstance(depth, int | float) and score is not None and cell.length is not None:
                row = min(max(int(depth * DEPTHS), 0), DEPTHS - 1)
                found.setdefault((row, lengths.index(cell.length)), []).append(score)
    grid = {place: (fmean(scores), len(scores)) for place, scores in found.items()}
    label, main = cells[0].series.label, cells[0].main_score
    columns = [length_name(length) for length in lengths]
    return Drawing(
        file_name("heat", task, "depth", label),
        f"{task}: {main} of {label}, length by depth",
        "Depth from the start (0%) to the end of the memory, of the first needle where a question has several. Mean "
        "over samples of all subtasks; below it their number.",
        _in_words(grid, rows, columns),
        _map(grid, rows, columns, "depth"),
        cells,
    )


def _map(grid: Grid, rows: Sequence[str], columns: Sequence[str], what: str = "") -> Figure:
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(rows)))
    axes = figure.add_subplot()
    colours = mpl.colormaps[_COLOURS]
    for row in range(len(rows)):
        for column in range(len(columns)):
            _tile(axes, row, column, grid.get((row, column)), colours)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("memory length, tokens")
    axes.set_ylabel(what)
    return figure


def _tile(axes: Any, row: int, column: int, value: tuple[float, int] | None, colours: Any) -> None:
    if value is None:
        axes.add_patch(mpl.patches.Rectangle((column - 0.49, row - 0.48), 0.98, 0.96, fill=False, edgecolor=MUTED,
                                             linewidth=0.5, linestyle="dotted"))  # fmt: skip
        axes.text(column, row, _NOTHING, ha="center", va="center", fontsize=7, color=MUTED)
        return
    mean, n = value
    axes.add_patch(mpl.patches.Rectangle((column - 0.49, row - 0.48), 0.98, 0.96, facecolor=colours(mean)))
    # White on the dark half of the scale, black on the light one; these two stay as they are in a dark page.
    ink = "#ffffff" if mean < 0.5 else "#000000"
    axes.text(column, row - 0.12, f"{mean:.2f}", ha="center", va="center", fontsize=8.5, color=ink)
    axes.text(column, row + 0.26, f"n {n}", ha="center", va="center", fontsize=7, color=ink)


def _in_words(grid: Grid, rows: Sequence[str], columns: Sequence[str]) -> str:
    lines = []
    for row, name in enumerate(rows):
        cells = [
            f"{grid[row, column][0]:.2f} at {columns[column]}"
            for column in range(len(columns))
            if (row, column) in grid
        ]
        lines.append(f"{name}: {', '.join(cells) or _NOTHING}")
    return "; ".join(lines) + "."
