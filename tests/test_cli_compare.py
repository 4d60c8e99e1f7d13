from __future__ import annotations

import json
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
from conftest import Command
from run_directories import change, write_run

BEFORE = {"msa": {"one": [1, 1, 1, 0, 0], "two": [1, 1, 0, 0, 0.5]}}
AFTER = {"msa": {"one": [0, 0, 0, 1, 0], "two": [1, 1, 0, 0, 0.5]}}


def compared(command: Command, *arguments: str) -> dict[str, Any]:
    status, out, err = command("compare", *arguments, "--json")
    assert status == 0, err
    result: dict[str, Any] = json.loads(out)
    return result


def test_two_runs_compare_as_by_hand(command: Command) -> None:
    """Ten questions, of which three are lost and one is gained."""
    write_run(Path("a"), BEFORE)
    write_run(Path("b"), AFTER)
    (found,) = compared(command, "a", "b")["comparisons"]
    overall = found["overall"]
    # The means are (1+1+1+0+0 + 1+1+0+0+0.5)/10 = 0.55 and 0.35; the differences sum to 1 - 3 = -2.
    assert (overall["first"], overall["second"], overall["n"]) == (pytest.approx(0.55), pytest.approx(0.35), 10)
    assert overall["difference"] == pytest.approx(-0.2)
    # Agresti and Min: b + 1/2 = 1.5 gained, c + 1/2 = 3.5 lost, n + 2 = 12 pairs;
    # the centre is (1.5 - 3.5)/12 and the standard error sqrt(1.5 + 3.5 - (1.5 - 3.5)^2/12)/12.
    centre, error = -2 / 12, sqrt(5 - 4 / 12) / 12
    assert overall["low"] == pytest.approx(centre - 1.96 * error, abs=1e-4)
    assert overall["high"] == pytest.approx(centre + 1.96 * error, abs=1e-4)
    # Of the 16 ways to give four differences their signs, 1 + 4 + 4 + 1 sum to 2 or more either way.
    assert overall["p"] == pytest.approx(10 / 16, abs=0.02)
    one, two = found["parts"]
    # Three of five lost, one gained; the other subtask has not changed at all.
    assert (one["subtask"], one["difference"], one["lost"], one["gained"]) == ("one", pytest.approx(-0.4), 3, 1)
    assert (two["difference"], two["p"], two["low"]) == (0.0, 1.0, pytest.approx(-1.96 / 7, abs=1e-4))
    # Holm: three tests; the smallest p counts three times, and none may be above 1.
    assert overall["p_holm"] == one["p_holm"] == two["p_holm"] == 1.0


def test_the_answers_that_changed_are_shown_with_question_and_both_answers(command: Command) -> None:
    write_run(Path("a"), BEFORE)
    write_run(Path("b"), AFTER)
    flips = compared(command, "a", "b")["comparisons"][0]["flips"]
    assert [(flip["sample_id"], flip["change"]) for flip in flips] == [
        *(("one/0", "lost"), ("one/1", "lost"), ("one/2", "lost"), ("one/3", "gained")),
    ]
    status, out, _ = command("compare", "a", "b", "--flips", "1")
    assert status == 0
    for part in ("-20.0", "msa: 4 scores changed", "What is number 0?", "gold 0", "msa says 1", "msa says 0", "3 more"):
        assert part in out


def test_systems_are_matched_by_name_and_two_different_ones_can_be_named(command: Command) -> None:
    write_run(Path("a"), {**BEFORE, "rag-bm25 k=5": {"one": [1, 1, 1, 1, 1]}})
    write_run(Path("b"), {**AFTER, "rag-bm25 k=5": {"one": [1, 1, 1, 1, 0]}, "rag-bm25 k=10": {"one": [1, 1, 1, 1, 1]}})
    found = compared(command, "a", "b")
    assert [one["first"] for one in found["comparisons"]] == ["msa", "rag-bm25 k=5"]
    assert found["tests"] == 4
    (pair,) = compared(command, "a", "a", "--first", "msa", "--second", "rag-bm25 k=5")["comparisons"]
    assert (pair["second"], pair["overall"]["n"], pair["overall"]["gained"]) == ("rag-bm25 k=5", 5, 2)
    assert pair["unpaired"] == [5, 0]


def test_runs_of_more_and_fewer_questions_over_the_same_documents_are_compared_on_those_of_both(
    command: Command,
) -> None:
    write_run(Path("more"), {"msa": {"one": [1, 0, 1, 0, 1, 1]}})
    write_run(Path("fewer"), {"msa": {"one": [1, 1, 1]}})
    datasets = json.loads(Path("fewer/run.json").read_text())["datasets"]
    change(Path("fewer/run.json"), datasets=[{**datasets[0], "questions_sha256": "of three"}])
    (pair,) = compared(command, "more", "fewer")["comparisons"]
    assert (pair["overall"]["n"], pair["overall"]["gained"], pair["unpaired"]) == (3, 1, [3, 0])
    # A question that says something else is another one, whatever its name.
    lines = Path("fewer/samples.jsonl").read_text()
    Path("fewer/samples.jsonl").write_text(lines.replace("What is number 1?", "What is number one?"))
    (pair,) = compared(command, "more", "fewer")["comparisons"]
    assert (pair["overall"]["n"], pair["overall"]["gained"], pair["unpaired"]) == (2, 0, [4, 1])


def test_a_run_that_is_not_finished_is_marked_and_compared_where_both_have_answers(command: Command) -> None:
    write_run(Path("a"), BEFORE)
    write_run(Path("b"), {"msa": {"one": [1, 1], "two": []}}, status="interrupted")
    with Path("b/samples.jsonl").open("a") as file:
        file.write('{"sample_id": "one/2", "sys')
    status, out, _ = command("compare", "a", "b")
    assert status == 0
    assert "b is interrupted, not finished" in out
    assert "8 only in the first" in out


def test_the_order_of_the_answers_changes_nothing(command: Command) -> None:
    write_run(Path("a"), BEFORE)
    write_run(Path("b"), AFTER)
    before = compared(command, "a", "b")["comparisons"][0]["overall"]
    lines = Path("b/samples.jsonl").read_text().splitlines(keepends=True)
    Path("b/samples.jsonl").write_text("".join(reversed(lines)))
    assert compared(command, "a", "b")["comparisons"][0]["overall"] == before


def test_the_judges_grades_are_compared_on_their_own_scale(command: Command) -> None:
    for name, grades in (("a", [5, 4]), ("b", [3, 4])):
        write_run(Path(name), {"msa": {"one": [1, 1]}})
        entry = {"system": "msa", "variant": None, "repeat": 0}
        lines = [
            json.dumps({**entry, "sample_id": f"one/{place}", "grades": [one]}) for place, one in enumerate(grades)
        ]
        Path(name, "judgements.jsonl").write_text("".join(line + "\n" for line in lines))
    found = compared(command, "a", "b", "--score", "judge")
    assert (found["span"], found["comparisons"][0]["overall"]["difference"]) == (5.0, pytest.approx(-1.0))
    assert "-20.0" in command("compare", "a", "b", "--score", "judge")[1]


def test_directories_of_several_runs_are_paired_by_task_and_length(command: Command) -> None:
    for place, rows in (("x", BEFORE), ("y", AFTER)):
        write_run(Path(place, "first"), rows)
        write_run(Path(place, "deeper/second"), rows, config={"length": 65536})
        write_run(Path(place, "third"), {"msa": {"hop": [1, 1]}}, config={"task": "chains"})
    write_run(Path("y/fourth"), BEFORE, config={"length": 1024})
    found = compared(command, "x", "y")
    (one,) = found["comparisons"]
    # The same questions over another length are other ones: 10 + 10 + 2.
    assert one["overall"]["n"] == 22
    assert one["overall"]["difference"] == pytest.approx(-4 / 22)
    assert [(part["task"], part["length_tokens"], part["subtask"]) for part in one["parts"]] == [
        *(("niah", 65536, None), ("niah", 65536, "one"), ("niah", 65536, "two")),
        *(("niah", 16384, None), ("niah", 16384, "one"), ("niah", 16384, "two")),
        ("chains", 16384, None),
    ]
    assert "niah 64K" in command("compare", "x", "y")[1]
    write_run(Path("y/fifth"), BEFORE)
    assert "are both runs of niah with 16,384 tokens; give the directories" in bad(command, "x", "y")


def bad(command: Command, *arguments: str) -> str:
    status, out, err = command("compare", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    return err


def test_bad_input_gets_one_sentence(command: Command) -> None:
    write_run(Path("a"), BEFORE)
    write_run(Path("b"), AFTER)
    write_run(Path("rag"), {"rag-bm25 k=5": {"one": [1]}})
    write_run(Path("chains"), BEFORE, config={"task": "chains"})
    write_run(Path("parts"), {"msa": {"three": [1]}})
    write_run(Path("nan"), {"msa": {"one": [1, None, 1, 0, 0]}})
    write_run(Path("big"), {"msa": {"one": [1, 7, 1, 0, 0]}})
    write_run(Path("empty"), {})
    Path("none").mkdir()
    assert "There is no directory c;" in bad(command, "a", "c")
    assert "none is not the directory of a run: there is no run.json in none." in bad(command, "a", "none")
    assert "empty holds no answers yet" in bad(command, "a", "empty")
    assert "No system is in both runs (msa; rag-bm25 k=5)" in bad(command, "a", "rag")
    assert "no system in the first run named 'mas'; did you mean msa" in bad(command, "a", "b", "--first", "mas")
    assert "a is a run of niah with 16,384 tokens, chains one of chains with 16,384 tokens" in bad(
        command, "a", "chains"
    )
    assert "a and parts have no subtask in common" in bad(command, "a", "parts")
    assert "no score of msa named 'f2'" in bad(command, "a", "b", "--score", "f2")
    assert "The string_match_all of one/1 by msa in nan is not a number but NaN" in bad(command, "a", "nan")
    assert "of one/1 by msa in big is 7; only scores from 0 to 1" in bad(command, "a", "big")
    datasets = json.loads(Path("b/run.json").read_text())["datasets"]
    change(Path("b/run.json"), datasets=[{**datasets[0], "documents_fingerprint": "other"}, datasets[1]])
    assert "different data: documents_fingerprint of one differs" in bad(command, "a", "b")
    Path("b/run.json").write_text("{}")
    assert "b/run.json is no record of a run: it lacks task" in bad(command, "a", "b")
