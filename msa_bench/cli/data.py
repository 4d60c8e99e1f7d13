"""`msa-bench data`: fetch a task's data, check one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from msa_bench.contracts import DataTask

app = typer.Typer(help="Fetch the data of a task, or check data of your own.", no_args_is_help=True)


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(help="A task that has data; `msa-bench tasks` lists them.")],
    scaled: Annotated[bool, typer.Option(help="The bank for runs with --length, where it is another one.")] = False,
    original: Annotated[bool, typer.Option(help="The original data set, not the authors' benchmark set.")] = False,
) -> None:
    """Download the data of a task from the Hugging Face hub; the same command goes on where it was cut."""
    from msa_bench.reporting.progress import ProgressDisplay

    with ProgressDisplay(Console(stderr=True)) as progress:
        directory = _data_task(name).fetch(scaled, original, progress)
    print(f"{name}: {directory}")


@app.command()
def check(
    directory: Annotated[Path, typer.Argument(help="Directory with questions.jsonl and corpus.jsonl.")],
    task: Annotated[str, typer.Option(help="The task it is for, where it is not in JSONL.")] = "qa",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read a data directory whole and say what is in it, or which line is wrong."""
    found = _data_task(task).check(directory)
    if as_json:
        print(json.dumps(found))
    else:
        for what, value in found.items():
            print(f"{what}: {value:,}" if isinstance(value, int) else f"{what}: {value}")


def _data_task(name: str) -> DataTask:
    from msa_bench import registry
    from msa_bench.contracts import DataTask
    from msa_bench.errors import UserError

    task = registry.make_task(name)
    if not isinstance(task, DataTask):
        raise UserError(f"The task {name} makes its own data; there is nothing to fetch or check.")
    return task
