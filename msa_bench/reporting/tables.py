"""The table at the end of a run, and the notes without which its numbers should not be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, Group
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from msa_bench.evaluation.samples import row_name
from msa_bench.reporting.stored import (
    StoredRun,
    hardware,
    interval_methods,
    sample_counts,
    scores_by_subtask,
    short_names,
)

JUDGE = "judge"
SHOWN = ("em", "f1", "containment", "retrieval_precision", "retrieval_recall", "retrieval_f1",
         "recall@5", "recall@10", "ndcg@10", JUDGE)  # fmt: skip
"""The scores a task without parts is shown with, in this order."""


def print_run(run: StoredRun, console: Console) -> None:
    """Print the table and the notes; a narrow terminal gets the table turned, a pipe or file its full width."""
    make = results_table if run.subtasks != [None] else scores_table
    table = make(run)
    width = Measurement.get(console, console.options.update(max_width=1000), table).maximum
    if not console.is_terminal:
        console.width = max(console.width, width)
    elif width > console.width:
        table = make(run, turned=True)
    lines = (*differences(run), *notes(run))
    console.print(Group(table, *(Text(line, style="dim") for line in lines)))


def results_table(run: StoredRun, turned: bool = False) -> Table:
    """Systems and variants as rows, subtasks as columns: the main score's mean above its 95% interval."""
    with_mean = len(run.subtasks) > 1
    columns = [*short_names(run.subtasks), *(["mean"] if with_mean else [])]
    grid = [["system", *(columns if turned else [name.replace("_", "\n") for name in columns]), "n"]]
    for row in run.rows:
        scores = scores_by_subtask(row, run.main_score)
        cells = [_cell(scores.get(subtask)) for subtask in run.subtasks]
        if with_mean:
            cells.append(_cell(row["overall"].get(run.main_score)))
        grid.append([row["system"] + ("\n" + row["variant"] if row["variant"] else ""), *cells, str(row["n"])])
    return _table(f"{run.title}: {run.main_score}", grid, turned)


def scores_table(run: StoredRun, turned: bool = False) -> Table:
    """For a task without parts: systems and variants as rows, scores as columns, the main one first."""
    known = {name for row in run.rows for name in row["overall"]}
    names = [name for name in dict.fromkeys((run.main_score, *SHOWN)) if name in known]
    grid = [["system", *names, "n"]]
    for row in run.rows:
        cells = [_cell(row["overall"].get(name)) for name in names]
        grid.append([row["system"] + ("\n" + row["variant"] if row["variant"] else ""), *cells, str(row["n"])])
    return _table(run.title, grid, turned)


def differences(run: StoredRun) -> Iterator[str]:
    """A line for each two systems that were compared on the main score, and on the judge's where there is one."""
    for entry in run.summary.get("differences", []):
        if entry["score"] in (run.main_score, JUDGE) and run.subtasks == [None]:
            first, second = (" ".join(filter(None, entry[side])) for side in ("first", "second"))
            yield (
                f"{entry['score']}, {first} minus {second}: {entry['mean']:+.3f} [{entry['low']:+.3f}, "
                f"{entry['high']:+.3f}], paired on {entry['n']} questions, p = {entry['p']:.4f} "
                f"(Holm {entry['p_holm']:.4f})"
            )


def _table(title: str, grid: Sequence[Sequence[str]], turned: bool) -> Table:
    header, *body = zip(*grid, strict=True) if turned else grid
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_lines=True)
    table.add_column(header[0], no_wrap=True)
    for name in header[1:]:
        table.add_column(name, justify="right")
    for line in body:
        table.add_row(*line)
    return table


def notes(run: StoredRun) -> Iterator[str]:
    """What was measured, on what, with which seed and interval method, and what the parts have to say about it."""
    yield (
        f"{run.main_score}: mean over {sample_counts(run)}, seed {run.summary['seed']}, "
        f"95% interval below ({'; '.join(interval_methods(run, run.main_score))})"
    )
    yield f"hardware: {hardware(run.record)}"
    yield from dict.fromkeys(_remarks(run))


def _remarks(run: StoredRun) -> Iterator[str]:
    said = {name: _listed(description.get("notes")) for name, description in run.record["systems"].items()}
    for name, found in said.items():
        yield from (f"{name}: {note}" for note in found)
    for row in run.rows:
        for kind, counts in (("", row["notes"]), ("bound hit: ", row["bounds"])):
            for what, count in counts.items():
                if what not in said[row["system"]]:
                    yield f"{row_name(row['system'], row['variant'])}: {kind}{what} ({count} of {row['n']} answers)"
    for entry in run.record["indexes"]:
        yield from (f"{entry['system']}: {note}" for note in entry["notes"])
    judged = run.record.get("judge")
    if judged:
        yield (
            f"judge: {judged['model']}, 0 to 5, {judged['answers']:,} answers, {judged['missing']} missing, "
            f"{judged['requests']:,} requests"
        )
        yield from judged["notes"]
    elif run.subtasks == [None]:
        yield "no judge: scores compare words; --judge-model and --judge-url add the paper's 0 to 5"
    everywhere = set.intersection(*(set(entry["notes"]) for entry in run.record["datasets"]))
    for entry in run.record["datasets"]:
        for note in entry["notes"]:
            yield note if note in everywhere else f"{entry['subtask']}: {note}"


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None:
        return "-"
    if score["low"] is None:
        return f"{score['mean']:.2f}"
    return f"{score['mean']:.2f}\n{_bound(score['low'])}–{_bound(score['high'])}"


def _bound(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1) if 0 <= value < 0.995 else f"{value:.1f}"


def _listed(found: object) -> list[str]:
    if isinstance(found, str):
        return [found]
    return [str(one) for one in found] if isinstance(found, list) else []
