"""`msa-bench sweep`: a grid of runs from a file, each in a directory of its own."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

import msa_bench
from msa_bench.cli import run as single
from msa_bench.errors import UserError, unknown

if TYPE_CHECKING:
    from msa_bench.evaluation.config import RunConfig
    from msa_bench.sweeps.execute import Done
    from msa_bench.sweeps.executors import Executor
    from msa_bench.sweeps.grid import Cell
    from msa_bench.sweeps.plan import Plan

EXECUTORS = ("local", "ray")
COMMITTED = Path(msa_bench.__file__).parent.parent / "results" / "reference"
"""The measured runs that come with the source."""


def sweep(
    file: Annotated[Path, typer.Argument(help="YAML file with the grid; configs/quick-decay.yaml is one.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs with tokens, minutes and memory, and run nothing.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Directory of the sweep.", show_default="out of the file")] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Runs at a time, each in a process of its own.")] = 1,
    executor: Annotated[
        str, typer.Option(help="local, or ray for the nodes of a Ray cluster that share the sweep's directory.")
    ] = "local",
    keep_banks: Annotated[
        bool, typer.Option("--keep-banks", help="Leave encoded memories in OUT/banks when their runs are finished.")
    ] = False,
    rates: Annotated[
        list[Path] | None,
        typer.Option(help="Directory with finished runs to estimate from, repeatable.", show_default="the committed"),
    ] = None,
    measure: Annotated[
        bool,
        typer.Option("--measure", help="Measure every system on every task first, with one question over at most 8K."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the plan or the results as one JSON object.")] = False,
) -> None:
    """Run a grid of tasks, lengths, systems, ablations and seeds; the same command continues an interrupted sweep."""
    from msa_bench import registry
    from msa_bench.sweeps.execute import only_sweep
    from msa_bench.sweeps.grid import cells, read_sweep

    if executor not in EXECUTORS:
        raise unknown("executor", executor, EXECUTORS)
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise UserError("A sweep starts its own processes; start it without torchrun, with --workers N.")
    chosen = read_sweep(file)
    if out is not None:
        chosen = chosen.model_copy(update={"out": out})
    if keep_banks:
        chosen = chosen.model_copy(update={"keep_banks": True})
    runs = cells(chosen, registry.make_task, registry.system_factory, f" in {file}")
    try:
        if measure:
            _measure(runs, chosen.out)
        plan = _planned(runs, chosen.out, rates or [])
        if dry_run:
            print(json.dumps(plan.as_json(), ensure_ascii=False)) if as_json else _print_plan(plan)
            return
        with only_sweep(chosen.out):
            failures = _execute(plan, _executor(executor, workers), chosen.keep_banks)
    except KeyboardInterrupt:
        print(f"\nInterrupted; the same command continues the sweep in {chosen.out}.", file=sys.stderr)
        raise typer.Exit(130) from None
    _print_results(runs, as_json)
    if not as_json:
        print(f"results: {chosen.out / 'runs'}")
    if failures:
        name, reason = next(iter(failures.items()))
        raise UserError(f"{len(failures)} of {len(runs)} runs failed; the same command tries again. {name}: {reason}")


def quietly(config: RunConfig) -> None:
    """Do one run in a process of a sweep, which prints for it."""
    single.carry_out(config)


def visibly(config: RunConfig) -> None:
    """Do one run in this process, and show on stderr how far it is."""
    from msa_bench.reporting.progress import ProgressDisplay

    with ProgressDisplay(Console(stderr=True)) as progress:
        single.carry_out(config, progress)


def _executor(name: str, workers: int) -> Executor:
    from msa_bench.sweeps.executors import InProcess, Processes, Ray

    if name == "ray":
        return Ray(quietly, workers if workers > 1 else None)
    if workers == 1:
        return InProcess(visibly)
    import torch

    return Processes(quietly, workers, torch.cuda.device_count())


def _planned(runs: list[Cell], out: Path, given: list[Path]) -> Plan:
    from msa_bench.model.backbone import resolve_device
    from msa_bench.sweeps.plan import make_plan
    from msa_bench.sweeps.rates import rates_in

    committed = COMMITTED.relative_to(Path.cwd()) if COMMITTED.is_relative_to(Path.cwd()) else COMMITTED
    places = [out / "runs", out / "measure", *given, committed]
    return make_plan(runs, rates_in(places), resolve_device(runs[0].config.device).type)


def _measure(runs: list[Cell], out: Path) -> None:
    from msa_bench import registry
    from msa_bench.sweeps.grid import measuring

    for config in measuring(runs, out, registry.make_task):
        print(f"measuring {config.directory().name}", file=sys.stderr)
        visibly(config)


def _execute(plan: Plan, executor: Executor, keep_banks: bool) -> dict[str, str]:
    from msa_bench.sweeps.execute import execute

    print(_outlook(plan), file=sys.stderr)
    try:
        return execute(plan, executor, keep_banks, partial(_tell, len(plan.steps)))
    finally:
        executor.close()


def _tell(total: int, done: Done) -> None:
    place = f"[{total - len(done.left)}/{total}] {done.step.cell.name}"
    left = sum(step.estimate.seconds or 0.0 for step in done.left)
    rest = f", {_minutes(left)} min of runs left" if left else ""
    what = f"done in {_minutes(done.seconds)} min{rest}" if done.failure is None else f"failed: {done.failure}"
    print(f"{place}: {what}", file=sys.stderr)


def _outlook(plan: Plan) -> str:
    """The totals of a plan and where its numbers come from, a line each."""
    pending = plan.pending
    lines = [f"{len(plan.steps)} runs, {len(plan.steps) - len(pending)} of them finished"]
    if pending:
        tokens = sum(step.estimate.tokens for step in pending)
        least = "at least " if plan.unknown else ""
        lines[0] += f": {tokens:,} tokens to read, {least}{_minutes(plan.seconds)} min one after the other"
        lines[0] += (
            f", up to {_gigabytes(plan.memory_bytes)} of memory, {_gigabytes(plan.disk_bytes)} of disk for a bank"
        )
        lines += [f"measured in {basis}" for basis in dict.fromkeys(step.estimate.basis for step in pending)
                  if basis != "not measured"]  # fmt: skip
    if plan.unknown:
        lines.append(f"not measured: {', '.join(plan.unknown)}; --measure measures them, --rates DIR takes other runs")
    return "\n".join(lines)


def _print_plan(plan: Plan) -> None:
    table = Table(*("run", "questions", "tokens", "minutes", "memory"), box=box.SIMPLE_HEAD)
    for step in plan.steps:
        expected = step.estimate
        tokens = f"{expected.tokens:,}" if step.encodes else "opens a bank"
        seconds = "?" if expected.seconds is None else _minutes(expected.seconds)
        memory = "?" if expected.memory_bytes is None else _gigabytes(expected.memory_bytes)
        numbers = ("finished", "", "") if step.finished else (tokens, seconds, memory)
        table.add_row(step.cell.name, str(step.cell.questions), *numbers)
    _print_whole(table)
    print(_outlook(plan))


def _print_results(runs: list[Cell], as_json: bool) -> None:
    from msa_bench.sweeps.results import results, row_name

    rows = results(runs)
    if as_json:
        print(json.dumps({"rows": rows}, ensure_ascii=False))
        return
    columns = list(dict.fromkeys(row["column"] for row in rows))
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for row in rows:
        found.setdefault((row_name(row), row["seed"]), {}).setdefault(row["column"], row)
    table = Table(*("system", "seed", *columns), box=box.SIMPLE_HEAD)
    for (name, seed), cells in found.items():
        table.add_row(name, str(seed), *(_score(cells.get(column)) for column in columns))
    _print_whole(table)
    print(f"{', '.join(sorted({row['score'] for row in rows}))}, mean of the subtasks with its 95% interval")


def _score(row: dict[str, Any] | None) -> str:
    if row is None or row["mean"] is None:
        return ""
    if row["low"] is None or row["high"] is None:
        return f"{row['mean']:.2f}"
    return rf"{row['mean']:.2f} \[{row['low']:.2f}, {row['high']:.2f}]"


def _print_whole(table: Table) -> None:
    """Print `table`, at its full width where nobody looks at a terminal."""
    console = Console()
    if not console.is_terminal:
        whole = Measurement.get(console, console.options.update(max_width=1000), table)
        console.width = max(console.width, whole.maximum)
    console.print(table)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f}" if seconds < 6000 else f"{seconds / 60:,.0f}"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
