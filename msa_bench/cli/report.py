"""`msa-bench report`: figures, tables and one page from stored runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def report(
    directories: Annotated[
        list[Path], typer.Argument(help="Run directories, or directories that hold some.", metavar="DIR...")
    ],
    out: Annotated[Path, typer.Option(help="Directory for the page, the tables and the figures.")],
) -> None:
    """Make figures (PNG, SVG), tables (Markdown, LaTeX, CSV) and one HTML page of stored runs, beside the paper."""
    from msa_bench.reporting.progress import ProgressDisplay
    from msa_bench.reporting.report.build import write_report

    with ProgressDisplay(Console(stderr=True)) as progress:
        made = write_report(directories, out, progress)
    for remark in made.remarks:
        print(f"msa-bench: {remark}", file=sys.stderr)
    print(f"{made.summary}\n{len(made.files)} files of tables and figures in {out}\npage: {made.page}")
