"""A language model behind an OpenAI-compatible endpoint, such as vLLM's: as a reader, and to extract or to filter.

    msa-bench run --task 2wiki --data DIR --system rag-dense --reader Qwen/Qwen3-4B@http://localhost:8000/v1

The key is taken from OPENAI_API_KEY where one is needed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2

from baselines.reader import Written
from msa_bench.endpoint import Endpoint, chat
from msa_bench.errors import UserError
from msa_bench.model.tokenizer import TextTokenizer

TIMEOUT_SECONDS = 600.0
"""Long: a large model may have a full window to read."""


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint meant by `MODEL@URL`; a `UserError` if it is not of this form, or holds what no record may show."""
    model, at, rest = text.partition("@http")
    url = f"http{rest}"
    if not (model and at and url.startswith(("http://", "https://"))):
        raise UserError(f"{text!r} is no endpoint; write MODEL@URL, such as Qwen/Qwen3-4B@http://localhost:8000/v1.")
    parts = urlsplit(url)
    if parts.username or parts.password or parts.query:
        raise UserError(
            f"The address of {model} is recorded with the run, so it cannot hold a password or a query; put the key "
            "into the environment as OPENAI_API_KEY."
        )
    return Endpoint(url, model, os.environ.get("OPENAI_API_KEY"), timeout_seconds=TIMEOUT_SECONDS)


class _UserTurn:
    """A tokenizer whose prompts are the user's turn alone: the endpoint puts its own template around it."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._tokenizer, name)

    def chat(self, user: Sequence[int], answer_prefix: Sequence[int] = ()) -> list[int]:
        return list(user)


class EndpointReader:
    """Answers by an endpoint. Budgets are in tokens of `tokenizer`, the one of `--model`, within `window` of them."""

    def __init__(self, endpoint: Endpoint, tokenizer: TextTokenizer, window: int, concurrency: int = 8) -> None:
        self._endpoint, self._concurrency = endpoint, concurrency
        self.tokenizer = cast(TextTokenizer, _UserTurn(tokenizer))
        self.window = window
        self.notes = ("the endpoint cannot be given the start of an answer, so none was prefilled",)

    @property
    def provenance(self) -> Mapping[str, Any]:
        return {
            "reader": self._endpoint.model,
            "endpoint": self._endpoint.url,
            "window_tokens": self.window,
            "budget": "in tokens of the tokenizer of --model",
        }

    def write(self, prompts: Sequence[Sequence[int]], max_tokens: int, batch_size: int) -> Iterator[Written]:
        def written(index: int) -> Written:
            began = time.perf_counter()
            reply = chat(client, self._endpoint, self.tokenizer.decode(prompts[index]), max_tokens)
            seconds = time.perf_counter() - began
            read = reply.tokens_in or len(prompts[index])
            return Written(index, reply.text, read, reply.tokens_out, seconds, reply.stopped)

        with httpx2.Client() as client, ThreadPoolExecutor(self._concurrency) as pool:
            yield from pool.map(written, range(len(prompts)))
