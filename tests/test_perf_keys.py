from __future__ import annotations

import json
from typing import Any

import pytest
import tiny
from toys import ToyCorpus

from msa_bench.cli import main
from msa_bench.contracts import Dataset, Question, SystemRequest
from msa_bench.errors import UserError
from msa_bench.memory.keys import RoutingKeys
from msa_bench.performance import keys as measured_keys
from msa_bench.performance.keys import perf_keys, render_keys
from msa_bench.system import MSASystem

TEXTS = tuple(f"Box {number} was left at mile {number * 37} by the crew of ship {number % 7}." for number in range(90))
QUESTIONS = (
    Question("first", "Where was box 3 left?", ("111",), own_ids=(3,), replaced_ids=(80,)),
    Question("second", "Who left box 5?", ("ship 5",), own_ids=(5,), replaced_ids=(81,)),
)
DATASET = Dataset(ToyCorpus(TEXTS, private_ids=(3, 5)), QUESTIONS, ())


@pytest.fixture(scope="module")
def asking(tmp_path_factory: pytest.TempPathFactory) -> SystemRequest:
    directory = tiny.write_checkpoint(tmp_path_factory.mktemp("keys") / "model")
    return SystemRequest(str(directory), "cpu", "float32", max_answer_tokens=4)


@pytest.fixture(scope="module")
def found(asking: SystemRequest) -> dict[str, Any]:
    return perf_keys(asking.model, DATASET, device="cpu", dtype="float32")


def test_all_that_is_selected_in_every_layer_and_round_is_counted(asking: SystemRequest, found: dict[str, Any]) -> None:
    own = MSASystem(asking)
    own.index(DATASET.corpus)
    # A question is routed once more than it has rounds, unless its answer was asked for by a bound.
    rounds = [answer.rounds for answer in own.answer(QUESTIONS)]
    layers, k = len(own.describe()["router_layers"]), found["top_k"]
    assert found["questions"] == 2
    assert found["rounds"] == sum(rounds)
    for row in found["rows"]:
        assert row["selected"] % (layers * k) == 0
        assert row["selected"] >= layers * k * sum(rounds)


def test_eight_bits_select_nearly_the_same_and_more_of_it_once_rescored(found: dict[str, Any]) -> None:
    assert [row["keys"] for row in found["rows"]] == ["fp8", "int8"]
    for row in found["rows"]:
        assert 0.8 < row["selected_same"] <= row["selected_same_rescored"] <= 1
    assert found["rows"][1]["selected_same_rescored"] == 1
    lines = render_keys(found).splitlines()
    assert len(lines) == 3
    assert f"{found['rows'][0]['selected_same']:.2%}" in lines[1]


def test_keys_that_are_not_the_models_select_something_else(
    asking: SystemRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measured_keys, "in_kind", lambda exact, kind: RoutingKeys(-exact))
    for row in perf_keys(asking.model, DATASET, device="cpu", dtype="float32")["rows"]:
        assert row["selected_same"] < 0.5


def test_keys_of_other_than_8_bits_are_refused(asking: SystemRequest) -> None:
    with pytest.raises(UserError, match="no kind of 8-bit keys named 'bf16'"):
        perf_keys(asking.model, DATASET, ("bf16",))


def test_the_command_asks_the_questions_of_a_task(asking: SystemRequest, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([
            "perf", "keys", "--model", asking.model, "--subtask", "niah_single_2", "--length", "2K", "--samples", "1",
            "--keys", "int8", "--device", "cpu", "--dtype", "float32", "--json",
        ])  # fmt: skip
    assert not stopped.value.code
    result = json.loads(capsys.readouterr().out)
    assert (result["perf"], result["task"], result["subtask"]) == ("keys", "niah", "niah_single_2")
    assert (result["length_tokens"], result["questions"]) == (2048, 1)
    assert [row["keys"] for row in result["rows"]] == ["int8"]
