from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from msa_bench.model import embedded
from msa_bench.model.checkpoint import load_decoder

CPU = torch.device("cpu")
SIZES: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "rope_theta": 50_000.0,
}


def largest_difference(directory: Path, tokens: int, vocabulary: int) -> float:
    """Between transformers' logits and ours for random tokens, in float32."""
    from transformers import AutoModelForCausalLM

    ids = torch.randint(0, vocabulary, (2, tokens), generator=torch.Generator().manual_seed(0))
    theirs = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    ours = load_decoder(directory, CPU, torch.float32, memory=False)
    with torch.inference_mode():
        difference: float = (theirs(ids).logits - ours(ids)).abs().max().item()
    return difference


@pytest.mark.parametrize(("family", "tied"), [("Qwen3", True), ("Qwen3", False), ("Llama", True), ("Llama", False)])
def test_logits_of_both_families_equal_those_of_transformers(tmp_path: Path, family: str, tied: bool) -> None:
    import transformers

    torch.manual_seed(1)
    config = getattr(transformers, f"{family}Config")(**SIZES, tie_word_embeddings=tied, initializer_range=0.2)
    getattr(transformers, f"{family}ForCausalLM")(config).save_pretrained(tmp_path)
    assert largest_difference(tmp_path, tokens=40, vocabulary=SIZES["vocab_size"]) <= 1e-4


@pytest.mark.slow
def test_logits_of_the_embedded_backbone_equal_those_of_transformers() -> None:
    assert largest_difference(embedded.directory(), tokens=96, vocabulary=49_152) <= 1e-4
