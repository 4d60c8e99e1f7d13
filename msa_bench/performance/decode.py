"""How fast answers are written: our batched greedy decoding against transformers' `generate`.

    msa-bench perf decode --model smollm2-135m --queries 32 --json

Both sides read the same prompts with the same weights and type, and write the same number of tokens after each, in
turns; neither stops early. Prompts are as long as each other, so that neither pays for padding.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.generation.decode import Session
from msa_bench.model.backbone import Backbone, load_backbone
from msa_bench.performance.result import place, result
from msa_bench.performance.shapes import named_shape, random_model
from msa_bench.performance.timing import alternate
from msa_bench.performance.transformers import transformers_model


def perf_decode(
    model: str,
    shape: str | None = None,
    queries: int = 32,
    prompt_tokens: int = 256,
    new_tokens: int = 64,
    repeats: int = 3,
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 42,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Writing `new_tokens` tokens after each of `queries` prompts, timed `repeats` times after a warm-up; JSON values,
    times in seconds. `ratio_vs_transformers` is how many times as fast we are, prefill included; `same_tokens` the
    share of tokens both wrote."""
    if min(queries, prompt_tokens, new_tokens, repeats) < 1:
        raise UserError("--queries, --prompt-tokens, --new-tokens and --repeats are at least 1.")
    progress("making weights" if shape else "loading the model", 0, None, "")
    memory = random_model(shape, device, dtype) if shape else load_backbone(model, device, dtype)
    chance = random.Random(seed)
    prompts = [[chance.randrange(memory.config.vocab_size) for _ in range(prompt_tokens)] for _ in range(queries)]
    settings = named_shape(shape).hugging_face if shape else None
    theirs = transformers_model(memory, settings, "AutoModelForCausalLM")
    written: dict[str, list[list[int]]] = {}
    ways: dict[str, Callable[[], object]] = {
        "ours": lambda: written.update(ours=_ours(memory, prompts, new_tokens)),
        "transformers": lambda: written.update(transformers=_theirs(theirs, memory, prompts, new_tokens)),
    }
    seconds = alternate(ways, repeats, memory.device, progress)
    ours, reference = (median(seconds[name]) for name in ways)
    pairs = [pair for rows in zip(*written.values(), strict=True) for pair in zip(*rows, strict=True)]
    row = {
        "what": "decode",
        "queries": queries,
        "prompt_tokens": prompt_tokens,
        "new_tokens": new_tokens,
        "repeats": repeats,
        "median_seconds": ours,
        "seconds": seconds["ours"],
        "tokens_per_second": queries * new_tokens / ours,
        "transformers_median_seconds": reference,
        "transformers_seconds": seconds["transformers"],
        "transformers_tokens_per_second": queries * new_tokens / reference,
        "ratio_vs_transformers": reference / ours,
        "same_tokens": None if shape else sum(one == other for one, other in pairs) / len(pairs),
    }
    what = {"model": shape or model, "weights": "random" if shape else "the model's", "seed": seed}
    return result("decode", what, memory.device, memory.dtype, [row])


def render_decode(found: dict[str, Any]) -> str:
    """What `perf_decode` measured, in a few lines of text."""
    sides = (
        ("ours", found["tokens_per_second"], found["median_seconds"]),
        ("transformers generate", found["transformers_tokens_per_second"], found["transformers_median_seconds"]),
    )
    return "\n".join((
        f"{found['model']}, {found['dtype']}, {found['device']} ({place(found)}): {found['new_tokens']} tokens after "
        f"each of {found['queries']} prompts of {found['prompt_tokens']}, median of {found['repeats']}",
        *(f"  {name:<22} {rate:>10,.0f} tokens/s {seconds:>9.3f} s" for name, rate, seconds in sides),
        f"  {found['ratio_vs_transformers']:.2f} times as fast as transformers",
    ))  # fmt: skip


def _ours(memory: Backbone, prompts: Sequence[list[int]], new_tokens: int) -> list[list[int]]:
    session = Session(memory.decoder, len(prompts), len(prompts[0]) + new_tokens)
    feed: list[list[int]] = list(prompts)
    rows: list[list[int]] = [[] for _ in prompts]
    for _ in range(new_tokens):
        best: list[int] = session.feed(feed).argmax(1).tolist()
        for row, token in zip(rows, best, strict=True):
            row.append(token)
        feed = [[token] for token in best]
    return rows


def _theirs(theirs: Any, memory: Backbone, prompts: Sequence[list[int]], new_tokens: int) -> list[list[int]]:
    ids = torch.tensor(prompts, device=memory.device)
    written = theirs.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=new_tokens,
        min_new_tokens=new_tokens,
        do_sample=False,
        pad_token_id=0,
    )
    rows: list[list[int]] = written[:, ids.shape[1] :].tolist()
    return rows
