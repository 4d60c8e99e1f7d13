"""`msa-bench train`: an adapter by a training file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def train(
    file: Annotated[Path, typer.Argument(help="Training file: backbone, stages, mixture (see configs/train-*.yaml).")],
    out: Annotated[Path | None, typer.Option(help="Output directory instead of the file's.")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory of training JSONL files instead of the file's.")] = None,
    start_from: Annotated[
        list[Path] | None,
        typer.Option(help="Adapter to begin with instead of the file's; of several, given one by one, their mean."),
    ] = None,
) -> None:
    """Train a memory adapter on a backbone; the same command continues an interrupted training."""
    from msa_bench.distributed import leading
    from msa_bench.reporting.curves import save_curves
    from msa_bench.reporting.progress import ProgressDisplay
    from msa_bench.training.loop import train as run_training
    from msa_bench.training.measure import CURVES
    from msa_bench.training.settings import read_settings

    given = {"out": out, "data": data, "start_from": tuple(start_from) if start_from else None}
    settings = read_settings(file, {key: value for key, value in given.items() if value is not None})
    console = Console(stderr=True)
    with ProgressDisplay(console) as progress:
        made = run_training(settings, progress)
    if not leading():
        return
    if settings.stages:
        save_curves([made / CURVES], made / "curves")
    console.print(f"The adapter is in {made}; use it with --model {made}.")
