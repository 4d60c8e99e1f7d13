"""`msa-bench compare`: two runs on the same questions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def compare(
    first_run: Annotated[Path, typer.Argument(help="Directory of a run, or of several.", metavar="DIR")],
    second_run: Annotated[
        Path, typer.Argument(help="What to compare it with, paired by task, length and seed.", metavar="DIR")
    ],
    first: Annotated[
        str | None,
        typer.Option(
            help='System of the first run, such as "rag-bm25 k=5".', show_default="every system that is in both"
        ),
    ] = None,
    second: Annotated[
        str | None, typer.Option(help="System of the second run.", show_default="the one of --first")
    ] = None,
    score: Annotated[
        str | None,
        typer.Option(help="The score to compare, such as f1.", show_default="the task's main score"),
    ] = None,
    flips: Annotated[int, typer.Option(help="Most changed answers to show per comparison.", min=0)] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; the table goes to stderr.")] = False,
) -> None:
    """Compare two runs question by question: differences in points with intervals, and the answers that changed."""
    from msa_bench.evaluation.compare import compare_runs, read_runs
    from msa_bench.reporting.comparison import print_comparison

    result = compare_runs(read_runs(first_run), read_runs(second_run), first, second, score)
    print_comparison(result, Console(stderr=as_json), flips)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
