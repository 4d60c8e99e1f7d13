"""The command line, `msa-bench`: parse, call, print. Each command stands in a module of its own beside this one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer

from msa_bench.cli import (
    ask,
    claims,
    compare,
    data,
    gate,
    listing,
    parity,
    perf,
    report,
    retrieval,
    run,
    sweep,
    train,
)
from msa_bench.errors import UserError

app = typer.Typer(
    help="Memory Sparse Attention and the benchmark that puts its claims to the test.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run.run)
app.command("sweep")(sweep.sweep)
app.command("ask")(ask.ask)
app.command("report")(report.report)
app.command("retrieval")(retrieval.retrieval)
app.command("compare")(compare.compare)
app.command("gate")(gate.gate)
app.command("claims")(claims.claims)
app.command("parity")(parity.parity)
app.command("train")(train.train)
app.add_typer(perf.app, name="perf")
app.add_typer(data.app, name="data")
app.command("tasks")(listing.tasks)
app.command("systems")(listing.systems)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 2 bad input (one sentence on stderr), 130 interrupted.

    A gate also exits with 1 or 3; see its help."""
    try:
        app(args=arguments, prog_name="msa-bench")
    except UserError as error:
        print(f"msa-bench: {error}", file=sys.stderr)
        sys.exit(2)
