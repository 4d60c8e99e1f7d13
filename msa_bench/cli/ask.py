"""`msa-bench ask`: a question to your own documents."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def ask(
    question: Annotated[str, typer.Argument(help="The question, in quotation marks.")],
    docs: Annotated[Path, typer.Option(help="A file or folder: text, Markdown, JSONL with text and title, PDF.")],
    model: Annotated[str, typer.Option(help="Model name, directory or Hugging Face id.")] = "smollm2-135m",
    system: Annotated[str, typer.Option(help="What answers; `msa-bench systems` lists them.")] = "msa",
    passages: Annotated[
        int, typer.Option(help="Passages that a retrieval baseline reads; the other systems ignore it.", min=1, max=100)
    ] = 10,
    bank: Annotated[
        Path | None, typer.Option(help="Directory that keeps the encoded documents.", show_default="in the cache")
    ] = None,
    max_answer_tokens: Annotated[int, typer.Option(help="Most tokens in the answer.")] = 128,
    device: Annotated[str, typer.Option(help="cpu, cuda or cuda:N.")] = "auto",
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Answer a question from your documents and name those it rests on; they are encoded once, at the first one."""
    from msa_bench import registry
    from msa_bench.ask.answering import ask as ask_system
    from msa_bench.ask.answering import open_library
    from msa_bench.cli.run import token_counter
    from msa_bench.contracts import SystemRequest
    from msa_bench.places import cache_root
    from msa_bench.reporting.progress import ProgressDisplay

    began, kept = time.perf_counter(), bank or cache_root() / "banks"
    with ProgressDisplay(Console(stderr=True)) as progress:
        library = open_library(docs, model, kept, token_counter(model))
        request = SystemRequest(model, device, dtype, max_answer_tokens=max_answer_tokens, bank=kept, passages=passages)
        found = ask_system(registry.make_system(system, request), library, question, progress)
    seconds = time.perf_counter() - began
    if as_json:
        sources = [{"place": source.place, "text": source.text} for source in found.sources]
        variant, notes = found.answer.variant, list(found.answer.notes)
        shown = {"answer": found.answer.text, "variant": variant, "sources": sources, "seconds": seconds}
        print(json.dumps(shown | {"notes": notes}))
        return
    print(found.answer.text)
    for number, source in enumerate(found.sources, start=1):
        print(f"  [{number}] {source.place}: {' '.join(source.text.split())[:80]}")
    for note in found.answer.notes:
        print(f"  note: {note}")
    variant = f"{found.answer.variant}, " if found.answer.variant else ""
    print(f"  {len(library):,} passages, {variant}{seconds:.1f} s")
