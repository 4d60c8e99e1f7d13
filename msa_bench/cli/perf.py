"""`msa-bench perf`: speed, against a reference measured in the same process."""

from __future__ import annotations

import json
from typing import Annotated

import typer

app = typer.Typer(help="Measure speed against a reference in the same process.", no_args_is_help=True)


@app.callback()
def perf() -> None:
    """Keep `perf` a group of commands."""


@app.command()
def encode(
    model: Annotated[str, typer.Option(help="Model name, directory or Hugging Face id.")] = "smollm2-135m",
    tokens: Annotated[
        str, typer.Option(help="Tokens of documents: 16K, 1M or a whole number.", metavar="LENGTH")
    ] = "16K",
    repeats: Annotated[int, typer.Option(help="Timed runs of each side, after a warm-up.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the documents.")] = 42,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Reading documents into memory, against transformers' forward pass over the same documents."""
    from msa_bench.lengths import parse_length
    from msa_bench.performance.encode import perf_encode, render

    result = perf_encode(model, parse_length(tokens), device, dtype, repeats, seed)
    print(json.dumps(result) if as_json else render(result))
