"""`msa-bench retrieval`: recall and cost of retrievers, without generation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

SYSTEMS = ("rag-bm25", "rag-dense", "rag-hybrid", "hipporag")


def retrieval(
    task: Annotated[
        list[str], typer.Option(help="A task whose questions name gold passages, repeatable.", metavar="NAME[=DIR]")
    ],
    data: Annotated[Path | None, typer.Option(help="Directory with the data of a task given without one.")] = None,
    subtask: Annotated[
        list[str] | None, typer.Option(help="A part of the task, repeatable.", show_default="all")
    ] = None,
    system: Annotated[
        list[str] | None, typer.Option(help="A retrieval baseline, repeatable.", show_default=", ".join(SYSTEMS))
    ] = None,
    model: Annotated[
        str, typer.Option(help="Model whose tokens count, and of rerankers and extraction.")
    ] = "smollm2-135m",
    length: Annotated[
        str | None, typer.Option(help="Tokens in the memory.", metavar="LENGTH", show_default="all")
    ] = None,
    samples: Annotated[int, typer.Option(help="Questions per task or subtask.")] = 500,
    seed: Annotated[int, typer.Option(help="Seed of the data.")] = 42,
    ablate: Annotated[
        list[str] | None, typer.Option(help="A switch of a system to set, repeatable.", metavar="KEY=VALUE")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="File for the whole result as JSON.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object; the table goes to stderr.")] = False,
) -> None:
    """Measure what retrievers find: recall@5 and @10 with intervals, time and size of the index, time of a search."""
    from msa_bench import registry
    from msa_bench.cli.run import token_counter
    from msa_bench.contracts import TaskRequest
    from msa_bench.errors import UserError
    from msa_bench.evaluation.config import make_config
    from msa_bench.evaluation.retrieval import measure
    from msa_bench.evaluation.runner import chosen_subtasks, system_requests
    from msa_bench.evaluation.store import write_json
    from msa_bench.reporting.progress import ProgressDisplay
    from msa_bench.reporting.retrieval import print_retrieval

    errors = Console(stderr=True)
    factories = {name: registry.system_factory(name) for name in system or SYSTEMS}
    for name, factory in factories.items():
        if not hasattr(factory, "retriever"):
            raise UserError(
                f"The system {name} ranks no passages; choose among the retrieval baselines such as rag-bm25."
            )
    rows: list[Any] = []
    result: dict[str, Any] = {}
    with ProgressDisplay(errors) as progress:
        for one in task:
            name, _, place = one.partition("=")
            options = {"task": name, "model": model, "device": device, "seed": seed, "ablate": ablate or []}
            config = make_config(None, options | ({"length": length} if length else {}))
            requests = system_requests(config, factories)
            here = Path(place) if place else data
            count = token_counter(model)
            source = registry.make_task(name)
            for part in chosen_subtasks(source, subtask or ()):
                dataset = source.load(TaskRequest(config.length, samples, seed, count, subtask=part, data=here))
                retrievers = {key: factories[key].retriever(requests[key]) for key in factories}
                result = measure(part or name, dataset, retrievers, progress)
                rows += result["rows"]
    result["rows"] = rows
    print_retrieval(rows, errors if as_json else Console())
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_json(out, result)
    if as_json:
        print(json.dumps(result, ensure_ascii=False))
