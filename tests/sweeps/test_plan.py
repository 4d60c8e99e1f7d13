from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from toy_sweeps import grid

from msa_bench.errors import UserError
from msa_bench.sweeps.plan import Plan, make_plan
from msa_bench.sweeps.rates import Rate, answer_seconds, estimate, rates_in

RATE = Rate(
    system="encoder",
    task="toy",
    ablate={},
    model="smollm2-135m",
    device="cpu",
    length=1024,
    index_tokens=1100,
    seconds_per_token=0.01,
    answer_seconds=2.0,
    answer_tokens=300.0,
    index_bytes=1000,
    memory_bytes=5000,
    overhead_seconds=3.0,
    source="here",
    hardware="a machine",
)
BLOCK = "  - {task: toy, length: [2K, 1K], system: [encoder], ablate: [none, {voice: loud}], samples: 4}\n"


def names(plan: Plan) -> list[str]:
    return [step.cell.name for step in plan.steps]


def test_an_estimate_is_of_tokens_answers_and_what_a_run_takes_beside_them(tmp_path: Path) -> None:
    cell = grid(tmp_path, BLOCK)[0]
    found = estimate(cell, True, [RATE], "cpu")
    assert found.tokens == 2 * 2200
    assert found.seconds == pytest.approx(3.0 + 44.0 + 8 * 2.0)
    assert found.memory_bytes == 6000
    assert found.disk_bytes == 4000
    assert found.basis == "here (a machine)"
    opened = estimate(cell, False, [RATE], "cpu")
    assert (opened.tokens, opened.seconds) == (0, pytest.approx(3.0 + 16.0))


def test_what_was_not_measured_is_not_estimated(tmp_path: Path) -> None:
    cell = grid(tmp_path, BLOCK)[0]
    for other in ({"system": "echo"}, {"model": "another"}, {"device": "cuda:0"}):
        found = estimate(cell, True, [replace(RATE, **other)], "cpu")
        assert (found.seconds, found.memory_bytes, found.basis) == (None, None, "not measured")
    plan = make_plan(grid(tmp_path, BLOCK), [], "cpu")
    assert plan.unknown == ["encoder"]


def test_the_nearest_measurement_counts_that_of_the_same_task_and_ablation_first(tmp_path: Path) -> None:
    loud = grid(tmp_path, BLOCK)[1]
    rates = [
        replace(RATE, task="other", answer_seconds=9.0),
        RATE,
        replace(RATE, ablate={"voice": "loud"}, answer_seconds=1.0),
    ]
    assert estimate(loud, False, rates, "cpu").seconds == pytest.approx(3.0 + 8 * 1.0)
    assert estimate(loud, False, rates[:2], "cpu").seconds == pytest.approx(3.0 + 8 * 2.0)
    other = estimate(loud, False, rates[:1], "cpu")
    assert other.seconds == pytest.approx(3.0 + 8 * 9.0)
    assert other.basis == "here (a machine, there on other)"


def test_the_first_directory_that_measured_a_system_is_not_mixed_with_others(tmp_path: Path) -> None:
    cell = grid(tmp_path, BLOCK)[0]
    theirs = replace(RATE, source="there", length=2048, seconds_per_token=1.0, answer_seconds=50.0)
    assert estimate(cell, True, [RATE, theirs], "cpu") == estimate(cell, True, [RATE], "cpu")
    opened = replace(RATE, seconds_per_token=None)
    assert estimate(cell, True, [opened, theirs], "cpu").seconds == pytest.approx(3.0 + 4400 * 1.0 + 16.0)


def test_answers_between_and_beyond_the_measured_lengths_lie_on_a_line() -> None:
    rates = [replace(RATE, length=1000, answer_seconds=1.0), replace(RATE, length=2000, answer_seconds=3.0)]
    at = {length: answer_seconds(rates, length) for length in (500, 1000, 1500, 2000, 4000)}
    assert at == {500: 1.0, 1000: 1.0, 1500: 2.0, 2000: 3.0, 4000: 7.0}
    assert answer_seconds([rates[1]], 100_000) == 3.0
    falling = [replace(rates[0], answer_seconds=3.0), replace(rates[1], answer_seconds=1.0)]
    assert answer_seconds(falling, 10_000) == 1.0


def test_after_a_single_length_an_answer_that_reads_everything_takes_longer_over_more() -> None:
    everything = replace(RATE, length=1000, answer_tokens=1100.0)
    assert [answer_seconds([everything], length) for length in (500, 1000, 8000)] == [2.0, 2.0, 16.0]
    assert answer_seconds([replace(everything, answer_tokens=999.0)], 8000) == 2.0


def test_cheap_memories_come_first_and_the_runs_of_one_together(tmp_path: Path) -> None:
    plan = make_plan(grid(tmp_path, BLOCK), [RATE], "cpu")
    assert names(plan) == [
        "toy-1K-encoder-s42",
        "toy-1K-encoder-voice=loud-s42",
        "toy-2K-encoder-s42",
        "toy-2K-encoder-voice=loud-s42",
    ]
    assert [step.encodes for step in plan.steps] == [True, False, True, False]
    assert plan.seconds == pytest.approx(sum(step.estimate.seconds or 0 for step in plan.steps))
    assert make_plan(grid(tmp_path, BLOCK), [], "cpu").steps[0].cell.name == names(plan)[0], "also unmeasured"


def test_a_finished_run_is_left_alone_and_another_of_its_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = grid(tmp_path, BLOCK)
    directory = found[2].config.directory()
    directory.mkdir(parents=True)
    record: dict[str, Any] = {"config": found[2].config.identity(), "status": "interrupted"}
    (directory / "run.json").write_text(json.dumps(record))
    assert len(make_plan(found, [RATE], "cpu").pending) == 4
    (directory / "run.json").write_text(json.dumps(record | {"status": "finished"}))
    assert len(make_plan(found, [RATE], "cpu").pending) == 4, "its summary and figure are missing"
    for name in ("summary.json", "accuracy.png"):
        (directory / name).write_text("{}")
    plan = make_plan(found, [RATE], "cpu")
    assert [step.cell.name for step in plan.steps if step.finished] == [found[2].name]
    assert not any(step.encodes for step in plan.steps if step.cell.config.length == 1024), "its bank is there"
    judged = [replace(one, config=one.config.model_copy(update={"judge_model": "j"})) for one in found]
    assert len(make_plan(judged, [RATE], "cpu").pending) == 4, "the grades are missing"
    other = [replace(one, config=one.config.model_copy(update={"samples": 5})) for one in found]
    with pytest.raises(UserError, match="holds a run with samples = 4, not 5"):
        make_plan(other, [RATE], "cpu")


def test_rates_are_read_from_the_committed_run_and_other_directories_have_none(tmp_path: Path) -> None:
    quick = Path(__file__).parents[2] / "results" / "reference" / "quick"
    rates = {rate.system: rate for rate in rates_in([quick])}
    assert rates.keys() == {"msa", "full-context", "rag-bm25"}
    msa = rates["msa"]
    indexes = [one for one in json.loads((quick / "run.json").read_text())["indexes"] if one["system"] == "msa"]
    took, tokens = (sum(one[key] for one in indexes) for key in ("seconds", "tokens"))
    assert msa.seconds_per_token == pytest.approx(took / tokens)
    assert 1.05 < msa.index_tokens / msa.length < 1.2
    timings = json.loads((quick / "summary.json").read_text())["timings"]
    for system, variants in (("msa", 1), ("full-context", 1), ("rag-bm25", 3)):
        seconds = [one["mean_seconds"] for one in timings if one["system"] == system]
        assert len(seconds) == 8 * variants
        assert rates[system].answer_seconds == pytest.approx(sum(seconds) / 8)
    assert rates["full-context"].seconds_per_token is None
    assert "2 cores" in msa.hardware
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    assert rates_in([tmp_path, tmp_path / "none"]) == []
