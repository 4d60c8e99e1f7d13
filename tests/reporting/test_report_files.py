from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from conftest import Command
from report_runs import write_run

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "quick"


def test_the_command_writes_page_tables_and_figures(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path / "runs" / "short")
    write_run(tmp_path / "runs" / "long", length=65536)
    write_run(tmp_path / "runs" / "off", ablate={"interleave": "off"}, systems={"msa": (None,)}, status="failed")
    status, out, error = command("report", str(tmp_path / "runs"), "--out", "made")
    assert status == 0, error
    assert "56 samples of 3 runs, 1 of them unfinished" in out
    assert "Unfinished: " in error
    names = {file.name for file in Path("made/figures").iterdir()}
    for name in ("decay-niah-string-match-all", "ablations-niah-16k-msa", "heat-niah-systems", "heat-niah-depth-msa",
                 "cost-quality-niah", "time-and-memory-niah"):  # fmt: skip
        assert {f"{name}.png", f"{name}.svg"} <= names
    names = {file.name for file in Path("made/tables").iterdir()}
    for name in ("results", "subtasks", "costs", "runs", "paper-table-2", "paper-table-3", "paper-table-4",
                 "paper-figure-1", "paper-figure-4"):  # fmt: skip
        assert {f"{name}.md", f"{name}.tex", f"{name}.csv"} <= names
    assert Path("made/report.html").read_text().startswith("<!DOCTYPE html>")


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "file").write_text("")
    status, _, error = command("report", str(tmp_path / "run"), "--out", str(tmp_path / "file"))
    assert status == 2
    assert "choose another --out" in error


@pytest.mark.slow
def test_figures_of_labels_that_look_alike_have_files_of_their_own(tmp_path: Path, command: Command) -> None:
    write_run(tmp_path / "runs" / "one", systems={"rag": ("k=1", "k-1", "$\\no_math{$")})
    status, _, error = command("report", str(tmp_path / "runs"), "--out", "made")
    assert status == 0, error
    assert {"heat-niah-depth-rag-k-1.svg", "heat-niah-depth-rag-k-1-2.svg"} <= {
        file.name for file in Path("made/figures").iterdir()
    }


@pytest.mark.slow
def test_a_figure_says_only_what_its_own_numbers_rest_on(command: Command, tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "msa", systems={"msa": (None,)})
    write_run(tmp_path / "runs" / "off", systems={"msa": (None,)}, ablate={"interleave": "off"})
    write_run(tmp_path / "runs" / "rag", systems={"rag-bm25": ("k=1",)}, samples=2, seed=43)
    status, _, error = command("report", str(tmp_path / "runs"), "--out", "made")
    assert status == 0, error
    for name, rests_on in (
        ("ablations-niah-16k-msa", "8 samples each, seed 42"),
        ("heat-niah-depth-rag-bm25-k-1", "4 samples each, seed 43"),
        ("decay-niah-string-match-all", "4 to 8 samples each, seeds 42, 43"),
    ):
        words = re.sub(r"<[^>]*>|\s+", " ", Path(f"made/figures/{name}.svg").read_text())
        assert rests_on in re.sub(r"\s+", " ", words)


@pytest.mark.slow
def test_every_figure_and_table_says_what_its_numbers_rest_on(command: Command, tmp_path: Path) -> None:
    out = tmp_path / "out"
    status, _, _ = command("report", str(REFERENCE), "--out", str(out))
    assert status == 0
    processor = json.loads((REFERENCE / "run.json").read_text())["hardware"]["cpu"]
    rests_on = f"24 samples each, seed 42; smollm2-135m; {processor}, 2 cores, 24 GiB."
    figures = sorted((out / "figures").glob("*.svg"))
    assert figures
    for file in figures:
        words = re.sub(r"\s+", " ", " ".join(re.findall(r"<text[^>]*>(.*?)</text>", file.read_text(), re.DOTALL)))
        assert rests_on in re.sub(r"<[^>]*>", "", words), file
    for name in ("results", "subtasks", "costs"):
        assert rests_on.split(";")[0] in (out / "tables" / f"{name}.md").read_text()
