"""`msa-bench perf`: speed, against a reference measured in the same process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from msa_bench.contracts import Progress

Device = Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")]
Dtype = Annotated[str, typer.Option(help="float32, bfloat16 or float16.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Model = Annotated[str, typer.Option(help="Model name, directory or Hugging Face id.")]
InsteadOfModel = Annotated[
    str | None, typer.Option(help="Sizes with random weights instead of a model, as for perf routing.")
]

app = typer.Typer(help="Measure speed against a reference in the same process.", no_args_is_help=True)


@app.callback()
def perf() -> None:
    """Keep `perf` a group of commands."""


@app.command()
def encode(
    model: Model = "smollm2-135m",
    shape: InsteadOfModel = None,
    tokens: Annotated[
        str, typer.Option(help="Tokens of documents: 16K, 1M or a whole number.", metavar="LENGTH")
    ] = "16K",
    repeats: Annotated[int, typer.Option(help="Timed runs of each side, after a warm-up.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the documents.")] = 42,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Reading documents into memory, against transformers' forward pass over the same documents."""
    from msa_bench.lengths import parse_length
    from msa_bench.performance.encode import perf_encode, render

    result = perf_encode(model, parse_length(tokens), device, dtype, repeats, seed, shape, _lines())
    print(json.dumps(result) if as_json else render(result))


@app.command()
def decode(
    model: Model = "smollm2-135m",
    shape: InsteadOfModel = None,
    queries: Annotated[int, typer.Option(help="Prompts answered at once.")] = 32,
    prompt_tokens: Annotated[int, typer.Option(help="Tokens of each prompt.")] = 256,
    new_tokens: Annotated[int, typer.Option(help="Tokens written after each.")] = 64,
    repeats: Annotated[int, typer.Option(help="Timed runs of each side, after a warm-up.")] = 3,
    seed: Annotated[int, typer.Option(help="Seed of the prompts.")] = 42,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Writing answers in a batch, against transformers' generate on the same prompts."""
    from msa_bench.performance.decode import perf_decode, render_decode

    result = perf_decode(model, shape, queries, prompt_tokens, new_tokens, repeats, device, dtype, seed, _lines())
    print(json.dumps(result) if as_json else render_decode(result))


@app.command()
def storage(
    shape: Annotated[str, typer.Option(help="Model sizes, as for perf routing.")] = "qwen3-4b",
    length: Annotated[str, typer.Option(help="Tokens of the memory: 1M, 100M.", metavar="LENGTH")] = "1M",
    budget: Annotated[str | None, typer.Option(help="Most memory, such as gpu=40GB,host=64GB.")] = None,
    layers: Annotated[int | None, typer.Option(help="Router layers to hold.", show_default="the shape's")] = None,
    queries: Annotated[int, typer.Option(help="Queries routed at once.")] = 1,
    query_tokens: Annotated[int, typer.Option(help="Routing tokens of each query.")] = 32,
    repeats: Annotated[int, typer.Option(help="Timed runs, after a warm-up.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the memory and the queries.")] = 42,
    device: Device = "auto",
    dtype: Dtype = "auto",
    bank: Annotated[Path | None, typer.Option(help="Directory to save the memory in and open it from, timed.")] = None,
    as_json: AsJson = False,
) -> None:
    """Holding a whole memory in its tiers: bytes of each, and a query over all layers with and without its content."""
    from msa_bench.lengths import parse_length
    from msa_bench.memory.plan import Budget, parse_budget
    from msa_bench.performance.storage import perf_storage, render_storage

    allowed = parse_budget(budget) if budget else Budget()
    tokens = parse_length(length)
    result = perf_storage(
        shape, tokens, allowed, layers, queries, query_tokens, repeats, device, dtype, seed, bank, _lines()
    )
    print(json.dumps(result) if as_json else render_storage(result))


@app.command()
def routing(
    shape: Annotated[
        str, typer.Option(help="Model sizes: smollm2-135m, qwen3-0.6b, qwen3-4b or qwen3-8b.")
    ] = "qwen3-4b",
    length: Annotated[str, typer.Option(help="Tokens of the memory: 1M, 100M.", metavar="LENGTH")] = "1M",
    keys: Annotated[str, typer.Option(help="Kinds of keys: bf16, fp8, int8, several with commas.")] = "bf16",
    queries: Annotated[int, typer.Option(help="Queries routed at once.")] = 1,
    query_tokens: Annotated[int, typer.Option(help="Routing tokens of each query.")] = 32,
    repeats: Annotated[int, typer.Option(help="Timed runs of each side, after a warm-up.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of keys and queries.")] = 42,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """Routing one layer's query over every document, against the released engine's algorithm; with torchrun, over the
    parts of several processes too."""
    from msa_bench.distributed import leading
    from msa_bench.lengths import parse_length
    from msa_bench.performance.routing import perf_routing, render_routing

    kinds = [kind.strip() for kind in keys.split(",")]
    tokens = parse_length(length)
    result = perf_routing(shape, tokens, kinds, queries, query_tokens, repeats, device, dtype, seed, _lines())
    if leading():
        print(json.dumps(result) if as_json else render_routing(result))


@app.command()
def keys(
    model: Model = "smollm2-135m",
    task: Annotated[str, typer.Option(help="Task whose questions are asked of a memory of its text.")] = "niah",
    subtask: Annotated[str | None, typer.Option(help="A part of the task.", show_default="its first")] = None,
    data: Annotated[Path | None, typer.Option(help="Directory with the task's data.")] = None,
    length: Annotated[
        str | None, typer.Option(help="Tokens of the memory: 16K, 1M.", metavar="LENGTH", show_default="the task's")
    ] = None,
    samples: Annotated[int, typer.Option(help="Questions.")] = 5,
    keys: Annotated[str, typer.Option(help="Kinds of keys: fp8, int8, both with a comma.")] = "fp8,int8",
    seed: Annotated[int, typer.Option(help="Seed of the data.")] = 42,
    device: Device = "auto",
    dtype: Dtype = "auto",
    as_json: AsJson = False,
) -> None:
    """What a model's own routing keys select in 8 bits, against float32, over every layer and round of its answers."""
    from msa_bench.cli.run import token_counter
    from msa_bench.contracts import TaskRequest
    from msa_bench.evaluation.runner import chosen_subtasks
    from msa_bench.lengths import parse_length
    from msa_bench.performance.keys import perf_keys, render_keys
    from msa_bench.registry import make_task

    source, tokens = make_task(task), parse_length(length) if length else None
    [part, *_] = chosen_subtasks(source, (subtask,) if subtask else ())
    dataset = source.load(TaskRequest(tokens, samples, seed, token_counter(model), subtask=part, data=data))
    kinds = [kind.strip() for kind in keys.split(",")]
    asked = {"task": task, "subtask": part, "length_tokens": tokens, "seed": seed}
    result = perf_keys(model, dataset, kinds, device, dtype, _lines()) | asked
    print(json.dumps(result) if as_json else render_keys(result))


@app.command()
def checkpoint(
    directory: Annotated[Path, typer.Argument(help="New directory for the checkpoint.")],
    shape: Annotated[str, typer.Option(help="Model sizes, as for perf routing.")] = "qwen3-4b",
    tokenizer: Annotated[str, typer.Option(help="Model whose tokenizer it gets.")] = "smollm2-135m",
    seed: Annotated[int, typer.Option(help="Seed of the weights.")] = 42,
    device: Device = "auto",
    dtype: Dtype = "auto",
) -> None:
    """Writing random weights in the released format, to rehearse loading, encoding and answering at a model's size."""
    from msa_bench.performance.checkpoint import write_checkpoint

    made = write_checkpoint(directory, shape, tokenizer, device, dtype, seed, _lines())
    print(f"Random weights of {shape} are in {made}; rehearse with --model {made}.")


def _lines() -> Progress:
    """Progress that does nothing of its own beside what is timed, shown by one process of several."""
    from msa_bench.contracts import no_progress
    from msa_bench.distributed import leading
    from msa_bench.reporting.progress import ProgressLines

    return ProgressLines(Console(stderr=True)) if leading() else no_progress
