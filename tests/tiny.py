"""Random memory models small enough to check by hand, with a tokenizer trained on the spot."""

from __future__ import annotations

import json
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from toys import ToyCorpus

from msa_bench.model.backbone import Backbone
from msa_bench.model.config import ModelConfig, MSAConfig
from msa_bench.model.decoder import Decoder
from msa_bench.model.tokenizer import TextTokenizer

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_end|>")

SIZES: dict[str, Any] = {
    "model_type": "qwen3",
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
}
"""A config.json, but for the vocabulary."""

TEXTS = (
    "The code of the red box is 4711 and nobody may know it.",
    "",
    "Rain.",
    "A heron stood in the river until the evening came, and then it flew off to the north over the old mill.",
    "The code of the blue box is 1234567.",
)
"""Documents of several chunks, of less than one, and of nothing."""


def write_tokenizer(directory: Path) -> None:
    """A byte-level `tokenizer.json` with the released control tokens except the end of retrieval, which is text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([*TEXTS, "Please answer the question based on the documents"] * 3, trainer)
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in CONTROL])
    tokenizer.save(str(directory / "tokenizer.json"))


@cache
def tokenizer() -> TextTokenizer:
    with TemporaryDirectory() as directory:
        write_tokenizer(Path(directory))
        return TextTokenizer.from_directory(Path(directory))


def stopping_at(stop_ids: frozenset[int]) -> TextTokenizer:
    """The tokenizer with other tokens that end an answer."""
    other = copy(tokenizer())
    other.stop_ids = stop_ids
    return other


def token_id(text: str) -> int:
    """The id of a control token."""
    return next(number for number in range(400) if tokenizer().decode([number], control=True) == text)


def config(msa: MSAConfig | None, **sizes: Any) -> ModelConfig:
    vocabulary = token_id(CONTROL[-1]) + 1
    return replace(ModelConfig.from_hugging_face(SIZES | {"vocab_size": vocabulary} | sizes), msa=msa)


def model(
    seed: int = 0, sizes: dict[str, Any] | None = None, dtype: torch.dtype = torch.float32, **msa: Any
) -> Backbone:
    """A random memory model; routes in layers 2 and 3, with chunks of 4 tokens and 2 documents, unless `msa` says."""
    settings = MSAConfig(**({"router_layers": (2, 3), "chunk_tokens": 4, "top_k": 2} | msa))
    torch.manual_seed(seed)
    decoder = Decoder(config(settings, **(sizes or {}))).to(dtype).eval().requires_grad_(False)
    return Backbone("tiny", Path("tiny"), decoder, tokenizer())


def write_checkpoint(directory: Path, seed: int = 0, released: dict[str, Any] | None = None, **sizes: Any) -> Path:
    """A random backbone in Hugging Face's layout: a plain one, or one with the `released` settings of a memory."""
    directory.mkdir(exist_ok=True)
    raw = SIZES | {"vocab_size": token_id(CONTROL[-1]) + 1} | sizes
    if released is not None:
        raw |= {"model_type": "msa", "msa_config": released}
    torch.manual_seed(seed)
    decoder = Decoder(ModelConfig.from_hugging_face(raw))
    state = {name: tensor for name, tensor in decoder.state_dict().items() if name != "lm_head.weight"}
    save_file(state, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(raw))
    write_tokenizer(directory)
    return directory


def corpus(*texts: str, private_ids: tuple[int, ...] = ()) -> ToyCorpus:
    return ToyCorpus(texts or TEXTS, private_ids)
