"""Chat completions of a model behind an OpenAI-compatible endpoint, asked for again where that may help.

Trouble that passes (429, 5xx, a time-out, a cut connection, a reply that is no completion) is waited out with jittered
exponential backoff, or for as long as the server says. What will not pass (a refused key, an unknown model) is an error
at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_random_exponential

from msa_bench.errors import UserError

_LONGEST_WAIT_SECONDS = 60.0
_PASSING = frozenset({408, 409, 425, 429})


class PassingError(Exception):
    """Trouble that may be over at the next attempt, `retry_after` seconds from now where the server says so; `attempts`
    bounds how often it is worth one, where that is less often than the endpoint allows."""

    def __init__(self, reason: str, retry_after: float | None = None, attempts: int | None = None) -> None:
        super().__init__(reason)
        self.retry_after, self.attempts = retry_after, attempts


@dataclass(frozen=True, slots=True)
class Completion:
    """What the model wrote; token numbers are the server's own, 0 where it gives none; `stopped` says that it ended by
    itself."""

    text: str
    tokens_in: int
    tokens_out: int
    stopped: bool


@dataclass(frozen=True)
class Endpoint:
    """Where a model is and how patiently it is asked; `key` is sent to it and kept out of every message."""

    url: str
    model: str
    key: str | None = None
    seed: int = 0
    timeout_seconds: float = 60.0
    attempts: int = 6
    backoff_seconds: float = 1.0

    @property
    def shown_url(self) -> str:
        """The address without user name, password and query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}".rstrip("/")

    def request(self, user: str, max_tokens: int, seed: int) -> dict[str, Any]:
        """What a client's `post` takes for one user turn, at temperature 0."""
        return {
            "url": f"{self.url.rstrip('/')}/chat/completions",
            "json": {
                "model": self.model,
                "messages": [{"role": "user", "content": user}],
                "temperature": 0,
                "seed": seed,
                "max_tokens": max_tokens,
            },
            "headers": {"Authorization": f"Bearer {self.key}"} if self.key else {},
            "timeout": self.timeout_seconds,
        }

    def retrying(self) -> dict[str, Any]:
        """What tenacity takes to ask again after a `PassingError`, which it raises in the end."""
        exponential = wait_random_exponential(multiplier=self.backoff_seconds, max=_LONGEST_WAIT_SECONDS)

        def wait(state: RetryCallState) -> float:
            told = getattr(_error(state), "retry_after", None)
            return exponential(state) if told is None else min(float(told), _LONGEST_WAIT_SECONDS)

        def stop(state: RetryCallState) -> bool:
            return state.attempt_number >= (getattr(_error(state), "attempts", None) or self.attempts)

        return {"wait": wait, "stop": stop, "retry": retry_if_exception_type(PassingError), "reraise": True}

    def read(self, response: httpx2.Response) -> Completion:
        """The completion in `response`; a `PassingError` where another may hold one, a `UserError` where none will."""
        if response.status_code in _PASSING or response.status_code >= 500:
            raise PassingError(f"status {response.status_code}", _retry_after(response))
        if response.status_code != 200:
            said = self.without_key(" ".join(response.text.split())[:200])
            raise UserError(
                f"The model {self.model} at {self.shown_url} refuses with status {response.status_code} ({said}); "
                "check its name, the key, and the address, which mostly ends in /v1."
            )
        try:
            content: Any = json.loads(response.content)
            choice, usage = content["choices"][0], content.get("usage") or {}
            return Completion(
                text=str(choice["message"]["content"] or ""),
                tokens_in=int(usage.get("prompt_tokens") or 0),
                tokens_out=int(usage.get("completion_tokens") or 0),
                stopped=choice.get("finish_reason") != "length",
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise PassingError("the reply is no chat completion") from error

    def without_key(self, text: str) -> str:
        """`text`, such as a server's, with the key blacked out."""
        return text.replace(self.key, "[key]") if self.key else text


@contextmanager
def reaching() -> Iterator[None]:
    """Trouble on the line as a `PassingError`."""
    try:
        yield
    except httpx2.TransportError as error:
        raise PassingError(f"{type(error).__name__}: {error}".rstrip(": ")) from error


def chat(client: httpx2.Client, endpoint: Endpoint, user: str, max_tokens: int) -> Completion:
    """The answer to one user turn; a `UserError` if the model does not answer in all attempts, or refuses."""
    try:
        for attempt in Retrying(**endpoint.retrying()):
            with attempt, reaching():
                return endpoint.read(client.post(**endpoint.request(user, max_tokens, endpoint.seed)))
    except PassingError as error:
        raise UserError(
            f"The model {endpoint.model} at {endpoint.shown_url} does not answer ({error}); start it, or check the "
            "address, which mostly ends in /v1, and run again."
        ) from error
    raise AssertionError("the loop above returns or raises")


def _retry_after(response: httpx2.Response) -> float | None:
    try:
        return max(float(response.headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return None


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
