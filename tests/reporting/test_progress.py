from __future__ import annotations

import io

import pytest
from rich.console import Console

from msa_bench.reporting import progress
from msa_bench.reporting.progress import ProgressDisplay, ProgressLines, describe


def test_a_step_shows_how_far_how_fast_and_how_long() -> None:
    text = describe("encoding", 5000, 20000, "tokens", 5000, 10.0)
    assert text == "encoding: 5,000/20,000 tokens, 500 tokens/s, 0:30 left"


def test_what_is_not_known_is_left_out() -> None:
    assert describe("loading", 0, None, "", 0, 0.2) == "loading"
    assert describe("loading", 0, None, "", 0, 75) == "loading, 1:15"
    assert describe("answering", 0, 8, "answers", 0, 0.5) == "answering: 0/8 answers"
    assert describe("reading", 4, None, "files", 4, 2) == "reading: 4 files, 2.00 files/s"


def test_the_first_few_of_many_say_nothing_of_the_rate() -> None:
    assert describe("answering", 2, 100, "answers", 2, 47.0) == "answering: 2/100 answers, 0:47"
    assert describe("answering", 10, 100, "answers", 10, 60.0) == "answering: 10/100 answers, 0.17 answers/s, 9:00 left"
    assert describe("answering", 3, 24, "answers", 3, 30.0) == "answering: 3/24 answers, 0.10 answers/s, 3:30 left"
    assert describe("answering", 92, 100, "answers", 2, 4.0) == "answering: 92/100 answers, 0.50 answers/s, 0:16 left"


def test_a_continued_step_is_timed_from_where_it_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    display = ProgressDisplay(Console(file=io.StringIO()))
    display("answering", 90, 110, "answers")
    clock[0] += 10
    display("decoding", 5, 64, "tokens")
    display("answering", 100, 110, "answers")
    assert display.line() == "answering: 100/110 answers, 1.00 answers/s, 0:10 left"
    display("answering", 0, 110, "answers")
    assert display.line() == "answering: 0/110 answers"


def test_a_log_gets_plain_lines_even_while_a_step_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "FIRST_LINE_SECONDS", 0.0)
    stream = io.StringIO()
    with ProgressDisplay(Console(file=stream)) as display:
        display("loading [the] model", 0, None, "")
        while not stream.getvalue():
            pass
    assert stream.getvalue().splitlines()[-1] in ("starting", "loading [the] model")
    assert "\x1b" not in stream.getvalue()


def test_lines_name_each_uncounted_step_and_the_counted_ones_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    stream = io.StringIO()
    lines = ProgressLines(Console(file=stream))
    lines("making weights", 0, None, "")
    lines("timing ours", 0, 6, "runs")
    now += progress.LINE_SECONDS
    lines("timing ours", 2, 6, "runs")
    lines("timing theirs", 3, 6, "runs")
    assert stream.getvalue().splitlines() == ["making weights", "timing ours: 2/6 runs"]
