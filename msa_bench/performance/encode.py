"""How fast documents are read: our document pass against transformers' forward pass, and against bare matrix products.

    msa-bench perf encode --model smollm2-135m --tokens 16K --json
    msa-bench perf encode --shape qwen3-4b --tokens 1M --json

Both sides read the same documents with the same weights, type and threads, in turns; of a long memory transformers
reads the first 65,536 tokens only, and rates are compared. Ours sorts them into batches and fills a memory bank, as
encoding a corpus does; transformers reads them as they come, 16 at a time, padded, without its vocabulary projection
and without keeping keys and values. Making and tokenising text is left out on both sides. A shape has random weights,
other ones on either side; on a GPU our layers are compiled as for a long memory.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.cores import each_on_a_core
from msa_bench.memory.encode import COMPILED_TOKENS, WINDOW, batch_tokens, encode_tokens, worth_compiling
from msa_bench.memory.reading import Window
from msa_bench.model.backbone import Backbone, load_memory_model
from msa_bench.model.compiled import compiled_layers
from msa_bench.performance.result import place, result
from msa_bench.performance.shapes import named_shape, random_model
from msa_bench.performance.timing import alternate
from msa_bench.performance.transformers import transformers_model

SHORTEST, LONGEST = 20, 400
"""Tokens of a document: passages of question-answering collections lie between these."""

AT_ONCE = 16
"""Documents transformers reads at a time."""

COMPARED = 65_536
"""Tokens transformers reads at most: enough for its rate, which may be a twentieth of ours."""


def perf_encode(
    model: str,
    tokens: int,
    device: str = "auto",
    dtype: str = "auto",
    repeats: int = 3,
    seed: int = 42,
    shape: str | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Reading `tokens` tokens of documents, timed `repeats` times after a warm-up; JSON values, times in seconds.

    `ratio_vs_transformers` is how many times as many tokens a second we read. `ratio_to_floor` is our time over what
    the layers' matrix products alone would take at the rate they reach in this process.
    """
    if tokens < SHORTEST:
        raise UserError(f"--tokens {tokens} holds no document; take at least {SHORTEST}, such as 16K.")
    if repeats < 1:
        raise UserError(f"--repeats {repeats} measures nothing; take at least 1, better 3.")
    progress("making weights" if shape else "loading the model", 0, None, "")
    memory = random_model(shape, device, dtype) if shape else load_memory_model(model, device, dtype)
    progress("making documents", 0, None, "")
    documents = make_documents(tokens, memory.config.vocab_size, seed)
    # A CPU reads a batch on every core.
    pieces = torch.get_num_threads() if memory.device.type == "cpu" else 1
    step = min(tokens, batch_tokens(memory.device, memory.config.hidden_size))
    windows = [Window.of(window) for window in _slices(documents, WINDOW)]
    settings = named_shape(shape).hugging_face if shape else None
    compared = _first(documents, COMPARED)
    ways = {
        "ours": lambda: _encode(memory, windows, tokens),
        "transformers": _transformers(memory, compared, settings),
        "products": _products(memory, step, pieces),
    }
    with compiled_layers(memory.decoder, worth_compiling(memory.device, COMPILED_TOKENS)):
        seconds = alternate(ways, repeats, memory.device, progress)
    ours, theirs, products = (median(seconds[name]) for name in ("ours", "transformers", "products"))
    floor, read = products * tokens / (step * pieces), sum(map(len, compared))
    row = {
        "what": "document pass",
        "tokens": tokens,
        "documents": len(documents),
        "repeats": repeats,
        "median_seconds": ours,
        "seconds": seconds["ours"],
        "tokens_per_second": tokens / ours,
        "transformers_tokens": read,
        "transformers_median_seconds": theirs,
        "transformers_seconds": seconds["transformers"],
        "transformers_tokens_per_second": read / theirs,
        "ratio_vs_transformers": (tokens / ours) / (read / theirs),
        "floor_seconds": floor,
        "ratio_to_floor": ours / floor,
        "matmul_flops_per_second": 2 * _weights_used(memory) * tokens / floor,
    }
    what = {"model": shape or model, "weights": "random" if shape else "the model's"}
    return result("encode", what, memory.device, memory.dtype, [row])


def render(found: dict[str, Any]) -> str:
    """What `perf_encode` measured, in a few lines of text."""
    sides = (
        ("document pass", found["tokens_per_second"], found["median_seconds"]),
        ("transformers, padded", found["transformers_tokens_per_second"], found["transformers_median_seconds"]),
        ("matrix products alone", found["tokens"] / found["floor_seconds"], found["floor_seconds"]),
    )
    return "\n".join(
        (
            f"{found['model']}, {found['dtype']}, {found['device']} ({place(found)}): {found['tokens']:,} tokens in "
            f"{found['documents']:,} documents, median of {found['repeats']}",
            *(f"  {name:<22} {rate:>12,.0f} tokens/s {seconds:>9.3f} s" for name, rate, seconds in sides),
            f"  {found['ratio_vs_transformers']:.2f} times as fast as transformers; "
            f"{found['ratio_to_floor']:.2f} times as long as the matrix products alone",
        )
    )


def make_documents(tokens: int, vocabulary: int, seed: int) -> list[list[int]]:
    """Documents of random tokens, `tokens` in all, as long as passages are: log-normal around 130, within bounds. Only
    the last may be shorter."""
    chance = random.Random(seed)
    documents: list[list[int]] = []
    while tokens > 0:
        drawn = round(chance.lognormvariate(4.87, 0.6))
        length = min(max(drawn, SHORTEST), LONGEST, tokens)
        documents.append([chance.randrange(vocabulary) for _ in range(length)])
        tokens -= length
    return documents


def _first(documents: Sequence[list[int]], tokens: int) -> Sequence[list[int]]:
    """The first documents, up to about `tokens` tokens."""
    ends = accumulate(map(len, documents))
    return documents[: 1 + next((place for place, end in enumerate(ends) if end >= tokens), len(documents))]


def _encode(memory: Backbone, windows: Sequence[Window], tokens: int) -> None:
    bank = MemoryBank(memory.config, memory.device, memory.dtype, chunks=tokens // 32)
    for window in windows:
        for _ in encode_tokens(memory, bank, window):
            pass


def _transformers(
    memory: Backbone, documents: Sequence[list[int]], settings: Mapping[str, Any] | None
) -> Callable[[], None]:
    theirs = transformers_model(memory, settings, "AutoModel")

    @torch.inference_mode()
    def read() -> None:
        for batch in _slices(documents, AT_ONCE):
            width = max(map(len, batch))
            ids = torch.tensor([[*one, *[0] * (width - len(one))] for one in batch], device=memory.device)
            mask = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in batch], device=memory.device)
            theirs(input_ids=ids, attention_mask=mask, use_cache=False)

    return read


def _products(memory: Backbone, tokens: int, pieces: int) -> Callable[[], object]:
    """The matrix products of `pieces` batches of `tokens` tokens, and nothing else."""
    weights = list(_weights(memory))
    inputs = {
        size: torch.randn(tokens, size, device=memory.device, dtype=memory.dtype)
        for size in {weight.shape[1] for weight in weights}
    }

    @torch.inference_mode()
    def multiply(_: int) -> None:
        for weight in weights:
            F.linear(inputs[weight.shape[1]], weight)

    return lambda: list(each_on_a_core(multiply, range(pieces), memory.device))


def _weights(memory: Backbone) -> Iterator[Tensor]:
    """Weights every token must be multiplied with: all layers below the last that routes, and its key and value."""
    last = max(memory.config.msa.router_layers) if memory.config.msa else -1
    for layer in memory.decoder.layers[: last + 1]:
        attention, mlp = layer.self_attn, layer.mlp
        yield from (attention.k_proj.weight, attention.v_proj.weight)
        if layer.index < last:
            yield from (attention.q_proj.weight, attention.o_proj.weight)
            yield from (mlp.gate_proj.weight, mlp.up_proj.weight, mlp.down_proj.weight)


def _slices(documents: Sequence[list[int]], size: int) -> Iterator[Sequence[list[int]]]:
    return (documents[start : start + size] for start in range(0, len(documents), size))


def _weights_used(memory: Backbone) -> int:
    return sum(weight.numel() for weight in _weights(memory))
