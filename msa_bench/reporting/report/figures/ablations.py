"""Ablation bars: what a system scores with a part of it switched, against itself as it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from msa_bench.evaluation.judge.grades import span_of
from msa_bench.evaluation.statistics import Difference, bounded_difference
from msa_bench.reporting.report.figures.drawing import MUTED, WIDTH, Drawing, colour, file_name
from msa_bench.reporting.report.pooling import Cell
from msa_bench.reporting.report.runs import length_name


def ablation_bars(cells: Sequence[Cell]) -> Iterator[Drawing]:
    """A figure per task, length and system that was run in several ways."""
    groups: dict[tuple[object, ...], list[Cell]] = defaultdict(list)
    for cell in cells:
        series = cell.series
        key = cell.task, cell.length, series.system, series.variant, series.weights, series.data
        groups[key].append(cell)
    for group in groups.values():
        if len(group) > 1:
            yield _bars(sorted(group, key=lambda cell: cell.series.order))


def _bars(cells: Sequence[Cell]) -> Drawing:
    """`cells` begin with the one that has the fewest switches set, which the others are compared with."""
    base, main = cells[0], cells[0].main_score
    figure = Figure(figsize=(WIDTH, 0.9 + 0.42 * len(cells)))
    axes = figure.add_subplot()
    names, says = [], []
    for place, cell in enumerate(cells):
        switches = ", ".join(f"{key}={value}" for key, value in cell.series.own)
        names.append((switches or "as it is") + ("" if cell.finished else " †"))
        score = cell.score(main)
        if score is None:
            says.append(f"{names[-1]}: no score")
            continue
        low, high = (score.mean if bound is None else bound for bound in (score.low, score.high))
        error = [[max(score.mean - low, 0.0)], [max(high - score.mean, 0.0)]]
        axes.barh(place, score.mean, height=0.62, color=colour(0 if cell is base else 1), alpha=0.85)
        axes.errorbar(score.mean, place, xerr=error, color=MUTED, elinewidth=1.1, capsize=2.5, linestyle="none")
        text = f"{score.mean:.2f}"
        if cell is not base and (gap := difference(cell, base)) is not None:
            text += f"  ({gap.mean:+.2f} [{gap.low:+.2f}, {gap.high:+.2f}], n {gap.n})".replace("-", "−")
        axes.annotate(
            text, (max(score.mean, high), place), (6, 0), textcoords="offset points", va="center", fontsize=7.5
        )
        says.append(f"{names[-1]}: {text}")
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
    right = max(axes.get_xlim()[1], 1.0)
    axes.set_xlim(0, right * 1.75)
    axes.set_xticks([tick for tick in (0, 0.25, 0.5, 0.75, 1.0) if right <= 1.2] or axes.get_xticks())
    axes.set_xlabel(f"{main} (mean)")
    system = " ".join(filter(None, (base.series.system, base.series.variant, base.series.model, base.series.data)))
    where = f"{base.task} {length_name(base.length)}"
    return Drawing(
        file_name("ablations", where, system),
        f"{where}: ablations of {system}",
        "Mean with 95% interval; in brackets the difference from the first bar, paired by question, with its interval."
        + (" †: from a run that is not finished." if any(not cell.finished for cell in cells) else ""),
        "; ".join(says) + ".",
        figure,
        cells,
    )


def difference(cell: Cell, base: Cell) -> Difference | None:
    """How much `cell` scores above `base` on the questions that both answered; None if there is none."""
    main = base.main_score
    scores: list[dict[tuple[str, str, int], float]] = []
    for one in (cell, base):
        scores.append(
            {
                (line["sample_id"], line["question"], line["repeat"]): line["scores"][main]
                for line in one.lines
                if main in line["scores"]
            }
        )
    shared = sorted(scores[0].keys() & scores[1].keys())
    if not shared:
        return None
    ours, theirs = ([values[key] for key in shared] for values in scores)
    return bounded_difference(ours, theirs, [f"{name}\n{question}" for name, question, _ in shared], span_of(main))
