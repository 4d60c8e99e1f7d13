"""What a whole memory takes in each tier, and what a query costs over all its layers.

    msa-bench perf storage --shape qwen3-4b --length 100M --budget gpu=60GB,host=200GB --json

The bank is a real one, planned and filled as encoding does it, with random chunks. A query is routed in every
router layer, with re-scoring where the placement asks for it, and then again with the content of its documents fetched.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.evaluation.provenance import peak_memory
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.files import load_bank, save_bank
from msa_bench.memory.plan import Budget, plan
from msa_bench.memory.recall import BankRecall
from msa_bench.model.backbone import resolve_device, resolve_dtype
from msa_bench.model.passes import Pooled
from msa_bench.performance.result import result
from msa_bench.performance.shapes import (
    AT_ONCE,
    CHUNK_TOKENS,
    RANDOM,
    Shape,
    document_counts,
    named_shape,
    random_keys,
    random_queries,
)
from msa_bench.performance.timing import alternate

TOP_K = 16


@torch.inference_mode()
def perf_storage(
    shape: str,
    length: int,
    budget: Budget,
    layers: int | None = None,
    queries: int = 1,
    query_tokens: int = 32,
    repeats: int = 5,
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 42,
    directory: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Bytes per tier and seconds per batch of queries over all router layers, as JSON values; with `directory` also the
    seconds to save the bank there and to open it again."""
    sizes, where = named_shape(shape), resolve_device(device)
    if min(queries, query_tokens, repeats) < 1 or (layers is not None and not 1 <= layers <= sizes.layers // 2):
        raise UserError(
            f"--queries, --query-tokens and --repeats take whole numbers from 1, --layers up to {sizes.layers // 2}."
        )
    kept, config = resolve_dtype(dtype, where), sizes.config(layers)
    chunks = length // CHUNK_TOKENS
    planned = plan(config, kept, where, length, chunks, budget, saved=directory is not None)
    counts = document_counts(length, torch.Generator().manual_seed(seed))
    bank = MemoryBank(config, where, kept, chunks, planned.placement)
    progress("filling the memory", 0, None, "")
    began = time.perf_counter()
    _fill(bank, sizes, counts, seed)
    filled = time.perf_counter() - began
    asked = random_queries(sizes, queries, query_tokens, where, kept, seed + 1)
    routes = torch.ones(queries, query_tokens, dtype=torch.bool)

    def ask(fetched: bool) -> Callable[[], object]:
        def run() -> None:
            recall = BankRecall(bank, routes, [()] * queries, TOP_K)
            for layer in bank.layers:
                found = recall.route(layer, asked)
                if fetched:
                    bank.fetch(layer, found.ids)

        return run

    seconds = alternate({"route": ask(False), "route and fetch": ask(True)}, repeats, where, progress)
    rows = [
        {"what": name, "median_seconds": median(times), "seconds": times, "layers": len(bank.layers)}
        for name, times in seconds.items()
    ]
    if directory is not None:
        rows += _saved(bank, directory)
    what = {
        "shape": shape,
        "length_tokens": length,
        "chunks": chunks,
        "documents": len(counts),
        "layers": len(bank.layers),
        "queries": queries,
        "query_tokens": query_tokens,
        "repeats": repeats,
        "keys": planned.placement.keys,
        "content": planned.placement.content,
        "content_as": planned.placement.content_as,
        "rescored": planned.placement.keeps_exact,
        "keys_bytes": sum(bank.stored_keys(layer).bytes for layer in bank.layers),
        "bank_bytes": bank.bytes,
        "device_bytes": planned.device_bytes,
        "host_bytes": planned.host_bytes,
        "fill_seconds": filled,
        "peak_memory": peak_memory(),
        "notes": [RANDOM],
    }
    return result("storage", what, where, kept, rows)


def render_storage(found: dict[str, Any]) -> str:
    """What `perf_storage` measured, in a few lines of text."""
    lines = [
        f"{found['shape']}, {found['dtype']}, {found['device']}: {found['length_tokens']:,} tokens in "
        f"{found['documents']:,} documents, {found['layers']} layers, {found['keys']} keys, "
        f"{found['content_as']} content on the {found['content']} ({RANDOM})",
        f"  {found['device_bytes'] / 1e9:.2f} GB on {found['device']}, {found['host_bytes'] / 1e9:.2f} GB beside it "
        f"in host memory",
    ]
    lines += [f"  {row['what']:<16} {row['median_seconds'] * 1e3:>10.3f} ms" for row in found["rows"]]
    return "\n".join(lines)


def _fill(bank: MemoryBank, shape: Shape, counts: torch.Tensor, seed: int) -> None:
    """Random chunks, other ones in every layer; a block's keys serve as its values too, which nothing here looks at."""
    first = bank.reserve(counts, int(counts.sum()) * CHUNK_TOKENS)
    made = [random_keys(shape, bank.chunks, bank.device, bank.dtype, seed + layer) for layer in bank.layers]
    for start in range(first, bank.chunks, AT_ONCE):
        blocks = [next(keys) for keys in made]
        rows = torch.arange(start, start + len(blocks[0]))
        bank.write(rows, {layer: Pooled(block, block, block) for layer, block in zip(bank.layers, blocks, strict=True)})
    bank.finish()


def _saved(bank: MemoryBank, directory: Path) -> list[dict[str, Any]]:
    identity = bank.identity("random")
    times = {}
    began = time.perf_counter()
    save_bank(bank, directory, identity)
    times["save"] = time.perf_counter() - began
    began = time.perf_counter()
    load_bank(directory, bank.config, bank.device, identity, bank.placement)
    times["open"] = time.perf_counter() - began
    return [
        {"what": name, "median_seconds": one, "seconds": [one], "layers": len(bank.layers)}
        for name, one in times.items()
    ]
