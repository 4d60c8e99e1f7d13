"""Asks an OpenAI-compatible endpoint, and asks again where that may help.

Trouble that passes (429, 5xx, a time-out, a cut connection, an empty or unreadable reply) is waited out with jittered
exponential backoff, or for as long as the server says. What will not pass (a refused key, an unknown model) is an
error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx2
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from msa_bench.errors import UserError
from msa_bench.evaluation.judge.prompt import read_grade

READINGS = 2
"""How often an unreadable reply is asked for again at temperature 0, where it is likely to come back the same."""
_LONGEST_WAIT_SECONDS = 60.0
_REPLY_TOKENS = 16


@dataclass(frozen=True)
class Endpoint:
    """Where the judge is and how patiently it is asked; `key` is sent to it and kept out of every message."""

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


@dataclass(frozen=True, slots=True)
class Reply:
    """A readable reply, and the tokens that the server counted for it."""

    grade: int
    tokens_in: int
    tokens_out: int


class UnavailableError(Exception):
    """No readable reply after all attempts; `transport` says that the server was the trouble and not its words."""

    def __init__(self, reason: str, transport: bool) -> None:
        super().__init__(reason)
        self.transport = transport


class _PassingError(Exception):
    """Trouble that may be over at the next attempt."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class _UnreadableError(_PassingError):
    """A whole reply that holds no grade."""


@dataclass
class Spending:
    """What the judge has cost so far: requests sent, and tokens of the replies that came."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


async def ask(client: httpx2.AsyncClient, endpoint: Endpoint, prompt: str, seed: int, spending: Spending) -> Reply:
    """The judge's grade; `UnavailableError` if none came in all attempts, a `UserError` if none ever will."""
    exponential = wait_random_exponential(multiplier=endpoint.backoff_seconds, max=_LONGEST_WAIT_SECONDS)

    def wait(state: RetryCallState) -> float:
        told = getattr(_error(state), "retry_after", None)
        return exponential(state) if told is None else min(float(told), _LONGEST_WAIT_SECONDS)

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number >= (READINGS if isinstance(_error(state), _UnreadableError) else endpoint.attempts)

    try:
        passing = retry_if_exception_type(_PassingError)
        async for attempt in AsyncRetrying(wait=wait, stop=stop, retry=passing, reraise=True):
            with attempt:
                return await _once(client, endpoint, prompt, seed, spending)
    except _PassingError as error:
        raise UnavailableError(str(error), not isinstance(error, _UnreadableError)) from error
    raise AssertionError("the loop above returns or raises")


async def _once(client: httpx2.AsyncClient, endpoint: Endpoint, prompt: str, seed: int, spending: Spending) -> Reply:
    body = {
        "model": endpoint.model,
        "messages": [{"role": "user", "content": prompt}],
        "temperature": 0,
        "seed": seed,
        "max_tokens": _REPLY_TOKENS,
    }
    headers = {"Authorization": f"Bearer {endpoint.key}"} if endpoint.key else {}
    spending.requests += 1
    try:
        answer = await client.post(
            f"{endpoint.url.rstrip('/')}/chat/completions", json=body, headers=headers, timeout=endpoint.timeout_seconds
        )
    except httpx2.TransportError as error:
        raise _PassingError(f"{type(error).__name__}: {error}".rstrip(": ")) from error
    if answer.status_code in (408, 409, 425, 429) or answer.status_code >= 500:
        raise _PassingError(f"status {answer.status_code}", _retry_after(answer))
    if answer.status_code != 200:
        said = _redacted(" ".join(answer.text.split())[:200], endpoint)
        raise UserError(
            f"The judge {endpoint.model} at {endpoint.shown_url} refuses with status {answer.status_code} ({said}); "
            "check --judge-url, --judge-model and the key."
        )
    text, tokens_in, tokens_out = _content(answer)
    spending.tokens_in += tokens_in
    spending.tokens_out += tokens_out
    grade = read_grade(text)
    if grade is None:
        raise _UnreadableError(f"the reply {_redacted(text[:60], endpoint)!r} is no grade from 0 to 5")
    return Reply(grade, tokens_in, tokens_out)


def _content(answer: httpx2.Response) -> tuple[str, int, int]:
    """Text and token counts of a completion; one that is not whole JSON of the right shape may be so next time."""
    try:
        content: Any = json.loads(answer.content)
        text = content["choices"][0]["message"]["content"] or ""
        usage = content.get("usage") or {}
        return str(text), int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise _PassingError("the reply is no chat completion") from error


def _retry_after(answer: httpx2.Response) -> float | None:
    try:
        return max(float(answer.headers["Retry-After"]), 0.0)
    except (KeyError, ValueError):
        return None


def _error(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None


def _redacted(text: str, endpoint: Endpoint) -> str:
    return text.replace(endpoint.key, "[key]") if endpoint.key else text


def is_loopback(url: str) -> bool:
    """Whether `url` is on this machine, where a server seldom wants a key."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
