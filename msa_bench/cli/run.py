"""`msa-bench run`: one task, some systems, a directory of results."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from msa_bench.contracts import Progress, no_progress

if TYPE_CHECKING:
    from msa_bench.evaluation.config import RunConfig


def run(
    context: typer.Context,
    task: Annotated[str | None, typer.Option(help="What to run; `msa-bench tasks` lists them.")] = None,
    length: Annotated[
        str | None, typer.Option(help="Tokens in the memory: 16K, 1M, 100M or a whole number.", metavar="LENGTH")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="YAML file with these options as keys; an option given here wins over it.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(help="A system to test, repeatable; `msa-bench systems` lists them.", show_default="msa"),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model name, directory or Hugging Face id.", show_default="smollm2-135m")
    ] = None,
    reader: Annotated[
        str | None,
        typer.Option(
            help="Another model that answers for the retrieval baselines: a directory, a hub id, or MODEL@URL for an "
            "OpenAI-compatible endpoint (key from OPENAI_API_KEY).",
            show_default="the model",
        ),
    ] = None,
    samples: Annotated[int | None, typer.Option(help="Questions per subtask.", show_default="5")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the data.", show_default="42")] = None,
    subtask: Annotated[
        list[str] | None, typer.Option(help="A part of the task, repeatable.", show_default="all")
    ] = None,
    ablate: Annotated[
        list[str] | None,
        typer.Option(
            help="A switch of a system to set, repeatable; `msa-bench systems` lists them.", metavar="KEY=VALUE"
        ),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Directory with the task's data.")] = None,
    haystack: Annotated[Path | None, typer.Option(help="Text file or directory to hide needles in.")] = None,
    pad: Annotated[
        str | None,
        typer.Option(help="Fill a bank that is too short for --length up: synthetic.", metavar="synthetic"),
    ] = None,
    doc_tokens: Annotated[
        int | None, typer.Option(help="Most tokens in a document of a haystack.", show_default="128")
    ] = None,
    max_answer_tokens: Annotated[int | None, typer.Option(help="Most tokens in an answer.", show_default="128")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Questions answered at a time.", show_default="8")] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that make and tokenise text beside the model; 0 for none.",
            show_default="all cores but two with a GPU and a long memory, else 0",
        ),
    ] = None,
    bank: Annotated[
        Path | None,
        typer.Option(help="Directory to save encoded memories in; one that is there is opened or gone on with."),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(help="Most memory for a bank, such as gpu=40GB,host=64GB.", show_default="what is free"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Run directory, continued if unfinished.", show_default="results/runs/TASK-LENGTH-HASH"),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or cuda:N.", show_default="auto")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, bfloat16 or float16.", show_default="auto")] = None,
    judge_model: Annotated[str | None, typer.Option(help="Model that grades the answers from 0 to 5.")] = None,
    judge_url: Annotated[
        str | None,
        typer.Option(help="Its OpenAI-compatible address, such as https://host/v1; its key is $MSA_BENCH_JUDGE_KEY."),
    ] = None,
    judge_prompt: Annotated[
        Path | None, typer.Option(help="Your wording, with {question}, {expected} and {answer}.")
    ] = None,
    judge_repeats: Annotated[int | None, typer.Option(help="Grades per answer.", show_default="1")] = None,
    judge_concurrency: Annotated[int | None, typer.Option(help="Most requests at a time.", show_default="8")] = None,
    judge_price: Annotated[
        str | None, typer.Option(help="Price of a million tokens in and out, to record the cost.", metavar="IN/OUT")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object; the table goes to stderr.")
    ] = False,
) -> None:
    """Run systems on a task and store every answer; the same command continues an interrupted run."""
    from msa_bench.evaluation.config import make_config

    given = {key: value for key, value in context.params.items() if value not in (None, [], ())}
    settings = {key: value for key, value in given.items() if key not in ("config", "as_json")}
    chosen = make_config(config, settings)
    try:
        execute(chosen, as_json)
    except KeyboardInterrupt:
        print(f"\nInterrupted; the same command continues the run in {chosen.directory()}.", file=sys.stderr)
        raise typer.Exit(130) from None


def execute(config: RunConfig, as_json: bool = False) -> None:
    """Run `config`, draw its figure, and print its table, or with `as_json` its summary alone, on stdout."""
    from msa_bench.distributed import leading
    from msa_bench.reporting.progress import ProgressDisplay
    from msa_bench.reporting.stored import load_run
    from msa_bench.reporting.tables import print_run

    if not leading():
        follow(config, run_systems)
        return
    errors, directory = Console(stderr=True), config.directory()
    with ProgressDisplay(errors) as progress:
        summary = carry_out(config, progress)
    print_run(load_run(directory), errors if as_json else Console())
    if as_json:
        print(json.dumps(summary, ensure_ascii=False))
    else:
        print(f"results: {directory}")


def carry_out(config: RunConfig, progress: Progress = no_progress) -> dict[str, Any]:
    """Run `config` and draw its figure, and print nothing; the summary."""
    from msa_bench.evaluation.store import full_disk_explained

    directory = config.directory()
    with full_disk_explained(directory):
        summary = run_systems(config, progress)
        progress("drawing the figure", 0, None, "")
        from msa_bench.reporting.plots import save_accuracy
        from msa_bench.reporting.stored import load_run

        save_accuracy(load_run(directory), directory / "accuracy")
    return summary


def run_systems(config: RunConfig, progress: Progress = no_progress) -> dict[str, Any]:
    """Run what the registry has for the names in `config`; the summary."""
    from msa_bench import registry
    from msa_bench.evaluation.runner import run as run_config

    task = registry.make_task(config.task)
    factories = {name: registry.system_factory(name) for name in config.system}
    return run_config(config, task, factories, token_counter(config.model), progress)


def follow(config: RunConfig, work: Callable[[RunConfig], object]) -> None:
    """Do the `work` of a run as one of several processes: in step with the first, which alone writes and prints.

    What the run directory holds decides what is left to do, so this process goes by a copy of it."""
    with TemporaryDirectory() as scratch:
        copied = Path(scratch) / "run"
        if config.directory().is_dir():
            shutil.copytree(config.directory(), copied)
        work(config.model_copy(update={"out": copied}))


def token_counter(model: str) -> Callable[[str], int]:
    """Counts tokens as `model` does; its tokenizer is loaded when the first text is counted."""

    @cache
    def tokenizer() -> Any:
        from msa_bench.model.backbone import load_tokenizer

        return load_tokenizer(model)

    return lambda text: int(tokenizer().count(text))
