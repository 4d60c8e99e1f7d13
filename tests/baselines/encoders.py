"""A sentence encoder that needs no weights: each word has a random direction, a text is the sum of its words'."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from baselines.encoders import Encoder, Vectors


class WordEncoder(Encoder):
    def __init__(self, window: int = 1000) -> None:
        self.name, self.window, self.dimension, self.weights_sha256 = "words", window, 64, "0" * 64
        self.query_prompt = ""
        self.tokens = self.truncated = 0
        self.seen: list[str] = []

    def describe(self) -> dict[str, Any]:
        return {"model": self.name}

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        vectors = np.zeros((len(texts), self.dimension), np.float32)
        for row, text in enumerate(texts):
            words = text.lower().replace(".", " ").replace("?", " ").split()
            self.truncated += len(words) > self.window
            self.tokens += len(words[: self.window])
            for word in words[: self.window]:
                vectors[row] += np.random.default_rng(zlib.crc32(word.encode())).standard_normal(self.dimension)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
