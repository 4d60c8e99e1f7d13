"""What every figure of a report has in common: its look, its description for those who do not see it, its files."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from msa_bench.reporting.plots import COLOURS, MARKERS
from msa_bench.reporting.report.pooling import Cell
from msa_bench.reporting.report.runs import length_name

# The page replaces these by its own colours, so that a figure follows the reader's light or dark theme.
INK, MUTED, GRID, PAPER = "#1c2128", "#59636e", "#d3d9df", "#8b95a0"
WIDTH = 4.6
"""Inches: at this width the text stays readable on a phone, and two figures stand side by side on a desktop."""


@dataclass(frozen=True, eq=False)
class Drawing:
    """One figure of `cells`, its title, a caption that says what to see by what, and `says`, its content in words."""

    name: str
    title: str
    caption: str
    says: str
    figure: Figure
    cells: Sequence[Cell]

    @cached_property
    def svg(self) -> str:
        """The figure as an SVG document without a background."""
        return _as_svg(self.figure)


@contextmanager
def look() -> Iterator[None]:
    """The settings under which figures are made and written."""
    settings: Any = {
        "font.size": 9, "svg.hashsalt": "msa-bench", "svg.fonttype": "none", "text.color": INK, "axes.labelcolor": INK,
        "axes.edgecolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED, "xtick.labelcolor": INK,
        "ytick.labelcolor": INK, "grid.color": GRID, "grid.linewidth": 0.6, "axes.axisbelow": True,
        "axes.spines.top": False, "text.parse_math": False, "axes.spines.right": False, "legend.frameon": False,
    }  # fmt: skip
    with mpl.rc_context(settings):
        yield


def write_drawing(drawing: Drawing, folder: Path) -> list[Path]:
    """Write .png, on white, and .svg. They are shown without the page, so the caption stands in them."""
    png, svg = (folder / f"{drawing.name}.{ending}" for ending in ("png", "svg"))
    figure = drawing.figure
    with look():
        figure.draw_without_rendering()
        taken, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
        note = figure.text(
            taken.x0 / width, (taken.y0 - 0.1) / height, textwrap.fill(drawing.caption, round(width * 18)),
            fontsize=7, color=MUTED, va="top",
        )  # fmt: skip
        figure.savefig(png, dpi=160, bbox_inches="tight", facecolor="white")
        svg.write_text(_as_svg(figure), encoding="utf-8")
        note.remove()
    return [png, svg]


def _as_svg(figure: Figure) -> str:
    text = io.StringIO()
    with look():
        figure.savefig(text, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
    return text.getvalue()


def colour(place: int) -> str:
    """The colour of the series at `place`."""
    return COLOURS[place % len(COLOURS)]


def marker(place: int) -> str:
    """The shape that says the colour again; it changes when the colours have all been used."""
    return MARKERS[(place + place // len(COLOURS)) % len(MARKERS)]


def whiskers(axes: Any, place: int, x: Sequence[float], scores: Sequence[Any], label: str, **how: Any) -> None:
    """Means at `x` with their 95% intervals, in the colour and shape of the series at `place`."""
    # A percentile interval need not hold the mean; a bar cannot be shorter than nothing.
    below = [0.0 if one.low is None else max(one.mean - one.low, 0.0) for one in scores]
    above = [0.0 if one.high is None else max(one.high - one.mean, 0.0) for one in scores]
    axes.errorbar(
        x, [one.mean for one in scores], yerr=[below, above], color=colour(place), marker=marker(place),
        markersize=4.5, elinewidth=1.0, capsize=2, linewidth=1.3, label=label, **how,
    )  # fmt: skip


def by_length(axes: Any, lengths: Sequence[int]) -> None:
    """A logarithmic axis of lengths, marked where something was measured."""
    axes.set_xscale("log", base=2)
    axes.set_xlim(min(lengths) / 1.6, max(lengths) * 1.6)
    shown = _spaced(sorted(set(lengths)))
    axes.xaxis.set_major_locator(FixedLocator(shown))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(shown, [length_name(length) for length in shown])
    axes.set_xlabel("memory length, tokens")


def log_ticks(set_scale: Callable[[str], None], axis: Any) -> None:
    """A logarithmic scale with few labels, written as plain numbers."""
    set_scale("log")
    axis.set_major_locator(LogLocator(base=10, subs=(1.0, 3.0), numticks=6))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 1000:g}K" if value >= 1000 else f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def share_axis(axes: Any) -> None:
    """Shares on the same scale everywhere; another package's score may be anything."""
    low, high = axes.get_ylim()
    if low >= -0.2 and high <= 1.2:
        axes.set_ylim(-0.04, 1.04)
    axes.grid(axis="y")


def legend_below(figure: Figure, axes: Any, inches: float = 0.5) -> None:
    """The legend under the axes, two entries a line, or one where they are long."""
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        columns = 1 if max(map(len, labels)) > 28 else 2
        height = figure.get_size_inches()[1]
        figure.legend(handles, labels, loc="upper left", bbox_to_anchor=(0.08, -inches / height + 0.12), ncols=columns,
                      fontsize=8, borderaxespad=0)  # fmt: skip


def file_name(*parts: object) -> str:
    """The parts as the name of a file: small letters, digits, dots and dashes."""
    return "-".join(filter(None, (re.sub(r"[^a-z0-9.]+", "-", str(part).lower()).strip("-") for part in parts)))


def _spaced(lengths: Sequence[int]) -> list[int]:
    """Of many lengths those that keep a factor of two between them or are the last."""
    if len(lengths) <= 8:
        return list(lengths)
    kept = [lengths[0]]
    for length in lengths[1:]:
        if length >= 4 * kept[-1]:
            kept.append(length)
    return kept if kept[-1] == lengths[-1] else [*kept[:-1], lengths[-1]]
