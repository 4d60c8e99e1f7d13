from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Command

from msa_bench.errors import UserError

QUESTION = {"id": "q", "question": "Who?", "answers": ["Ada"], "gold_ids": ["p"]}


def write(directory: Path, corpus: str) -> None:
    directory.mkdir()
    (directory / "questions.jsonl").write_text(json.dumps(QUESTION) + "\n")
    (directory / "corpus.jsonl").write_text(corpus)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(repository: str, *arguments: object, **options: object) -> str:
        raise UserError(f"{repository} cannot be fetched: no network.")

    monkeypatch.setenv("MSA_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tasks.qa.sources.fetch", refuse)


def test_a_sound_directory_is_counted_and_a_bad_line_pointed_at(command: Command) -> None:
    write(Path("good"), '{"id": "p", "text": "Ada did."}\n')
    status, out, _ = command("data", "check", "good", "--json")
    found = json.loads(out)
    assert (status, found["passages"], found["questions"], found["questions with gold passages"]) == (0, 1, 1, 1)
    write(Path("bad"), '{"id": "p", "text": "Ada did."}\n{"id": "p2"\n')
    status, _, error = command("data", "check", "bad")
    assert status == 2
    assert "Line 2 of bad/corpus.jsonl is not JSON" in error


def test_a_key_that_means_nothing_is_named_lest_it_be_a_slip(command: Command) -> None:
    write(Path("own"), '{"id": "p", "text": "Ada did."}\n')
    slip = {"gold" if key == "gold_ids" else key: value for key, value in QUESTION.items()}
    Path("own/questions.jsonl").write_text(json.dumps(slip | {"type": "bridge"}) + "\n")
    _, out, _ = command("data", "check", "own")
    assert "keys of questions that are not read: gold, type" in out


@pytest.mark.usefixtures("no_hub")
def test_without_data_and_network_a_run_names_three_ways_and_leaves_nothing(command: Command) -> None:
    status, _, error = command("run", "--task", "hotpotqa", "--system", "toy-echo", "--out", "run")
    assert status == 2
    for way in ("--data DIR with questions.jsonl", "qdata_hotpotqa.pkl and mdata_hotpotqa.pkl", "data fetch hotpotqa"):
        assert way in error
    assert not Path("run").exists()
    status, _, error = command("run", "--task", "qa", "--system", "toy-echo", "--out", "run")
    assert (status, "give --data DIR" in error) == (2, True)


@pytest.mark.usefixtures("no_hub")
def test_a_fetch_that_fails_and_a_task_without_data_are_said(command: Command) -> None:
    status, _, error = command("data", "fetch", "popqa")
    assert (status, "no network" in error) == (2, True)
    status, _, error = command("data", "fetch", "niah")
    assert (status, "makes its own data" in error) == (2, True)


def test_what_was_fetched_is_listed_as_here_and_its_commit_recorded(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import pickle

    def bring(repository: str, names: tuple[str, ...], directory: Path, *rest: object, **options: object) -> str:
        directory.mkdir(parents=True)
        for name in names:
            row = {"query": "Who?", "reference_list": ["Ada did."], "answer": "Ada"}
            (directory / name).write_bytes(pickle.dumps([row] if name.startswith("q") else ["Ada did.", "Bo did."]))
        (directory / "fetched.json").write_text(json.dumps({"commit": "c0ffee"}))
        return "c0ffee"

    monkeypatch.setenv("MSA_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tasks.qa.sources.fetch", bring)
    _, out, _ = command("tasks")
    assert "here (hipporag_popqa)" not in out
    assert command("data", "fetch", "popqa")[0] == 0
    _, out, _ = command("tasks")
    assert "here (hipporag_popqa)" in out
    status, _, error = command("run", "--task", "popqa", "--system", "toy-ranked", "--out", "run")
    assert status == 0, error
    record = json.loads(Path("run/run.json").read_text())
    assert any("commit c0ffee" in note for note in record["datasets"][0]["notes"])
    assert record["normaliser"]["name"] == "squad"
    scores = json.loads(Path("run/samples.jsonl").read_text().splitlines()[0])["scores"]
    assert {"em", "f1", "containment", "recall@10", "retrieval_f1"} <= set(scores)
