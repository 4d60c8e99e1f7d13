"""The figure of a training: losses, the router's recall and what was written right, over its steps."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from msa_bench.errors import UserError
from msa_bench.reporting.plots import COLOURS

Row = dict[str, str]

_PANELS = (
    ("loss", (("lm_loss", "language loss"), ("aux_loss", "router loss (eq. 5)"))),
    ("share", (("recall", "gold documents among the first k, unforced"), ("named", "rounds named without a mistake"))),
)


def save_curves(files: Sequence[Path], stem: Path) -> list[Path]:
    """Draw the `curves.csv` files of trainings that went on from each other; writes `stem` as .png and .svg."""
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "msa-bench", "svg.fonttype": "none"}):
        figure = curves_figure([_read(file) for file in files])
        made = [stem.with_suffix(ending) for ending in (".png", ".svg")]
        for file in made:
            metadata = {"Date": None} if file.suffix == ".svg" else None
            figure.savefig(file, dpi=160, bbox_inches="tight", metadata=metadata)
    return made


def curves_figure(runs: Sequence[Sequence[Row]]) -> Figure:
    """Losses above, shares below, the steps of `runs` one after another, with a line where a stage begins."""
    steps: list[int] = []
    rows: list[Row] = []
    for run in runs:
        before = steps[-1] if steps else 0
        steps += [before + int(row["step"]) for row in run]
        rows += run
    figure = Figure(figsize=(7.2, 4.8))
    panels = figure.subplots(2, 1, sharex=True)
    for axes, (what, curves) in zip(panels, _PANELS, strict=True):
        for place, (key, label) in enumerate(curves):
            axes.plot(steps, [float(row[key]) for row in rows], color=COLOURS[place], linewidth=1.1, label=label)
        axes.set_ylabel(what)
        axes.grid(axis="y", color="0.88", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="upper right" if what == "loss" else "lower right")
    panels[0].set_yscale("log")
    panels[1].set_ylim(-0.02, 1.02)
    panels[1].set_xlabel("step")
    names = [row["stage"] for row in rows]
    for place, name in enumerate(names):
        if place == 0 or name != names[place - 1]:
            start, above = (steps[place - 1], len(panels[0].texts) % 2 * 10) if place else (0, 0)
            for axes in panels:
                axes.axvline(start, color="0.75", linewidth=0.8, zorder=0)
            # Two heights, so that the name of a short stage keeps clear of the next.
            panels[0].annotate(name, (start, 1.0), (1, 2 + above), xycoords=("data", "axes fraction"),
                               textcoords="offset points", fontsize=7, color="0.35")  # fmt: skip
    return figure


def _read(file: Path) -> list[Row]:
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines))
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}).") from error
    wanted = {"step", "stage", *(key for _, curves in _PANELS for key, _ in curves)}
    if not rows or not wanted <= rows[0].keys():
        raise UserError(f"{file} holds no curves of a training; it must have the columns {', '.join(sorted(wanted))}.")
    return rows
