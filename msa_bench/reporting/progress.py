"""How far a long step is, on stderr: a live line on a terminal, a plain line now and then in a log."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape

FIRST_LINE_SECONDS, LINE_SECONDS, REFRESH_SECONDS = 3.0, 10.0, 0.1
# Answers of a batch come together, late: the first few of them say nothing of the rate.
ENOUGH, ENOUGH_SHARE = 10, 0.1


class ProgressDisplay:
    """A `Progress` for the time of a `with` block; a thread shows the latest state, so a silent step shows too."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._state: tuple[str, int, int | None, str] | None = None
        self._since: dict[str, tuple[float, int]] = {}
        self._reached: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def __call__(self, step: str, done: int, total: int | None, unit: str) -> None:
        # Steps may take turns, such as answers done and tokens decoded; each keeps the rate it has.
        if done < self._reached.get(step, done + 1):
            self._since[step] = (time.monotonic(), done)
        self._reached[step] = done
        self._state = (step, done, total, unit)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def line(self) -> str:
        """The latest state in words."""
        if self._state is None:
            return "starting"
        step, done, total, unit = self._state
        began, first = self._since[step]
        return describe(step, done, total, unit, done - first, time.monotonic() - began)

    def _show(self) -> None:
        if self._console.is_terminal:
            with self._console.status("starting") as status:
                while not self._stop.wait(REFRESH_SECONDS):
                    status.update(escape(self.line()))
            return
        wait = FIRST_LINE_SECONDS
        while not self._stop.wait(wait):
            self._console.print(self.line(), markup=False, highlight=False, soft_wrap=True)
            wait = LINE_SECONDS


class ProgressLines:
    """A `Progress` that prints a line for every step that cannot be counted and, of the others, one now and then. It
    does so in the thread that calls, so that nothing runs beside what is timed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._next = time.monotonic() + FIRST_LINE_SECONDS

    def __call__(self, step: str, done: int, total: int | None, unit: str) -> None:
        if unit and time.monotonic() < self._next:
            return
        self._console.print(describe(step, done, total, unit, 0, 0.0), markup=False, highlight=False, soft_wrap=True)
        self._next = time.monotonic() + LINE_SECONDS


def describe(step: str, done: int, total: int | None, unit: str, advanced: int, seconds: float) -> str:
    """`step: done/total unit, rate unit/s, time left`, leaving out what is not known yet.

    >>> describe("encoding", 5000, 20000, "tokens", 5000, 10.0)
    'encoding: 5,000/20,000 tokens, 500 tokens/s, 0:30 left'
    """
    if not unit:
        return f"{step}, {_clock(seconds)}" if seconds >= 1 else step
    parts = [f"{step}: {done:,}{'' if total is None else f'/{total:,}'} {unit}"]
    todo = advanced + (0 if total is None else total - done)
    if advanced > 0 and advanced >= min(ENOUGH, ENOUGH_SHARE * todo) and seconds >= 1:
        rate = advanced / seconds
        parts.append(f"{rate:,.{0 if rate >= 10 else 2}f} {unit}/s")
        if total is not None and total > done:
            parts.append(f"{_clock((total - done) / rate)} left")
    elif seconds >= 1:
        parts.append(_clock(seconds))
    return ", ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
