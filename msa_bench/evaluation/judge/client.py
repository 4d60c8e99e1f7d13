"""One grade from an OpenAI-compatible endpoint; an unreadable one is asked for again too."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

import httpx2
from tenacity import AsyncRetrying

from msa_bench.endpoint import Endpoint, PassingError, reaching
from msa_bench.evaluation.judge.prompt import read_grade

READINGS = 2
"""How often an unreadable reply is asked for at temperature 0, where it is likely to come back the same."""
_REPLY_TOKENS = 16


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


class _UnreadableError(PassingError):
    """A whole reply that holds no grade."""


@dataclass
class Spending:
    """What the judge has cost so far: requests sent, and tokens of the replies that came."""

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


async def ask(client: httpx2.AsyncClient, endpoint: Endpoint, prompt: str, seed: int, spending: Spending) -> Reply:
    """The judge's grade; `UnavailableError` if none came in all attempts, a `UserError` if none ever will."""
    try:
        async for attempt in AsyncRetrying(**endpoint.retrying()):
            with attempt:
                return await _once(client, endpoint, prompt, seed, spending)
    except PassingError as error:
        raise UnavailableError(str(error), not isinstance(error, _UnreadableError)) from error
    raise AssertionError("the loop above returns or raises")


async def _once(client: httpx2.AsyncClient, endpoint: Endpoint, prompt: str, seed: int, spending: Spending) -> Reply:
    spending.requests += 1
    with reaching():
        response = await client.post(**endpoint.request(prompt, _REPLY_TOKENS, seed))
    completion = endpoint.read(response)
    spending.tokens_in += completion.tokens_in
    spending.tokens_out += completion.tokens_out
    grade = read_grade(completion.text)
    if grade is None:
        said = endpoint.without_key(completion.text[:60])
        raise _UnreadableError(f"the reply {said!r} is no grade from 0 to 5", attempts=READINGS)
    return Reply(grade, completion.tokens_in, completion.tokens_out)


def is_loopback(url: str) -> bool:
    """Whether `url` is on this machine, where a server seldom wants a key."""
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
