"""A checkpoint of random weights in the released format, to rehearse a run with the true sizes of a model.

    msa-bench perf checkpoint DIR --shape qwen3-4b
    msa-bench run --task niah --length 1M --samples 4 --model DIR

It is loaded and reads documents as the released model does, in as much memory and time. Its answers mean nothing and go
on to every bound, so that they take longer than real ones.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from huggingface_hub import save_torch_state_dict

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.model.backbone import model_directory
from msa_bench.model.checkpoint import LOSS_SCALARS
from msa_bench.model.config import latter_half
from msa_bench.performance.shapes import CHUNK_TOKENS, named_shape, random_model

WINDOW = 40_960
"""Tokens of context the Qwen3 models were made for."""

_TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")


def write_checkpoint(
    directory: Path,
    shape: str,
    tokenizer: str,
    device: str = "auto",
    dtype: str = "auto",
    seed: int = 42,
    progress: Progress = no_progress,
) -> Path:
    """Write random weights of `shape` into a new `directory`, beside the tokenizer of the model `tokenizer`.

    A `UserError` where the directory exists, or the vocabulary of the shape is smaller than the tokenizer's.
    """
    if directory.exists():
        raise UserError(f"{directory} exists already; name a new directory.")
    sizes, source = named_shape(shape), model_directory(tokenizer)
    words = int(json.loads((source / "config.json").read_text(encoding="utf-8"))["vocab_size"])
    if words > sizes.vocab_size:
        raise UserError(f"{shape} has {sizes.vocab_size:,} tokens, fewer than the {words:,} of {tokenizer}.")
    progress("making weights", 0, None, "")
    torch.manual_seed(seed)
    decoder = random_model(shape, device, dtype).decoder
    state = {name: tensor for name, tensor in decoder.state_dict().items() if name != "lm_head.weight"}
    state |= {name: torch.ones((), dtype=decoder.dtype) for name in LOSS_SCALARS}
    routed = ",".join(map(str, latter_half(sizes.layers)))
    memory = {"router_layer_idx": routed, "pooling_kernel_size": CHUNK_TOKENS, "top_k_docs": 16}
    config = sizes.hugging_face | {"max_position_embeddings": WINDOW, "msa_config": memory}
    progress("writing the checkpoint", 0, None, "")
    directory.mkdir(parents=True)
    for name in _TOKENIZER_FILES:
        if (source / name).is_file():
            shutil.copy(source / name, directory / name)
    save_torch_state_dict(state, directory)
    (directory / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    return directory
