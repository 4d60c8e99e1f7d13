"""Puts a report together and writes it: the page, the tables, the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.reporting.report.figures.ablations import ablation_bars
from msa_bench.reporting.report.figures.costs import cost_quality, time_and_memory
from msa_bench.reporting.report.figures.decay import decay_curves
from msa_bench.reporting.report.figures.drawing import Drawing, look, write_drawing
from msa_bench.reporting.report.figures.heatmaps import heat_maps
from msa_bench.reporting.report.grid import Table, write_table
from msa_bench.reporting.report.layouts import layouts
from msa_bench.reporting.report.page import Content, write_page
from msa_bench.reporting.report.pooling import Cell, Pooled, pool
from msa_bench.reporting.report.results import costs_table, results_table, runs_table, source, subtasks_table
from msa_bench.reporting.report.runs import Run, find_runs, read_runs

PAGE = "report.html"


@dataclass(frozen=True)
class Report:
    """What was written: the page, the files of tables and figures, and the remarks on what was read."""

    page: Path
    files: Sequence[Path]
    remarks: Sequence[str]
    summary: str


def write_report(directories: Sequence[Path], out: Path, progress: Progress = no_progress) -> Report:
    """Report all runs at or below `directories` into `out`.

    A `UserError` if there is nothing to report or `out` cannot be written.
    """
    progress("reading the runs", 0, None, "")
    runs, remarks = read_runs(find_runs(directories))
    pooled = pool(runs)
    tables = [results_table(pooled.cells), costs_table(pooled.cells)]
    if (parts := subtasks_table(pooled.cells)).rows:
        tables.insert(1, parts)
    tables = [replace(table, notes=(*table.notes, source(pooled.cells))) for table in tables]
    content = Content(
        title=_title(pooled.cells),
        summary=_summary(runs, pooled),
        remarks=[*remarks, *pooled.remarks],
        drawings=_drawings(pooled.cells, progress),
        tables=tables,
        layouts=layouts(pooled.cells),
        runs=runs_table(runs),
        cells=pooled.cells,
    )
    try:
        files = _write(content, out, progress)
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise UserError(f"The report cannot be written to {out}: {reason}; choose another --out.") from error
    return Report(out / PAGE, files, content.remarks, content.summary)


def _drawings(cells: Sequence[Cell], progress: Progress) -> list[Drawing]:
    made: list[Drawing] = []
    with look():
        kinds = (decay_curves, ablation_bars, heat_maps, cost_quality, time_and_memory)
        tasks = dict.fromkeys(cell.task for cell in cells)
        for kind, task in product(kinds, tasks):
            for drawing in kind([cell for cell in cells if cell.task == task]):
                # Labels that differ in signs alone would share a file.
                number = sum(one.name.startswith(drawing.name) for one in made)
                taken = any(one.name == drawing.name for one in made)
                name = f"{drawing.name}-{number + 1}" if taken else drawing.name
                made.append(replace(drawing, name=name, caption=f"{drawing.caption} {source(drawing.cells)}"))
                progress("drawing", len(made), None, "figures")
    return made


def _write(content: Content, out: Path, progress: Progress) -> list[Path]:
    tables: list[Table] = [*content.tables, *content.layouts, content.runs]
    for name in ("tables", "figures"):
        (out / name).mkdir(parents=True, exist_ok=True)
    files = [file for table in tables for file in write_table(table, out / "tables")]
    for number, drawing in enumerate(content.drawings):
        progress("writing", number, len(content.drawings), "figures")
        files += write_drawing(drawing, out / "figures")
    progress("writing the page", 0, None, "")
    write_page(content, out / PAGE)
    return files


def _title(cells: Sequence[Cell]) -> str:
    tasks = list(dict.fromkeys(cell.task for cell in cells))
    return "msa-bench report: " + (", ".join(tasks) if len(tasks) <= 4 else f"{len(tasks)} tasks")


def _summary(runs: Sequence[Run], pooled: Pooled) -> str:
    samples = sum(len(run.lines) for run in runs)
    unfinished = sum(not run.finished for run in runs)
    models = list(dict.fromkeys(str(run.config.get("reader") or run.config.get("model")) for run in runs))
    text = f"{samples:,} samples of {len(runs)} run{'s' * (len(runs) > 1)}"
    text += f", {unfinished} of them unfinished" if unfinished else ""
    text += f". Model: {', '.join(models)}."
    if pooled.shared_ablations:
        shared = ", ".join(f"{key}={value}" for key, value in pooled.shared_ablations.items())
        text += f" In all runs: {shared}."
    return text
