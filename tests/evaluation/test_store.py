from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from msa_bench.errors import UserError
from msa_bench.evaluation import store
from msa_bench.evaluation.store import RunDirectory


def line(name: str) -> dict[str, Any]:
    return {"sample_id": name, "answer": "ü \udc80 \u2028"}


def with_samples(path: Path, *names: str) -> Path:
    with RunDirectory(path) as directory:
        directory.write("run.json", {})
        for name in names:
            directory.append(line(name))
    return path


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    with RunDirectory(with_samples(tmp_path / "run", "a", "b")) as directory:
        assert directory.samples == [line("a"), line("b")]


@pytest.mark.parametrize("torn", ['{"sample_id": "c", "ans', '{"sample_id": "c"}'])
def test_a_line_a_kill_left_unfinished_is_dropped(tmp_path: Path, torn: str) -> None:
    path = with_samples(tmp_path / "run", "a", "b")
    with (path / "samples.jsonl").open("a") as file:
        file.write(torn)
    with RunDirectory(path) as directory:
        assert [one["sample_id"] for one in directory.samples] == ["a", "b"]
        directory.append(line("c"))
    with RunDirectory(path) as directory:
        assert [one["sample_id"] for one in directory.samples] == ["a", "b", "c"]


def test_a_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = with_samples(tmp_path / "run", "a", "b")
    file = path / "samples.jsonl"
    file.write_text("garbage\n" + file.read_text())
    with pytest.raises(UserError, match=r"Line 1 of .*samples\.jsonl"), RunDirectory(path):
        pass


def test_two_processes_do_not_write_one_directory(tmp_path: Path) -> None:
    with (
        RunDirectory(tmp_path / "run"),
        pytest.raises(UserError, match="Another process is writing"),
        RunDirectory(tmp_path / "run"),
    ):
        pass
    with RunDirectory(tmp_path / "run"):
        pass


def test_a_sample_that_does_not_fit_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RunDirectory(tmp_path / "run") as directory:
        directory.append(line("a"))
        before, write = (tmp_path / "run/samples.jsonl").read_bytes(), os.write

        def half(descriptor: int, data: bytes) -> int:
            if len(data) < 20:
                raise OSError(errno.ENOSPC, "No space left on device")
            return write(descriptor, data[:-10])

        monkeypatch.setattr(store.os, "write", half)
        with pytest.raises(OSError, match="No space"):
            directory.append(line("b"))
        assert (tmp_path / "run/samples.jsonl").read_bytes() == before


def test_a_failed_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "summary.json"
    store.write_json(file, {"a": 1})

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write_json(file, {"a": 2})
    assert store.read_json(file) == {"a": 1}
    assert [one.name for one in tmp_path.iterdir()] == ["summary.json"]


def test_a_run_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    with RunDirectory(tmp_path / "run"):
        pass
    assert not (tmp_path / "run").exists()


def test_answers_without_a_record_are_refused_and_kept(tmp_path: Path) -> None:
    path = with_samples(tmp_path / "run", "a")
    (path / "run.json").unlink()
    with pytest.raises(UserError, match=r"answers but no run\.json"), RunDirectory(path) as directory:
        directory.record()
    assert (path / "samples.jsonl").read_text()


def test_a_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UserError, match="cannot be written"), RunDirectory(tmp_path / "run"):
        pass
