from __future__ import annotations

import io

import pytest
from rich.console import Console
from stored_runs import SUBTASKS, needle_run

from msa_bench.reporting.stored import short_names
from msa_bench.reporting.tables import notes, print_run


def printed(width: int, terminal: bool) -> str:
    stream = io.StringIO()
    print_run(needle_run(), Console(file=stream, width=width, force_terminal=terminal, color_system=None))
    return stream.getvalue()


@pytest.mark.parametrize(("width", "terminal"), [(80, False), (80, True), (160, True)])
def test_no_name_and_no_number_is_cut_whatever_the_width(width: int, terminal: bool) -> None:
    text = printed(width, terminal)
    assert "…" not in text
    assert text.count(".06–.79") == sum(
        abs(cell["scores"]["string_match_all"]["low"] - 0.0615) < 0.001
        for row in needle_run().rows
        for cell in row["subtasks"]
    )
    for word in ("full-context", "k=10", "multivalue", "mean"):
        assert word in text


def test_a_narrow_terminal_is_not_overrun() -> None:
    assert max(map(len, printed(80, terminal=True).splitlines())) <= 80


def test_the_notes_say_what_the_numbers_rest_on() -> None:
    found = list(notes(needle_run()))
    assert "3 samples per subtask, seed 42" in found[0]
    assert "Wilson; bootstrap; bootstrap stratified by subtask" in found[0]
    assert found[1].startswith("hardware: NVIDIA H200 (139 GiB)")
    assert "msa: untrained [routing]" in found
    assert "rag-bm25: one note" in found
    assert "full-context: truncated from the middle (24 of 24 answers)" in found
    assert len(found) == len(set(found))
    assert "generated prose" in found


def test_brackets_in_a_note_are_text() -> None:
    assert "untrained [routing]" in printed(160, terminal=False)


def test_subtasks_lose_the_words_they_share() -> None:
    assert short_names(SUBTASKS)[0] == "single_1"
    assert short_names(["qa_1", "cwe_1"]) == ["qa_1", "cwe_1"]
    assert short_names(["one"]) == ["one"]
    assert short_names([None]) == ["all"]
