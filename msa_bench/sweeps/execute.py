"""Running a plan: what is pending, in order, as many runs at a time as the executor does; and cleaning up behind it.

A run that fails takes no other one with it. Killed at any moment, the same sweep goes on where it was: finished runs
are left alone, an unfinished one is continued, and so is the bank it was encoding.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msa_bench.errors import UserError
from msa_bench.evaluation.store import cannot_write
from msa_bench.sweeps.executors import Executor, Outcome
from msa_bench.sweeps.plan import Plan, Step


@dataclass(frozen=True, slots=True)
class Done:
    """A run that ended after `seconds`, with the sentence of its failure or None; `left` are still to be run."""

    step: Step
    seconds: float
    failure: str | None
    left: tuple[Step, ...]


def execute(plan: Plan, executor: Executor, keep_banks: bool, tell: Callable[[Done], None]) -> dict[str, str]:
    """Do every pending run of `plan` and `tell` of each when it ends; the failures, by the runs' names.

    Runs that share a memory wait for the first of them to encode it. With it done and the last of them finished, the
    bank is removed, unless `keep_banks`. A `UserError` where a worker process was killed.
    """
    waiting, running = list(plan.pending), dict[Future[Outcome], tuple[Step, float]]()
    open_runs = {step.cell.name: step.cell.group for step in waiting}
    ready = {step.cell.group for step in plan.steps if step.finished}
    failures: dict[str, str] = {}
    _remove_banks(plan, open_runs, keep_banks)
    while waiting or running:
        while len(running) < executor.slots and (step := _startable(waiting, running, ready)):
            waiting.remove(step)
            began = time.monotonic()
            running[executor.submit(step.cell.config)] = step, began
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            step, began = running.pop(future)
            failure = _failure(future)
            if failure is None:
                ready.add(step.cell.group)
                open_runs.pop(step.cell.name)
                _remove_banks(plan, open_runs, keep_banks)
            else:
                failures[step.cell.name] = failure
            left = (*(step for step, _ in running.values()), *waiting)
            tell(Done(step, time.monotonic() - began, failure, left))
    return failures


@contextmanager
def only_sweep(out: Path) -> Iterator[None]:
    """Hold the lock of a sweep's directory; a `UserError` if another process does, or it cannot be written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / ".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UserError(
                    f"Another sweep is running in {out}; wait for it to end or choose another --out."
                ) from error
            yield
    except OSError as error:
        raise cannot_write(out, error) from error


def _startable(waiting: list[Step], running: dict[Future[Outcome], tuple[Step, float]], ready: set[str]) -> Step | None:
    """The first that need not wait for another run to encode its memory."""
    encoding = {step.cell.group for step, _ in running.values()} - ready
    return next((step for step in waiting if step.cell.group not in encoding), None)


def _failure(future: Future[Outcome]) -> str | None:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, BrokenProcessPool):
        raise UserError(
            "A worker process of the sweep was killed, for want of memory perhaps; the same command goes on, with "
            "fewer --workers if need be."
        ) from error
    if not isinstance(error, Exception):
        raise error
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _remove_banks(plan: Plan, open_runs: dict[str, str], keep: bool) -> None:
    """Remove the banks that no run of `open_runs` (its group by a run's name) still wants."""
    for step in plan.steps:
        bank = step.cell.config.bank
        if bank is not None and not keep and step.cell.group not in open_runs.values():
            shutil.rmtree(bank, ignore_errors=True)
