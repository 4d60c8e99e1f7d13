"""The tables of what was measured: every cell, every subtask of it, what it cost, and the runs behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msa_bench.evaluation.statistics import Interval
from msa_bench.reporting.report.grid import Table, Value
from msa_bench.reporting.report.pooling import JUDGE, Cell
from msa_bench.reporting.report.runs import Run, length_name
from msa_bench.reporting.stored import hardware

FURTHER = (JUDGE, "em", "f1", "containment", "retrieval_recall", "recall@10", "ndcg@10")
"""Scores shown beside a task's main one, in this order, where there are any."""
NONE = Value("–", -1.0)


def results_table(cells: Sequence[Cell]) -> Table:
    """A row per cell: its main score with the interval, the further scores' means, samples and seeds."""
    further = [name for name in FURTHER if any(name in line["scores"] for cell in cells for line in cell.lines)]
    header = ["system", "task", "length", "score", "mean", "95% interval", *further, "samples", "seeds", "state"]
    rows = []
    for cell in cells:
        main = cell.score(cell.main_score)
        rows.append(
            [
                *place(cell),
                Value(cell.main_score),
                *mean_and_bounds(main),
                *(number(cell.mean_score(name), 3) for name in further),
                count(len(cell.lines)),
                Value(", ".join(map(str, cell.seeds))),
                Value(state(cell)),
            ]
        )
    numeric = range(4, len(header) - 2)
    notes = ["Mean of the subtasks' means; 95% intervals as in the single runs, over the samples of all seeds."]
    return Table("results", "By system", header, rows, notes, frozenset(numeric))


def subtasks_table(cells: Sequence[Cell]) -> Table:
    """A row per cell and subtask with its main score."""
    rows = []
    for cell in cells:
        for subtask, lines in cell.by_subtask.items():
            if subtask is not None:
                score = cell.subtask_score(subtask, cell.main_score)
                rows.append(
                    [*place(cell), Value(subtask), Value(cell.main_score), *mean_and_bounds(score), count(len(lines))]
                )
    header = ("system", "task", "length", "subtask", "score", "mean", "95% interval", "samples")
    return Table("subtasks", "By subtask", header, rows, numeric=frozenset((5, 6, 7)))


def costs_table(cells: Sequence[Cell]) -> Table:
    """A row per cell with what a question and an index took."""
    header = ("system", "task", "length", "seconds a question", "tokens read", "tokens written", "rounds",
              "seconds to index", "index MB", "peak GB of the run")  # fmt: skip
    rows = []
    for cell in cells:
        stored = cell.index("bytes")
        rows.append(
            [
                *place(cell),
                number(cell.mean("seconds"), 3),
                number(cell.mean("tokens", "in"), 0),
                number(cell.mean("tokens", "out"), 1),
                number(cell.mean("rounds"), 2),
                number(cell.index("seconds"), 2),
                number(None if stored is None else stored / 1e6, 1),
                number(peak_gigabytes(cell), 2),
            ]
        )
    notes = [
        "Means per question; an index is that of one subtask's memory. The peak is that of the whole process, which "
        "all systems of a run share, on the GPU where there was one. Times of different machines do not compare; the "
        "table of runs names them."
    ]
    return Table("costs", "Time and memory", header, rows, notes, frozenset(range(3, len(header))))


def runs_table(runs: Sequence[Run]) -> Table:
    """A row per run directory with what it was and where it ran."""
    header = ("directory", "task", "length", "seed", "systems", "ablations", "samples", "state", "started", "code",
              "machine")  # fmt: skip
    rows = []
    for run in runs:
        git = run.record.get("git") or {}
        ablations = ", ".join(f"{key}={value}" for key, value in (run.config.get("ablate") or {}).items())
        rows.append(
            [
                Value(run.name),
                Value(run.task),
                Value(length_name(run.length), run.length or 0),
                Value(str(run.seed), run.seed),
                Value(", ".join(run.record["systems"])),
                Value(ablations or "–"),
                count(len(run.lines)),
                Value("finished" if run.finished else "unfinished"),
                Value(str(run.record.get("started") or "–")[:16].replace("T", " ")),
                Value(str(git.get("commit") or "–")[:8] + (" (changed)" if git.get("dirty") else "")),
                Value(machine(run)),
            ]
        )
    return Table("runs", "Run directories", header, rows, numeric=frozenset((3, 6)))


def place(cell: Cell) -> Iterator[Value]:
    """System, task and length, the first columns of most tables."""
    yield Value(cell.series.label)
    yield Value(cell.task)
    yield Value(length_name(cell.length), cell.length or 0)


def mean_and_bounds(score: Interval | None) -> tuple[Value, Value]:
    """The mean, and its interval."""
    if score is None:
        return NONE, NONE
    bounds = NONE if score.low is None else Value(f"{score.low:.3f}–{score.high:.3f}", score.low)
    return Value(f"{score.mean:.3f}", score.mean), bounds


def number(value: float | None, places: int) -> Value:
    """A number with thousands separators; a dash where it is not known."""
    return NONE if value is None else Value(f"{value:,.{places}f}", value)


def count(value: int) -> Value:
    """A whole number with thousands separators."""
    return Value(f"{value:,}", value)


def state(cell: Cell) -> str:
    """`finished`, or what of the cell is missing."""
    if cell.finished:
        return "finished"
    reached, planned = len(cell.by_subtask), cell.planned_subtasks
    return "unfinished" + (f", {reached} of {planned} subtasks" if reached < planned else "")


def peak_gigabytes(cell: Cell) -> float | None:
    """The most memory that a run behind the cell held, in 10^9 bytes; None where none recorded it."""
    peaks = [run.record.get("peak_memory") or {} for run in cell.runs]
    values = [value for peak in peaks if (value := peak.get("gpu_bytes", peak.get("rss_bytes")))]
    return max(values) / 1e9 if values else None


def source(cells: Sequence[Cell]) -> str:
    """What the numbers of `cells` rest on, in a sentence that goes below them: samples, seeds, model and machine."""
    counts = sorted({len(cell.lines) for cell in cells})
    samples = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    seeds = sorted({seed for cell in cells for seed in cell.seeds})
    runs = list({id(run): run for cell in cells for run in cell.runs}.values())
    models = dict.fromkeys(str(run.config.get("reader") or run.config.get("model")) for run in runs)
    machines = list(dict.fromkeys(machine(run) for run in runs))
    where = machines[0] if len(machines) == 1 else f"{len(machines)} machines, which the table of runs names"
    return (
        f"{samples} sample{'' if counts == [1] else 's'} each, seed{'s' * (len(seeds) > 1)} "
        f"{', '.join(map(str, seeds))}; {', '.join(models)}; {where}."
    )


def machine(run: Run) -> str:
    """The hardware of a run in a few words."""
    try:
        return hardware(run.record)
    except (KeyError, TypeError):
        return "not recorded"
