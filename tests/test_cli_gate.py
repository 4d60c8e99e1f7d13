from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from conftest import Command
from run_directories import MSA, change, write_run

from msa_bench.evaluation.config import make_config
from msa_bench.evaluation.gate import judge, samples_to_decide

ROOT = Path(__file__).parents[1]
GOOD = {"msa": {"one": [1.0] * 20, "two": [1.0] * 20}}


def reference(command: Command, rows: Mapping[str, Any] = GOOD, *options: str) -> None:
    write_run(Path("old"), rows)
    status, _, err = command("gate", "old", "--write-reference", "r.json", *(options or ("--tolerance", "10")))
    assert status == 0, err


def lost(number: int) -> dict[str, Any]:
    """The good run with `number` of its 40 answers lost."""
    return {"msa": {"one": [0.0] * number + [1.0] * (20 - number), "two": [1.0] * 20}}


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.5, -0.11, "regressed"),
        (-0.5, -0.10, "inconclusive"),
        (-0.10, 0.0, "inconclusive"),
        (-0.09, 0.2, "pass"),
        (-0.5, 0.5, "inconclusive"),
    ],
)
def test_the_rule_is_where_the_whole_interval_lies(low: float, high: float, verdict: str) -> None:
    assert judge(low, high, 0.1) == verdict


def test_the_same_run_passes(command: Command) -> None:
    reference(command)
    status, out, _ = command("gate", "old", "--reference", "r.json")
    assert status == 0
    assert "PASS: old against r.json" in out
    # No answer of 40 differs: 1.96/42 is 4.7 points.
    assert "+0.0 points [-4.7 to +4.7] on 40 questions, tolerance 10" in out


def test_a_single_flip_among_forty_passes_and_a_quarter_lost_has_regressed(command: Command) -> None:
    reference(command)
    write_run(Path("new"), lost(1))
    assert command("gate", "new", "--reference", "r.json")[0] == 0
    write_run(Path("new"), lost(10))
    status, out, _ = command("gate", "new", "--reference", "r.json")
    assert status == 1
    assert "REGRESSED, string_match_all 1.000 in the reference, 0.750 here: -25.0 points" in out
    assert "worse: one/0, one/1, one/2, one/3, one/4 and 5 more" in out


def test_five_samples_are_inconclusive_and_it_says_how_many_would_decide(command: Command) -> None:
    reference(command, {"msa": {"one": [1.0] * 5}})
    status, out, _ = command("gate", "old", "--reference", "r.json", "--json")
    assert status == 3
    (row,) = json.loads(out)["rows"]
    # Without any difference, 1.96/(n + 2) falls below 0.10 from 18 on.
    assert (row["verdict"], row["samples_to_decide"]) == ("inconclusive", 18)
    assert (
        "about 18 questions like these would decide, there are 5" in command("gate", "old", "--reference", "r.json")[1]
    )


def test_how_many_samples_decide_depends_on_how_far_the_difference_is_from_the_tolerance() -> None:
    near, far = samples_to_decide(-2, 2, 10, 0.19), samples_to_decide(-2, 2, 10, 0.05)
    assert near is not None
    assert far is not None
    assert near > 100 * far
    assert samples_to_decide(-1, 1, 10, 0.1) is None


def test_the_worst_system_decides_and_another_tolerance_can_be_given(command: Command) -> None:
    rows = {"msa": GOOD["msa"], "rag-bm25 k=5": GOOD["msa"]}
    reference(command, rows)
    write_run(Path("new"), {**rows, "rag-bm25 k=5": lost(10)["msa"]})
    assert command("gate", "new", "--reference", "r.json")[0] == 1
    assert command("gate", "new", "--reference", "r.json", "--tolerance", "20")[0] == 3
    assert command("gate", "new", "--reference", "r.json", "--tolerance", "50")[0] == 0


def test_a_reference_holds_what_it_takes_and_where_it_is_from(command: Command) -> None:
    reference(command)
    content = json.loads(Path("r.json").read_text())
    assert content["rows"]["msa"]["one/3"] == 1.0
    assert content["tolerance_points"] == 10
    assert content["datasets"][0] == {"subtask": "one", "documents_fingerprint": "done", "questions_sha256": "qone"}
    assert content["systems"]["msa"]["adapter_files"] == MSA["adapter_files"]
    assert content["made"]["hardware"]["cpu"] == "a CPU"


def test_junit_and_the_step_summary_say_the_same(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    reference(command)
    for number, status, kind in ((0, 0, "system-out"), (10, 1, "failure"), (5, 3, "error")):
        write_run(Path("new"), lost(number))
        Path("summary.md").unlink(missing_ok=True)
        assert command("gate", "new", "--reference", "r.json", "--junit", "x/junit.xml")[0] == status
        (case,) = ElementTree.parse("x/junit.xml").iter("testcase")
        assert (case.get("name"), [child.tag for child in case]) == ("msa", [kind])
        word = {0: "PASS", 1: "REGRESSED", 3: "INCONCLUSIVE"}[status]
        assert f"### msa-bench gate: {word}" in Path("summary.md").read_text()
        assert f"| msa | {word} | 1.000 |" in Path("summary.md").read_text()
    status, _, err = command("gate", "new", "--reference", "none.json", "--junit", "junit.xml")
    assert status == 2
    assert "There is no reference none.json" in err
    (case,) = ElementTree.parse("junit.xml").iter("testcase")
    assert case[0].tag == "error"
    assert "NOT COMPARABLE" in Path("summary.md").read_text()


@pytest.mark.parametrize(
    ("record", "hint"),
    [
        ({"task": "chains"}, 'the task is "chains", in the reference "niah".'),
        ({"config": {"length": 65536}}, "the setting length is 65536, in the reference 16384."),
        ({"config": {"samples": 5}}, "the setting samples is 5, in the reference 4."),
        ({"config": {"model": "mine"}}, 'model is "mine", in the reference "smollm2-135m"; --accept adapter'),
        ({"config": {"ablate": {"top_k": "1"}}}, 'ablate is {"top_k": "1"}, in the reference {}; --accept ablate'),
        ({"datasets": "documents_fingerprint"}, 'documents_fingerprint of one is "other", in the reference "done".'),
        ({"datasets": "questions_sha256"}, 'questions_sha256 of one is "other", in the reference "qone".'),
        ({"systems": {"weights_sha256": "8" * 64}}, "weights_sha256 of the system msa is 888888888888..., in the"),
        ({"systems": {"adapter_files": {}}}, "adapter_files of the system msa is {}, in the reference"),
        ({"systems": {"dtype": "bfloat16"}}, 'dtype of the system msa is "bfloat16", in the reference "float32".'),
        ({"status": "interrupted"}, "new holds a run that is interrupted, not finished"),
    ],
)
def test_what_differs_is_refused_by_its_name(command: Command, record: dict[str, Any], hint: str) -> None:
    reference(command)
    write_run(Path("new"), GOOD)
    content = json.loads(Path("new/run.json").read_text())
    for key, value in record.items():
        if key == "datasets":
            content[key][0][value] = "other"
        elif key == "systems":
            content[key]["msa"].update(value)
        elif key == "config":
            content[key].update(value)
        else:
            content[key] = value
    change(Path("new/run.json"), **content)
    status, out, err = command("gate", "new", "--reference", "r.json")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert hint in err


def test_another_adapter_on_the_same_backbone_is_compared_when_it_is_accepted(command: Command) -> None:
    reference(command)
    other = {**MSA, "model": "mine", "adapter_files": {"adapter.safetensors": "b" * 64}, "top_k": 1, "device": "cuda:0"}
    write_run(Path("new"), lost(10), config={"model": "mine"}, systems={"msa": other})
    assert command("gate", "new", "--reference", "r.json")[0] == 2
    status, out, _ = command("gate", "new", "--reference", "r.json", "--accept", "adapter")
    assert status == 1
    assert "accepted as different from the reference: adapter" in out
    change(Path("new/run.json"), systems={"msa": {**other, "weights_sha256": "8" * 64}})
    status, _, err = command("gate", "new", "--reference", "r.json", "--accept", "adapter")
    assert status == 2
    assert "weights_sha256 of the system msa" in err


def test_a_switch_is_compared_when_it_is_accepted(command: Command) -> None:
    reference(command)
    write_run(Path("new"), lost(10), config={"ablate": {"top_k": "1"}}, systems={"msa": {**MSA, "top_k": 1}})
    assert command("gate", "new", "--reference", "r.json", "--accept", "adapter")[0] == 2
    assert command("gate", "new", "--reference", "r.json", "--accept", "ablate")[0] == 1


def test_bad_input_gets_one_sentence(command: Command) -> None:
    reference(command)
    write_run(Path("new"), GOOD)
    write_run(Path("nan"), {"msa": {"one": [None, *[1.0] * 19], "two": [1.0] * 20}})
    write_run(Path("fewer"), {"msa": {"one": [1.0] * 19, "two": [1.0] * 20}})
    write_run(Path("rag"), {"rag-bm25 k=5": GOOD["msa"]}, systems={"msa": MSA})
    Path("text.json").write_text("not JSON")
    Path("other.json").write_text('{"format": 1}')
    content = json.loads(Path("r.json").read_text())
    content["rows"]["msa"]["one/0"] = float("nan")
    Path("nan.json").write_text(json.dumps(content))
    for arguments, hint in (
        (("new",), "either --reference FILE or, to make that file, --write-reference FILE"),
        (("none", "--reference", "r.json"), "There is no directory none"),
        (("new", "--reference", "none.json"), "There is no reference none.json; make one from a run you trust"),
        (("new", "--reference", "text.json"), "text.json is no reference: text.json cannot be read as JSON"),
        (("new", "--reference", "other.json"), "other.json is no reference of a gate: it lacks score"),
        (("new", "--reference", "nan.json"), "nan.json holds no score but NaN for one/0 by msa"),
        (("nan", "--reference", "r.json"), "of one/0 by msa in nan is not a number but NaN"),
        (("nan", "--write-reference", "x.json"), "of one/0 by msa in nan is not a number but NaN"),
        (("fewer", "--reference", "r.json"), "differ in what msa was scored on: one/19"),
        (("rag", "--reference", "r.json"), "rag has no answers of msa"),
        (("new", "--reference", "r.json", "--accept", "adaptor"), "named 'adaptor'; did you mean adapter"),
        (("new", "--reference", "r.json", "--tolerance", "0"), "A tolerance of 0 points is none"),
        (("new", "--reference", "r.json", "--score", "f1"), "--score belongs to --write-reference"),
        (("new", "--write-reference", "x.json", "--score", "f2"), "no score of the run named 'f2'"),
        (("new", "--reference", "r.json", "--junit", "new"), "The gate's report new cannot be written"),
    ):
        status, out, err = command("gate", *arguments)
        assert (status, out, err.count("\n")) == (2, "", 1), arguments
        assert hint in err
    assert not Path("x.json").exists()


def test_the_projects_reference_belongs_to_its_configuration() -> None:
    content = json.loads((ROOT / "results/reference/ci.json").read_text())
    config = make_config(ROOT / "configs/ci.yaml", {})
    assert content["config"] == config.identity()
    assert content["config_sha256"] == config.sha256()
    card = json.loads((ROOT / "msa_bench/weights/adapter.json").read_text())
    assert content["systems"]["msa"]["adapter_files"] == card["files"]
