"""Grades many answers at a time: from the cache where they were graded before, else by asking.

A reply is on the disk as soon as it is there, under a hash of everything it depends on (address, model, prompt, seed),
so grading that was stopped, or is done again, asks for nothing twice. Nor are two that gave one answer to a question
graded apart.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from msa_bench.contracts import Progress, no_progress
from msa_bench.endpoint import Endpoint
from msa_bench.errors import UserError
from msa_bench.evaluation.judge.client import Reply, Spending, UnavailableError, ask

DEAD_AFTER = 5
"""So many prompts in a row without an answer from the server, each after all its attempts, and the judge is dead."""
CONCURRENCY = 8


@dataclass
class Graded:
    """A grade per prompt, None where it is missing; why some are, and what was spent on the others."""

    grades: list[int | None]
    spending: Spending = field(default_factory=Spending)
    cached: int = 0
    reasons: list[str] = field(default_factory=list)


def grade(
    endpoint: Endpoint,
    prompts: Sequence[tuple[str, int]],
    cache: Path,
    concurrency: int = CONCURRENCY,
    progress: Progress = no_progress,
) -> Graded:
    """The grades of `prompts`, each with its repeat number; a `UserError` if the judge is dead or refuses."""
    graded = Graded([None] * len(prompts))
    waiting: dict[Path, list[int]] = {}
    for place, prompt in enumerate(prompts):
        file = cache / _name(endpoint, *prompt)
        known = graded.grades[place] = _read(file)
        if known is None:
            waiting.setdefault(file, []).append(place)
        else:
            graded.cached += 1
    if waiting:
        asyncio.run(_grade(endpoint, prompts, waiting, graded, concurrency, progress))
    return graded


async def _grade(
    endpoint: Endpoint,
    prompts: Sequence[tuple[str, int]],
    waiting: Mapping[Path, Sequence[int]],
    graded: Graded,
    concurrency: int,
    progress: Progress,
) -> None:
    left, silent, done, total = iter(waiting.items()), 0, 0, sum(map(len, waiting.values()))

    async def work(client: httpx2.AsyncClient) -> None:
        nonlocal silent, done
        for file, places in left:
            prompt, repeat = prompts[places[0]]
            try:
                reply = await ask(client, endpoint, prompt, endpoint.seed + repeat, graded.spending)
            except UnavailableError as error:
                graded.reasons.append(str(error))
                silent = silent + 1 if error.transport else 0
                if silent >= DEAD_AFTER:
                    raise UserError(
                        f"The judge at {endpoint.shown_url} does not answer ({error}); the answers and the grades so "
                        "far are kept, and the same command goes on with the rest."
                    ) from error
            else:
                silent = 0
                for place in places:
                    graded.grades[place] = reply.grade
                _write(file, endpoint, reply)
            done += len(places)
            progress("judging", done, total, "answers")

    progress("judging", 0, total, "answers")
    async with httpx2.AsyncClient() as client:
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, len(waiting))):
                    group.create_task(work(client))
        except* UserError as errors:
            raise errors.exceptions[0] from None


def _name(endpoint: Endpoint, prompt: str, repeat: int) -> str:
    content = [endpoint.shown_url, endpoint.model, prompt, endpoint.seed + repeat]
    digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
    return f"{digest[:2]}/{digest}.json"


def _read(file: Path) -> int | None:
    try:
        known = json.loads(file.read_text(encoding="utf-8"))["grade"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return known if type(known) is int and 0 <= known <= 5 else None


def _write(file: Path, endpoint: Endpoint, reply: Reply) -> None:
    content = {
        "judge": endpoint.model,
        "grade": reply.grade,
        "tokens": {"in": reply.tokens_in, "out": reply.tokens_out},
    }
    # A cache that cannot be written costs a second call and nothing else.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(content), encoding="utf-8")
        part.replace(file)
