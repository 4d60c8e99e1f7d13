from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from msa_bench.cli import main
from msa_bench.errors import UserError
from msa_bench.memory import reference
from msa_bench.memory.plan import Budget
from msa_bench.memory.routing import document_scores
from msa_bench.model.config import MSAConfig
from msa_bench.performance.released import released_scores
from msa_bench.performance.routing import perf_routing, render_routing
from msa_bench.performance.shapes import SHAPES, document_counts
from msa_bench.performance.storage import perf_storage, render_storage


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    return perf_routing("smollm2-135m", 20_000, ("bf16", "fp8", "int8"), 2, 5, 3, "cpu", "float32")


def test_every_kind_of_keys_has_a_row_with_what_was_measured(measured: dict[str, Any]) -> None:
    assert [row["keys"] for row in measured["rows"]] == ["bf16", "fp8", "int8"]
    features, chunks = 3 * 64, 20_000 // 64
    assert [row["bytes"] for row in measured["rows"]] == [4 * chunks * features] + [chunks * (features + 4)] * 2
    for row in measured["rows"]:
        assert len(row["seconds"]) == measured["repeats"] == 3
        assert row["ratio_vs_reference"] == pytest.approx(row["reference_median_seconds"] / row["median_seconds"])
        assert row["ratio_to_floor"] == pytest.approx(row["median_seconds"] / row["floor_seconds"])
        assert min(row["seconds"]) > 0
    assert "random" in measured["notes"][0]
    json.dumps(measured)
    assert len(render_routing(measured).splitlines()) == 5


def test_float32_selects_what_float32_selects_and_rescoring_brings_8_bits_there(measured: dict[str, Any]) -> None:
    exact, *bytes_ = measured["rows"]
    assert exact["selected_same"] == 1
    for row in bytes_:
        assert row["selected_same"] > 0.8
        assert row["selected_same_rescored"] == 1


def test_the_released_algorithm_gives_the_scores_of_the_definition(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = torch.Generator().manual_seed(1)
    queries, keys = torch.randn(2, 6, 5, 8, generator=chance), torch.randn(40, 3, 8, generator=chance)
    offsets, msa = torch.tensor([0, 3, 4, 20, 40]), MSAConfig(router_layers=(0,))
    wanted = document_scores(queries, torch.ones(2, 5, dtype=torch.bool), keys, offsets, msa, "reference")
    monkeypatch.setattr("msa_bench.performance.released.SLICE_CHUNKS", 7)
    torch.testing.assert_close(released_scores(queries, keys, offsets, msa), wanted)
    assert reference.SLICE_CHUNKS == 16_384


@pytest.mark.parametrize("length", [64, 1000, 123_456])
def test_documents_make_the_length(length: int) -> None:
    counts = document_counts(length, torch.Generator().manual_seed(0))
    assert counts.sum() == length // 64
    assert set(counts.tolist()) <= {1, 2, 3}


def test_shapes_route_in_the_latter_half() -> None:
    msa = SHAPES["qwen3-4b"].config().msa
    assert msa is not None
    assert msa.router_layers == tuple(range(18, 36))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"shape": "qwen3-4"}, "did you mean qwen3-4b"),
        ({"keys": ("fp4",)}, "There is no kind of keys named 'fp4'"),
        ({"queries": 0}, "whole numbers from 1"),
        ({"length": 10}, "holds no chunk"),
        ({"length": 10**12}, "take a shorter --length"),
    ],
)
def test_what_cannot_be_measured_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=said):
        perf_routing(**({"shape": "smollm2-135m", "length": 10_000, "device": "cpu"} | settings))


def test_the_command_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(("perf", "routing", "--shape", "smollm2-135m", "--length", "16K", "--repeats", "1", "--json"))
    assert not stopped.value.code
    assert json.loads(capsys.readouterr().out)["ratio_vs_reference"] > 0


def test_two_processes_select_what_one_selects_and_print_once() -> None:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--no-python"]
    program = [sys.executable, "-c", "from msa_bench.cli import main; main()"]
    command = ["perf", "routing", "--shape", "smollm2-135m", "--length", "64K", "--repeats", "1"]
    command += ["--keys", "bf16,int8", "--device", "cpu", "--json"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run([*launcher, *program, *command], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    for row in json.loads(done.stdout)["rows"]:
        assert row["processes"] == 2
        assert row["processes_selected_same"] == 1
        assert row["ratio_vs_one_process"] == pytest.approx(row["median_seconds"] / row["processes_median_seconds"])


@pytest.mark.parametrize(
    ("budget", "keys", "content"),
    [
        (Budget(), "exact", "exact"),
        (Budget(host=2_000_000), "exact", "int8"),
        (Budget(host=700_000), "int8", "int8"),
    ],
)
def test_storage_is_measured_in_every_tier_and_over_all_layers(
    tmp_path: Path, budget: Budget, keys: str, content: str
) -> None:
    saved = None if budget.host else tmp_path
    found = perf_storage("smollm2-135m", 20_000, budget, 3, 2, 5, 2, "cpu", "float32", directory=saved)
    assert (found["keys"], found["content_as"]) == (keys, content)
    key_bytes = 4 * 192 if keys == "exact" else 192 + 4
    each = key_bytes + 2 * (4 * 192 if content == "exact" else 192 + 3 * 4)
    assert found["keys_bytes"] == (20_000 // 64) * 3 * key_bytes
    assert found["bank_bytes"] == found["device_bytes"]
    assert found["device_bytes"] == (20_000 // 64) * 3 * each
    names = [row["what"] for row in found["rows"]]
    assert names == ["route", "route and fetch"] + ([] if budget.host else ["save", "open"])
    assert len(render_storage(found).splitlines()) == 2 + len(names)
    json.dumps(found)


def test_a_memory_no_budget_holds_is_refused() -> None:
    with pytest.raises(UserError, match="tokens would fit"):
        perf_storage("qwen3-4b", 10**8, Budget(host=10**9), device="cpu")
