"""The figure of one run: its main score per system, variant and subtask, with intervals."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from msa_bench.evaluation.samples import row_name
from msa_bench.reporting.stored import (
    StoredRun,
    hardware,
    interval_methods,
    sample_counts,
    scores_by_subtask,
    short_names,
)

# Okabe and Ito's palette (2008), told apart with any common colour vision; the shapes say it again without colour.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"


def save_accuracy(run: StoredRun, stem: Path) -> list[Path]:
    """Draw the figure and write `stem` with the endings .png and .svg."""
    with mpl.rc_context({"font.size": 9, "svg.hashsalt": "msa-bench", "svg.fonttype": "none"}):
        figure = accuracy_figure(run)
        files = [stem.with_suffix(ending) for ending in (".png", ".svg")]
        for file in files:
            metadata = {"Date": None} if file.suffix == ".svg" else None
            figure.savefig(file, dpi=160, bbox_inches="tight", metadata=metadata)
    return files


def accuracy_figure(run: StoredRun) -> Figure:
    """One group of points per subtask, one colour and shape per system and variant, 95% intervals as bars."""
    columns: list[str] = short_names(run.subtasks)
    with_mean = len(columns) > 1
    if with_mean:
        columns.append("mean")
    width = max(5.0, 1.6 + len(columns) * (0.5 + 0.11 * len(run.rows)))
    figure = Figure(figsize=(width, 3.6))
    axes = figure.add_subplot()
    spread = min(0.14, 0.7 / len(run.rows))
    for place, row in enumerate(run.rows):
        scores = scores_by_subtask(row, run.main_score)
        found = [scores.get(subtask) for subtask in run.subtasks]
        if with_mean:
            found.append(row["overall"].get(run.main_score))
        offset = (place - (len(run.rows) - 1) / 2) * spread
        points = [(column + offset, score) for column, score in enumerate(found) if score is not None]
        means = [score["mean"] for _, score in points]
        lows = [score["mean"] if score["low"] is None else score["low"] for _, score in points]
        highs = [score["mean"] if score["high"] is None else score["high"] for _, score in points]
        axes.errorbar(
            [x for x, _ in points],
            means,
            # A percentile interval need not hold the mean; a bar cannot be shorter than nothing.
            yerr=[
                [max(mean - low, 0.0) for mean, low in zip(means, lows, strict=True)],
                [max(high - mean, 0.0) for mean, high in zip(means, highs, strict=True)],
            ],
            linestyle="none",
            color=COLOURS[place % len(COLOURS)],
            marker=MARKERS[place % len(MARKERS)],
            markersize=4.5,
            elinewidth=1.1,
            capsize=2,
            label=row_name(row["system"], row["variant"]),
        )
    if with_mean:
        axes.axvspan(len(columns) - 1.5, len(columns) - 0.5, color="0.94", zorder=0)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.set_xticks(range(len(columns)), [column.replace("_", "\n") for column in columns])
    axes.tick_params(axis="x", length=0)
    # Most scores are shares, drawn on the same scale everywhere; another package's may be anything.
    if axes.dataLim.y0 >= 0 and axes.dataLim.y1 <= 1:
        axes.set_ylim(-0.04, 1.04)
    axes.set_xlabel("subtask" if with_mean else "")
    axes.set_ylabel(f"{run.main_score} (mean)")
    axes.grid(axis="y", color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(run.title, loc="left", fontweight="bold")
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, borderaxespad=0)
    axes.annotate(
        caption(run, int(width * 15)),
        (0, 0),
        (-30, -54 if with_mean else -26),
        xycoords="axes fraction",
        textcoords="offset points",
        va="top",
        fontsize=7,
        color="0.35",
    )
    return figure


def caption(run: StoredRun, columns: int = 120) -> str:
    """Samples, seed, interval method, hardware and the systems' own notes, folded to `columns` characters."""
    text = (
        f"{sample_counts(run)}, seed {run.summary['seed']}. Bars: 95% intervals "
        f"({'; '.join(interval_methods(run, run.main_score))}). {hardware(run.record)}."
    )
    # What a system says of itself belongs beside its points: its part before the colon is enough here.
    for name, description in run.record["systems"].items():
        for note in description.get("notes") or ():
            text += f" {name}: {str(note).partition(':')[0]}."
    return textwrap.fill(text, columns)
