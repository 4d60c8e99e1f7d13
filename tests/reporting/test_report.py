from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest
from conftest import Command
from report_runs import NIAH, Line, write_run

from msa_bench.errors import UserError
from msa_bench.evaluation.summary import summarise
from msa_bench.reporting.report.figures.decay import decay_curves
from msa_bench.reporting.report.grid import Table, Value, as_csv, as_latex, as_markdown
from msa_bench.reporting.report.layouts import layouts
from msa_bench.reporting.report.pooling import Cell, Pooled, pool
from msa_bench.reporting.report.results import results_table
from msa_bench.reporting.report.runs import find_runs, read_runs

REFERENCE = Path(__file__).parents[2] / "results" / "reference" / "quick"


def read(*directories: Path) -> tuple[Pooled, list[str]]:
    runs, remarks = read_runs(find_runs(directories))
    return pool(runs), remarks


def cell(pooled: Pooled, label: str, length: int | None = 16384) -> Cell:
    (found,) = (one for one in pooled.cells if one.series.label == label and one.length == length)
    return found


def layout(pooled: Pooled, name: str) -> list[dict[str, str]]:
    """The lines of a layout's CSV."""
    (table,) = (one for one in layouts(pooled.cells) if one.name == name)
    assert table.flat is not None
    return list(csv.DictReader(as_csv(table.flat).splitlines()))


def test_a_single_run_has_the_scores_of_its_summary() -> None:
    pooled, remarks = read(REFERENCE)
    assert not remarks
    stored = json.loads((REFERENCE / "summary.json").read_text())
    for row in stored["rows"]:
        (found,) = (
            one for one in pooled.cells if (one.series.system, one.series.variant) == (row["system"], row["variant"])
        )
        for name in ("string_match_all", "f1"):
            score = found.score(name)
            assert score is not None
            assert (score.mean, score.low, score.high) == pytest.approx(
                tuple(row["overall"][name][key] for key in ("mean", "low", "high"))
            )


def test_seeds_are_pooled_over_their_samples(tmp_path: Path) -> None:
    for seed, samples in ((42, 4), (43, 12)):
        write_run(tmp_path / str(seed), seed=seed, samples=samples)
    pooled, remarks = read(tmp_path)
    assert not remarks
    assert not pooled.remarks
    msa = cell(pooled, "msa")
    assert msa.seeds == [42, 43]
    assert len(msa.lines) == 32
    expected = summarise(msa.lines, task="niah", length=16384, seed=0, main_score="string_match_all")
    score = msa.score("string_match_all")
    assert score is not None
    assert score.mean == pytest.approx(expected["rows"][0]["overall"]["string_match_all"]["mean"])


def test_runs_of_other_data_are_never_pooled(tmp_path: Path) -> None:
    write_run(tmp_path / "one", systems={"msa": (None,)})
    write_run(tmp_path / "two", systems={"msa": (None,)}, data="others")
    write_run(tmp_path / "three", systems={"msa": (None,)}, seed=43, config={"doc_tokens": 256})
    pooled, _ = read(tmp_path)
    assert sorted(one.series.label for one in pooled.cells) == ["msa (data A)", "msa (data B)", "msa (data C)"]
    assert all(len(one.runs) == 1 for one in pooled.cells)
    (remark,) = pooled.remarks
    assert "another doc_tokens" in remark
    assert "other documents or questions at 16K, seed 42" in remark
    assert all(f"{tmp_path / name}" in remark for name in ("one", "two", "three"))


def test_a_second_seed_joins_the_runs_that_asked_as_many_at_its_length(tmp_path: Path) -> None:
    write_run(tmp_path / "a-many", samples=12)
    write_run(tmp_path / "b-few", samples=2, data="others")
    write_run(tmp_path / "c-many", samples=12, length=131072)
    write_run(tmp_path / "d-some", samples=4, length=131072, data="others")
    write_run(tmp_path / "e-some", samples=4, length=131072, seed=43)
    pooled, _ = read(tmp_path)
    assert cell(pooled, "msa (data A)", 131072).seeds == [42]
    assert cell(pooled, "msa (data B)", 131072).seeds == [42, 43]


def test_other_weights_of_one_name_are_never_pooled(tmp_path: Path) -> None:
    write_run(tmp_path / "one", systems={"msa": (None,), "rag": (None,)})
    write_run(tmp_path / "two", systems={"msa": (None,)}, adapter="another", seed=43)
    pooled, _ = read(tmp_path)
    *msa, rag = (one.series.label for one in pooled.cells)
    assert len(set(msa)) == 2
    assert all(label.startswith("msa (tiny ") for label in msa)
    assert rag == "rag"


def test_an_ablation_belongs_to_the_systems_that_took_it(tmp_path: Path) -> None:
    write_run(tmp_path / "as-it-is", ablate={"rounds": "2"})
    write_run(tmp_path / "off", ablate={"rounds": "2", "interleave": "off"}, seed=43)
    pooled, _ = read(tmp_path)
    assert [one.series.label for one in pooled.cells] == [
        "msa", "msa interleave=off", "rag-bm25 k=1", "rag-bm25 k=5",
    ]  # fmt: skip
    assert pooled.shared_ablations == {"rounds": "2"}
    assert cell(pooled, "rag-bm25 k=1").seeds == [42, 43]


def test_switches_stand_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for size in (128, 16, 32):
        write_run(tmp_path / str(size), ablate={"chunk": str(size)}, systems={"msa": (None,)})
    write_run(tmp_path / "as-it-is", systems={"msa": (None,)})
    pooled, _ = read(tmp_path)
    assert [one.series.label for one in pooled.cells] == ["msa", "msa chunk=16", "msa chunk=32", "msa chunk=128"]


def test_questions_asked_twice_are_remarked_on_and_counted_by_question(tmp_path: Path) -> None:
    write_run(tmp_path / "one", systems={"msa": (None,)}, config={"device": "cpu"})
    write_run(tmp_path / "two", systems={"msa": (None,)}, config={"device": "cuda"})
    pooled, _ = read(tmp_path)
    assert any("8 questions of niah 16K, msa, are in several" in remark for remark in pooled.remarks)
    once, _ = read(tmp_path / "one")
    twice, single = cell(pooled, "msa").score("f1"), cell(once, "msa").score("f1")
    assert twice is not None
    assert single is not None
    assert (twice.mean, twice.low, twice.high) == pytest.approx((single.mean, single.low, single.high))


def test_a_copy_of_a_run_counts_once(tmp_path: Path) -> None:
    shutil.copytree(write_run(tmp_path / "one"), tmp_path / "copy")
    pooled, remarks = read(tmp_path, tmp_path / "one")
    assert len(cell(pooled, "msa").lines) == 8
    assert any("is a copy of" in remark for remark in remarks)


def test_an_unfinished_run_is_included_and_marked(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", status="running", change=lambda line: line if line["subtask"] == "niah_single_1" else None
    )
    with (run / "samples.jsonl").open("a") as file:
        file.write('{"sample_id": "half')
    pooled, remarks = read(run)
    assert len(cell(pooled, "msa").lines) == 4
    assert remarks == [f"Unfinished: {run} has 12 samples so far; all of them are counted."]
    assert {row[-1].text for row in results_table(pooled.cells).rows} == {"unfinished, 1 of 2 subtasks"}


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), "0.5"])
def test_a_score_that_is_no_number_is_named_and_left_out(tmp_path: Path, bad: object) -> None:
    def change(line: Line) -> Line:
        if line["sample_id"].endswith("00002"):
            line["scores"]["f1"] = bad
        return line

    pooled, remarks = read(write_run(tmp_path / "run", systems={"msa": (None,)}, change=change))
    score = cell(pooled, "msa").score("f1")
    assert score is not None
    assert score.n == 6
    (remark,) = remarks
    assert "f1 of 2 samples" in remark
    assert "niah_single_1/seed42/00002" in remark


def test_what_cannot_be_read_is_named_and_the_rest_reported(tmp_path: Path) -> None:
    write_run(tmp_path / "good")
    (write_run(tmp_path / "broken") / "run.json").write_text("{")
    (write_run(tmp_path / "bare") / "run.json").unlink()
    (write_run(tmp_path / "empty") / "samples.jsonl").unlink()
    spoilt = write_run(tmp_path / "spoilt", seed=43)
    lines = (spoilt / "samples.jsonl").read_text().splitlines()
    lines[1], lines[3] = "no JSON", '{"sample_id": "x", "system": "msa", "scores": []}'
    (spoilt / "samples.jsonl").write_text("\n".join(lines) + "\n")
    pooled, remarks = read(tmp_path)
    assert len(cell(pooled, "msa").lines) == 8 + 6
    for words in (
        f"{tmp_path / 'broken' / 'run.json'} cannot be read as JSON",
        f"there is no run.json in {tmp_path / 'bare'}",
        f"{tmp_path / 'empty'} has no sample yet",
        f"line 2 of {spoilt / 'samples.jsonl'} is not a JSON object",
        "has no usable scores",
    ):
        assert sum(words in remark for remark in remarks) == 1, words


def test_a_report_of_nothing_is_refused(tmp_path: Path, command: Command) -> None:
    for argument, words in ((tmp_path / "no", "is not a directory"), (tmp_path, "There is no run in")):
        status, _, error = command("report", str(argument), "--out", "out")
        assert (status, len(error.splitlines())) == (2, 1)
        assert words in error
    write_run(tmp_path / "runs" / "empty", change=lambda line: None)
    with pytest.raises(UserError, match="no run that can be reported"):
        read_runs(find_runs([tmp_path / "runs"]))


def test_the_papers_curves_stand_behind_as_far_as_the_lengths_that_were_measured(tmp_path: Path) -> None:
    write_run(tmp_path / "run", systems={"msa": (None,)})
    pooled, _ = read(tmp_path)
    (drawing,) = decay_curves(pooled.cells)
    curves = {line.get_label(): list(line.get_xdata()) for line in drawing.figure.axes[0].lines}
    assert curves["the paper's MSA"] == curves["the paper's backbone"] == [32768, 65536]
    assert "msa: 0." in drawing.says


def test_a_point_of_fewer_subtasks_than_others_of_its_curve_says_so(tmp_path: Path) -> None:
    write_run(tmp_path / "whole", systems={"msa": (None,)})
    write_run(tmp_path / "part", length=32768, systems={"msa": (None,)}, subtasks=NIAH[:1])
    (drawing,) = decay_curves(read(tmp_path)[0].cells)
    assert drawing.caption.endswith(" msa at 32K: 1 of 2 subtasks.")


def test_niah_is_compared_with_the_papers_figure_where_all_subtasks_are_there(tmp_path: Path) -> None:
    subtasks = [f"niah_{number}" for number in range(8)]
    systems = {"msa": (None,), "full-context": (None,)}
    write_run(tmp_path / "whole", length=32768, subtasks=subtasks, systems=systems)
    write_run(tmp_path / "part", length=65536, subtasks=subtasks[:3], systems=systems)
    pooled, _ = read(tmp_path)
    lines = {(line["row"], line["column"]): line for line in layout(pooled, "paper-figure-4")}
    whole = lines["32K", "msa"]
    assert float(whole["difference"]) == pytest.approx(float(whole["ours"]) - 0.9877, abs=1e-6)
    assert lines["32K", "qwen3-4b-instruct"]["series"] == "full-context"
    part = lines["64K", "msa"]
    assert part["difference"] == ""
    assert part["remark"] == "3 of 8 subtasks"
    assert lines["128K", "msa"]["state"] == "not measured"


def test_a_score_that_is_not_the_judges_is_named_and_not_subtracted(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "a", task="hotpotqa", length=None, subtasks=[None], main_score="f1", systems={"rag-dense": ("k=5",)}
    )
    pooled, _ = read(run)
    (line,) = (one for one in layout(pooled, "paper-table-2") if (one["row"], one["column"]) == ("hotpotqa", "rag @5"))
    assert (line["paper"], line["score"], line["difference"]) == ("3.582", "f1", "")
    (table,) = (one for one in layouts(pooled.cells) if one.name == "paper-table-2")
    assert any("on another scale" in note for note in table.notes)


def test_judged_ablations_stand_in_table_4_with_their_difference(tmp_path: Path) -> None:
    for name, ablate in (("whole", {}), ("off", {"interleave": "off"})):
        run = write_run(
            tmp_path / name, task="hotpotqa", length=None, subtasks=[None], main_score="f1", systems={"msa": (None,)},
            ablate=ablate,
        )  # fmt: skip
        lines = [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]
        keys = ("system", "variant", "sample_id", "repeat")
        grades = [{key: line[key] for key in keys} | {"grades": [3 + (name == "whole")]} for line in lines]
        (run / "judgements.jsonl").write_text("".join(json.dumps(grade) + "\n" for grade in grades))
    pooled, remarks = read(tmp_path)
    assert not remarks
    found = {line["row"]: line for line in layout(pooled, "paper-table-4") if line["column"] == "hotpotqa"}
    assert float(found["msa-s2"]["difference"]) == pytest.approx(4 - 4.061)
    assert float(found["without_interleave"]["difference"]) == pytest.approx(3 - 3.250)
    assert found["msa-s1"]["state"] == "not measured"
    (average,) = (
        line for line in layout(pooled, "paper-table-4") if (line["row"], line["column"]) == ("msa-s2", "average")
    )
    assert average["state"] == "not measured", "one task of four is no average"


def test_tables_escape_what_their_formats_read() -> None:
    table = Table("t", "a|b & c_d", ("x",), [[Value("50% <b>|_\\\nnext")]])
    assert "50% \\<b\\>\\|\\_\\\\<br>next" in as_markdown(table)
    latex = as_latex(table)
    assert r"a|b \& c\_d" in latex
    assert r"\shortstack{50\% \textless{}b\textgreater{}|\_\textbackslash{} \\ next}" in latex
    assert list(csv.reader(as_csv(table).splitlines())) == [["x"], ["50% <b>|_\\ next"]]


def test_a_record_of_an_older_version_pools_with_a_newer_one(tmp_path: Path) -> None:
    for name, seed in (("old", 42), ("new", 43)):
        run = write_run(tmp_path / name, seed=seed, ablate={"rounds": "2"})
        if name == "old":
            record = json.loads((run / "run.json").read_text())
            del record["ablations"]
            (run / "run.json").write_text(json.dumps(record))
    pooled, _ = read(tmp_path)
    assert cell(pooled, "rag-bm25 k=1").seeds == [42, 43]
