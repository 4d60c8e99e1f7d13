from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toys import Echo, Ranked, ToyTask, count_words

from msa_bench.contracts import Answer, Corpus, Dataset, IndexReport, Progress, Question, TaskRequest, no_progress
from msa_bench.errors import UserError
from msa_bench.evaluation.config import RunConfig
from msa_bench.evaluation.runner import run
from msa_bench.evaluation.samples import as_json
from msa_bench.evaluation.summary import summarise

SYSTEMS: dict[str, Any] = {"toy-echo": Echo, "toy-ranked": Ranked}


def toy_run(out: Path, systems: Mapping[str, Any] = SYSTEMS, task: Any = None, **settings: Any) -> dict[str, Any]:
    config = RunConfig(task="toy", length=1024, system=tuple(systems), out=out, **{"samples": 6, **settings})
    return run(config, task or ToyTask(), systems, count_words)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]


def record(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "run.json").read_text()))


def untimed(summary: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in summary.items() if key != "timings"}


def test_every_question_is_answered_once_by_every_system_and_variant(tmp_path: Path) -> None:
    summary = toy_run(tmp_path)
    keys = [(line["system"], line["variant"], line["sample_id"], line["repeat"]) for line in lines(tmp_path)]
    assert len(keys) == len(set(keys)) == summary["samples"] == 2 * 6 * 3
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert [(row["system"], row["variant"]) for row in summary["rows"]] == [
        ("toy-echo", None),
        ("toy-ranked", "k=5"),
        ("toy-ranked", "k=10"),
    ]


def test_a_question_named_after_its_subtask_is_not_named_twice(tmp_path: Path) -> None:
    def named(data: Dataset) -> Dataset:
        return replace(data, questions=[replace(one, id=f"toy_one/{one.id}") for one in data.questions])

    toy_run(tmp_path, task=task_with(named), subtask=("toy_one",))
    assert lines(tmp_path)[0]["sample_id"] == "toy_one/q0"


def test_a_sample_line_says_everything_about_its_answer(tmp_path: Path) -> None:
    toy_run(tmp_path)
    line = lines(tmp_path)[0]
    assert line["sample_id"] == "toy_one/q0"
    assert (line["task"], line["subtask"], line["length_tokens"], line["seed"]) == ("toy", "toy_one", 1024, 42)
    assert line["gold"][0] in line["answer"]
    assert line["scores"]["string_match_all"] == line["scores"]["recall@1"] == 1
    assert (line["documents"], line["gold_documents"], line["rounds"]) == ([0], [0], 1)
    assert (line["tokens"], line["seconds"]) == ({"in": 10, "out": 5}, 0.25)
    assert {"depth", "question", "bounds", "ranking", "notes", "trace"} <= set(line)


def test_the_record_says_what_was_run_on_what(tmp_path: Path) -> None:
    toy_run(tmp_path, seed=7, ablate={"voice": "loud"})
    found = record(tmp_path)
    assert (found["task"], found["status"], found["seeds"]["run"]) == ("toy", "finished", 7)
    assert len(found["config_sha256"]) == 64
    assert found["systems"]["toy-echo"]["model"] == {"sha256": "m1"}
    assert [one["notes"] for one in found["datasets"]] == [["the boxes are toys"]] * 2
    assert all(one["tokens"] == 49 and one["documents"] == 7 for one in found["indexes"])
    assert len(found["indexes"]) == 4
    assert {"python", "msa_bench", "numpy"} <= set(found["versions"])
    assert found["hardware"]["memory_bytes"] > 0
    assert found["peak_memory"]["rss_bytes"] > 2**20
    assert len(found["git"]["commit"]) == 40


def test_each_system_gets_the_ablations_it_knows(tmp_path: Path) -> None:
    toy_run(tmp_path, ablate={"voice": "loud"})
    described = record(tmp_path)["systems"]
    assert described["toy-echo"]["ablations"] == {"voice": "loud"}
    assert described["toy-ranked"]["ablations"] == {}


def test_a_finished_run_is_looked_at_without_indexing_or_change(tmp_path: Path) -> None:
    class Reluctant(Echo):
        def index(self, corpus: Corpus, progress: Progress = no_progress) -> IndexReport:
            raise AssertionError("nothing is left to ask")

    first = toy_run(tmp_path, {"toy-echo": Echo})
    before = record(tmp_path)
    assert toy_run(tmp_path, {"toy-echo": Reluctant}) == first
    assert record(tmp_path) == before


def failing_on(name: str, error: BaseException) -> type[Echo]:
    class Failing(Echo):
        def one(self, question: Question, variant: str | None) -> Answer:
            if question.id == name:
                raise error
            return super().one(question, variant)

    return Failing


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("bad question"), "failed"), (KeyboardInterrupt(), "interrupted")]
)
def test_a_run_that_breaks_keeps_its_answers_and_continues_to_the_same_summary(
    tmp_path: Path, error: BaseException, status: str
) -> None:
    with pytest.raises(type(error)):
        toy_run(tmp_path / "broken", {"toy-ranked": Ranked, "toy-echo": failing_on("q3", error)})
    kept = lines(tmp_path / "broken")
    assert len(kept) == 12 + 3
    assert record(tmp_path / "broken")["status"] == status
    assert not (tmp_path / "broken/summary.json").exists()

    continued = toy_run(tmp_path / "broken", {"toy-ranked": Ranked, "toy-echo": Echo})
    assert lines(tmp_path / "broken")[:15] == kept
    assert untimed(continued) == untimed(toy_run(tmp_path / "whole", {"toy-ranked": Ranked, "toy-echo": Echo}))
    found = record(tmp_path / "broken")
    assert found["status"] == "finished"
    assert [sitting["status"] for sitting in found["earlier_sittings"]] == [status]
    assert len(found["indexes"]) == 4


def test_a_run_killed_before_it_could_say_so_is_finished_when_looked_at(tmp_path: Path) -> None:
    toy_run(tmp_path)
    killed = record(tmp_path) | {"status": "running"}
    (tmp_path / "run.json").write_text(json.dumps(killed))
    (tmp_path / "summary.json").unlink()
    toy_run(tmp_path)
    assert record(tmp_path)["status"] == "finished"
    assert (tmp_path / "summary.json").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"samples": 7}, "samples = 6, not 7"),
        ({"ablate": {"voice": "quiet"}}, "ablate = {}, not"),
        ({"batch_size": 1}, "batch_size = 8, not 1"),
        ({"subtask": ("toy_one",)}, "subtask"),
    ],
)
def test_another_configuration_is_refused_by_the_key_that_differs(
    tmp_path: Path, change: dict[str, Any], named: str
) -> None:
    toy_run(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(UserError, match=named):
        toy_run(tmp_path, **change)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_another_model_behind_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy_run(tmp_path)
    monkeypatch.setenv("TOY_MODEL", "m2")
    with pytest.raises(UserError, match=r'model of the system toy-echo is .*"m1".* not .*"m2"'):
        toy_run(tmp_path)
    assert record(tmp_path)["status"] == "finished"


def task_with(change: Callable[[Dataset], Dataset]) -> Any:
    class Changed(ToyTask):
        def load(self, request: TaskRequest) -> Dataset:
            return change(super().load(request))

    return Changed()


def test_other_data_behind_the_same_settings_is_refused(tmp_path: Path) -> None:
    toy_run(tmp_path)
    other_text = task_with(lambda data: replace(data, questions=[replace(one, text="!") for one in data.questions]))
    with pytest.raises(UserError, match="questions_sha256 of toy_one"):
        toy_run(tmp_path, task=other_text)
    shorter = task_with(lambda data: replace(data, corpus=replace(data.corpus, texts=("x",))))  # type: ignore[type-var]
    with pytest.raises(UserError, match="documents_fingerprint of toy_one"):
        toy_run(tmp_path, task=shorter)
    assert record(tmp_path)["status"] == "finished"


def answering(change: Callable[[list[Answer]], list[Answer]]) -> type[Echo]:
    class Changed(Echo):
        def answer(self, questions: Sequence[Question], progress: Progress = no_progress) -> Iterator[Answer]:
            yield from change(list(super().answer(questions, progress)))

    return Changed


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda found: found[:-1], "toy-echo gave no answer to question 'q5'"),
        (lambda found: [replace(found[0], question_id="q99")], "toy-echo .*'q99'"),
        (lambda found: [replace(found[0], variant="k=3")], "toy-echo .*'q0' in variant k=3"),
        (lambda found: [found[0], found[0]], "toy-echo .*second answer.*'q0'"),
    ],
)
def test_a_system_that_answers_wrongly_is_named(
    tmp_path: Path, change: Callable[[list[Answer]], list[Answer]], sentence: str
) -> None:
    with pytest.raises(UserError, match=sentence):
        toy_run(tmp_path, {"toy-echo": answering(change)})


def test_two_questions_of_one_id_and_no_question_are_refused(tmp_path: Path) -> None:
    twice = task_with(lambda data: replace(data, questions=[data.questions[0]] * 2))
    with pytest.raises(UserError, match="two questions the same id"):
        toy_run(tmp_path / "twice", task=twice)
    none = task_with(lambda data: replace(data, questions=[]))
    with pytest.raises(UserError, match="no questions"):
        toy_run(tmp_path / "none", task=none)
    assert not (tmp_path / "none").exists()


def test_a_task_can_bring_scores_of_its_own(tmp_path: Path) -> None:
    class Scored(ToyTask):
        def score(self, question: Question, answer: Answer) -> Mapping[str, float]:
            return {"words": float(len(answer.text.split()))}

    summary = toy_run(tmp_path, task=Scored())
    assert summary["rows"][0]["overall"]["words"]["mean"] == 7


def test_a_task_without_subtasks_has_one_part(tmp_path: Path) -> None:
    class Whole(ToyTask):
        subtasks = ()

    summary = toy_run(tmp_path, task=Whole())
    assert [cell["subtask"] for cell in summary["rows"][0]["subtasks"]] == [None]
    assert lines(tmp_path)[0]["sample_id"] == "q0"
    with pytest.raises(UserError, match="has no subtasks"):
        toy_run(tmp_path, task=Whole(), subtask=("x",))


def test_the_summary_does_not_depend_on_the_order_of_the_lines(tmp_path: Path) -> None:
    summary, found = toy_run(tmp_path), lines(tmp_path)
    random.Random(1).shuffle(found)
    again = summarise(found, task="toy", length=1024, seed=42, main_score="string_match_all")
    assert again == summary


def test_the_overall_score_is_the_mean_of_the_subtasks(tmp_path: Path) -> None:
    row = toy_run(tmp_path)["rows"][0]
    means = [cell["scores"]["string_match_all"]["mean"] for cell in row["subtasks"]]
    overall = row["overall"]["string_match_all"]
    assert overall["mean"] == pytest.approx(sum(means) / 2)
    assert overall["low"] < overall["mean"] < overall["high"]


def test_what_a_trace_holds_becomes_json() -> None:
    found = as_json({"scores": np.array([1.5, np.inf]), 3: {2, 1}, "path": Path("a/b"), "n": np.int64(2)})
    assert found == {"scores": [1.5, None], "3": [1, 2], "path": "a/b", "n": 2}
