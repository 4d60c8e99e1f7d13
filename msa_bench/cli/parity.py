"""`msa-bench parity`: our numbers for a golden case beside the released implementation's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def parity(
    case: Annotated[Path, typer.Argument(help="Case directory: checkpoint, inputs and recorded tensors.")],
    out: Annotated[Path, typer.Option(help="File our values are written to, under the recorded names.")] = Path(
        "parity.safetensors"
    ),
) -> None:
    """Compute a golden case and compare; exit 0 if everything recorded agrees within 1e-4, else 1."""
    from msa_bench.parity import render, run_parity

    report = run_parity(case, out)
    typer.echo(render(report))
    if not report.passed:
        raise typer.Exit(1)
