"""How fast a query is routed over all documents of one layer, against the released engine's algorithm.

    msa-bench perf routing --shape qwen3-4b --length 100M --keys bf16,fp8,int8 --queries 1 --json

    torchrun --nproc-per-node 2 --no-python msa-bench perf routing --shape qwen3-4b --length 100M

Every way ends with the k best documents on the device. A GPU is also given the routings of all router layers of the
shape at once, as a query does, so that what each takes there no longer holds the time of handing it over. Of several
processes each also scores a part of the documents, and the best of all parts are put together as Memory Parallel does.
The floor is the longer of reading every key once at the bandwidth a copy reaches here, and of the multiplications at
the rate a matrix product reaches here, both measured in the same turns.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from statistics import median
from typing import Any

import torch
from torch import Tensor

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError, unknown
from msa_bench.memory.keys import KeyKind, RoutingKeys
from msa_bench.memory.parallel import Group, best_of_parts, join, part_of
from msa_bench.memory.routing import Routing, Spans, join_heads, scaled_queries
from msa_bench.memory.topk import Best, best
from msa_bench.model.backbone import resolve_device, resolve_dtype
from msa_bench.model.config import latter_half
from msa_bench.performance.released import released_scores
from msa_bench.performance.result import result
from msa_bench.performance.selected import in_kind, rescored, share
from msa_bench.performance.shapes import (
    CHUNK_TOKENS,
    RANDOM,
    check_room,
    document_counts,
    named_shape,
    random_keys,
    random_queries,
)
from msa_bench.performance.timing import alternate

KINDS: dict[str, KeyKind] = {"bf16": "exact", "fp8": "fp8", "int8": "int8"}
"""`--keys` -> how keys are stored; `bf16` are keys in the model's own type."""

TOP_K = 16
COPIED = 1 << 30
COMPARED = 16
"""Queries whose selections are compared with those of float32."""


@torch.inference_mode()
def perf_routing(
    shape: str,
    length: int,
    keys: Sequence[str] = ("bf16",),
    queries: int = 1,
    query_tokens: int = 32,
    repeats: int = 5,
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 42,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Routing `queries` of `query_tokens` tokens over `length` tokens of memory, one layer, as JSON values; a row for
    every kind of keys, times in seconds. `selected_same` is the share of the documents float32 selects for
    some queries."""
    for kind in keys:
        if kind not in KINDS:
            raise unknown("kind of keys", kind, KINDS)
    if min(queries, query_tokens, repeats) < 1:
        raise UserError("--queries, --query-tokens and --repeats take whole numbers from 1.")
    sizes, group = named_shape(shape), join()
    where = resolve_device(device)
    kept = resolve_dtype(dtype, where)
    config = sizes.config(layers=1)
    assert config.msa is not None
    msa = config.msa
    layers = len(latter_half(sizes.layers))
    chunks, features = length // CHUNK_TOKENS, sizes.kv_heads * sizes.head_dim
    check_room(chunks * features * (kept.itemsize + len(keys)) + 2 * COPIED, where, f"Routing over {length:,} tokens")
    counts = document_counts(length, torch.Generator().manual_seed(seed))

    progress("making keys", 0, None, "")
    exact = torch.empty(chunks, sizes.kv_heads, sizes.head_dim, device=where, dtype=kept)
    start = 0
    for part in random_keys(sizes, chunks, where, kept, seed):
        exact[start : start + len(part)] = part
        start += len(part)
    stored = {kind: in_kind(exact, KINDS[kind]) for kind in keys}
    spans = Spans.of(torch.cat((torch.zeros(1, dtype=torch.int64), counts.cumsum(0))), where)
    asked = random_queries(sizes, queries, query_tokens, where, kept, seed + 1)
    routing = Routing.of(torch.ones(queries, query_tokens, dtype=torch.bool), spans, msa)

    def route(kind: str) -> Callable[[], Best]:
        return lambda: best(routing.scores(asked, stored[kind]), TOP_K)

    routes = {kind: route(kind) for kind in keys}
    if group.size > 1:
        routes |= {_parted(kind): _route_part(stored[kind], spans, asked, routing, group) for kind in keys}
    ways: dict[str, Callable[[], object]] = {**routes}
    ways["reference"] = lambda: best(released_scores(asked, exact, spans.offsets, msa), TOP_K)
    source = torch.empty(min(COPIED, exact.nbytes), dtype=torch.uint8, device=where)
    target = torch.empty_like(source)
    ways["copy"] = lambda: target.copy_(source)
    square = torch.randn(2048 if where.type == "cpu" else 8192, features, device=where, dtype=kept)
    ways["product"] = lambda: square @ square.T
    seconds = alternate(ways, repeats, where, progress)
    medians = {name: median(times) for name, times in seconds.items()}

    bandwidth = 2 * source.nbytes / medians["copy"]
    rate = 2 * features * len(square) ** 2 / medians["product"]
    operations = 2 * chunks * features * queries * query_tokens
    compared = random_queries(sizes, COMPARED, query_tokens, where, kept, seed + 2)
    routed = Routing.of(torch.ones(COMPARED, query_tokens, dtype=torch.bool), spans, msa)
    wanted = best(replace(routed, path="torch").scores(compared.float(), RoutingKeys(exact)), TOP_K)
    rows = []
    for kind in keys:
        progress(f"comparing what {kind} keys select", 0, None, "")
        floor = max(stored[kind].bytes / bandwidth, operations / rate)
        found = routed.scores(compared, stored[kind])
        row = {
            "what": f"routing, {kind} keys",
            "keys": kind,
            "key_dtype": str(stored[kind].values.dtype).removeprefix("torch."),
            "bytes": stored[kind].bytes,
            "median_seconds": medians[kind],
            "seconds": seconds[kind],
            "reference_median_seconds": medians["reference"],
            "reference_seconds": seconds["reference"],
            "ratio_vs_reference": medians["reference"] / medians[kind],
            "floor_seconds": floor,
            "ratio_to_floor": medians[kind] / floor,
            "selected_same": share(best(found, TOP_K), wanted),
        }
        if group.size > 1:
            row["processes"] = group.size
            row["processes_median_seconds"] = medians[_parted(kind)]
            row["processes_seconds"] = seconds[_parted(kind)]
            row["ratio_vs_one_process"] = medians[kind] / medians[_parted(kind)]
            row["processes_selected_same"] = share(routes[_parted(kind)](), routes[kind]())
        if where.type == "cuda":
            row["kernels"] = _kernels(routing, asked, stored[kind], repeats)
            row["queued_layers"] = layers
            row["queued_median_seconds"] = _queued(routes[kind], layers, repeats, where)
        if kind != "bf16":
            row["selected_same_rescored"] = share(rescored(routed, compared, found, exact, TOP_K), wanted)
        rows.append(row)
    what = {
        "shape": shape,
        "length_tokens": length,
        "chunks": chunks,
        "documents": len(counts),
        "chunk_tokens": CHUNK_TOKENS,
        "queries": queries,
        "query_tokens": query_tokens,
        "layers": 1,
        "repeats": repeats,
        "copy_bytes_per_second": bandwidth,
        "matmul_flops_per_second": rate,
        "notes": [RANDOM],
    }
    return result("routing", what, where, kept, rows)


def render_routing(found: dict[str, Any]) -> str:
    """What `perf_routing` measured, in a few lines of text."""
    lines = [
        f"{found['shape']}, {found['dtype']}, {found['device']}: {found['queries']} x {found['query_tokens']} "
        f"tokens over {found['length_tokens']:,} tokens in {found['documents']:,} documents, one layer, median of "
        f"{found['repeats']} ({RANDOM})"
    ]
    for row in found["rows"]:
        again = row.get("selected_same_rescored")
        lines.append(
            f"  {row['what']:<20} {row['median_seconds'] * 1e3:>9.3f} ms  {row['ratio_to_floor']:>6.2f} x floor  "
            f"{row['ratio_vs_reference']:>7.1f} x as fast as the reference  selected as in float32: "
            f"{row['selected_same']:.1%}" + ("" if again is None else f", re-scored {again:.1%}")
        )
        if "queued_layers" in row:
            lines.append(f"    {row['queued_median_seconds'] * 1e3:.3f} ms each when {row['queued_layers']} are queued")
        if "processes" in row:
            lines.append(
                f"    over {row['processes']} processes {row['processes_median_seconds'] * 1e3:.3f} ms, "
                f"{row['ratio_vs_one_process']:.2f} x as fast as one; selected the same: "
                f"{row['processes_selected_same']:.1%}"
            )
    reference = found["rows"][0]["reference_median_seconds"]
    return "\n".join((*lines, f"  {'reference algorithm':<20} {reference * 1e3:>9.3f} ms"))


def _kernels(routing: Routing, queries: Tensor, keys: RoutingKeys, repeats: int) -> list[dict[str, Any]]:
    """The Triton kernel alone, by the GPU's own clock, for several ways to cut its work; the fastest first."""
    from triton.runtime.errors import OutOfResources

    from msa_bench.memory.kernels import NARROW, WIDE, Tiles, best_chunk_scores

    joined = join_heads(scaled_queries(queries, routing.msa), keys.values.shape[1])
    document, documents = routing.spans.document, routing.spans.documents
    tried = []
    for tiles in (
        NARROW,
        WIDE,
        Tiles(128, 128, 8, 3),
        Tiles(128, 128, 4, 4),
        Tiles(64, 64, 4, 5),
        Tiles(128, 64, 4, 4),
        Tiles(256, 64, 8, 3),
    ):
        try:
            best_chunk_scores(joined, keys, document, documents, tiles)
        except OutOfResources:  # these tiles do not fit this GPU's shared memory
            continue
        seconds = []
        for _ in range(repeats):
            begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
            begin.record()
            best_chunk_scores(joined, keys, document, documents, tiles)
            end.record()
            end.synchronize()
            seconds.append(begin.elapsed_time(end) / 1e3)
        tried.append({"tiles": asdict(tiles), "median_seconds": median(seconds)})
    return sorted(tried, key=lambda one: one["median_seconds"])


def _queued(route: Callable[[], object], layers: int, repeats: int, device: torch.device) -> float:
    """Median seconds of one routing of `layers` that are queued together, one after the other on the GPU."""

    def every_layer() -> None:
        for _ in range(layers):
            route()

    return median(alternate({"queued": every_layer}, repeats, device)["queued"]) / layers


def _parted(kind: str) -> str:
    return f"{kind}, in parts"


def _route_part(keys: RoutingKeys, spans: Spans, queries: Tensor, routing: Routing, group: Group) -> Callable[[], Best]:
    """Routing over the part of this process, put together with those of the others."""
    offsets = spans.offsets.cpu()
    part = part_of(group, spans.documents, 1)
    begin, end = int(offsets[part.start]), int(offsets[part.stop])
    scales = None if keys.scales is None else keys.scales[begin:end]
    own = RoutingKeys(keys.values[begin:end], scales)
    here = replace(routing, spans=Spans.of(offsets[part.start : part.stop + 1] - begin, spans.offsets.device))
    return lambda: best_of_parts(here.scores(queries, own), TOP_K, part.start, group)
