"""A language model behind an OpenAI-compatible endpoint, such as vLLM's: as a reader, and to extract or to filter.

    msa-bench run --task 2wiki --data DIR --system rag-dense --reader Qwen/Qwen3-4B@http://localhost:8000/v1

The key is taken from OPENAI_API_KEY where one is needed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import httpx2
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from baselines.reader import Written
from msa_bench.errors import UserError
from msa_bench.model.tokenizer import TextTokenizer

ATTEMPTS = 5
TIMEOUT_SECONDS = 600.0
RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class _BusyError(Exception):
    """A reply that another attempt may better."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A chat completion; token numbers are the server's own, 0 where it gives none."""

    text: str
    tokens_in: int
    tokens_out: int
    stopped: bool
    seconds: float


class Endpoint:
    """Chat completions of one model, temperature 0."""

    def __init__(self, model: str, url: str, wait_seconds: float = 1.0) -> None:
        self.model, self.url = model, url.rstrip("/")
        self._wait = wait_seconds
        key = os.environ.get("OPENAI_API_KEY")
        self._client = httpx2.Client(timeout=TIMEOUT_SECONDS, headers={"Authorization": f"Bearer {key}"} if key else {})

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """The endpoint meant by `MODEL@URL`; a `UserError` if it is not of this form."""
        model, at, url = text.rpartition("@")
        if not (model and at and url.startswith(("http://", "https://"))):
            raise UserError(
                f"{text!r} is no endpoint; write MODEL@URL, such as Qwen/Qwen3-4B@http://localhost:8000/v1."
            )
        return cls(model, url)

    def chat(self, user: str, max_tokens: int) -> Reply:
        """The answer to one user turn; a `UserError` if the endpoint is not there or refuses."""
        body = {
            "model": self.model,
            "messages": [{"role": "user", "content": user}],
            "max_tokens": max_tokens,
            "temperature": 0,
            "seed": 0,
        }
        began = time.perf_counter()
        try:
            for attempt in Retrying(
                stop=stop_after_attempt(ATTEMPTS),
                wait=wait_exponential(self._wait),
                retry=retry_if_exception_type((_BusyError, httpx2.TransportError)),
                reraise=True,
            ):
                with attempt:
                    content = self._post(body)
        except (_BusyError, httpx2.TransportError) as error:
            raise UserError(
                f"The endpoint {self.url} did not answer after {ATTEMPTS} attempts ({error}); start it and run again."
            ) from error
        try:
            choice, usage = content["choices"][0], content.get("usage") or {}
            return Reply(
                text=str(choice["message"]["content"] or ""),
                tokens_in=int(usage.get("prompt_tokens") or 0),
                tokens_out=int(usage.get("completion_tokens") or 0),
                stopped=choice.get("finish_reason") != "length",
                seconds=time.perf_counter() - began,
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise UserError(
                f"The endpoint {self.url} sent no chat completion; give the URL that ends in /v1."
            ) from error

    def _post(self, body: Mapping[str, Any]) -> dict[str, Any]:
        response = self._client.post(f"{self.url}/chat/completions", json=body)
        if response.status_code in RETRIED:
            raise _BusyError(f"status {response.status_code}")
        if response.status_code != 200:
            said = " ".join(response.text.split())[:200]
            raise UserError(f"The endpoint {self.url} refused (status {response.status_code}): {said}")
        try:
            return dict(response.json())
        except ValueError as error:
            raise UserError(f"The endpoint {self.url} sent no JSON; give the URL that ends in /v1.") from error


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
        with ThreadPoolExecutor(self._concurrency) as pool:
            texts = (self.tokenizer.decode(prompt) for prompt in prompts)
            replies = pool.map(lambda text: self._endpoint.chat(text, max_tokens), texts)
            for index, reply in enumerate(replies):
                read = reply.tokens_in or len(prompts[index])
                yield Written(index, reply.text, read, reply.tokens_out, reply.seconds, reply.stopped)
