from __future__ import annotations

import json
from typing import Any

import pytest
import tiny

from msa_bench.cli import main
from msa_bench.errors import UserError
from msa_bench.performance.decode import perf_decode, render_decode


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.write_checkpoint(tmp_path_factory.mktemp("perf") / "model"))


@pytest.fixture(scope="module")
def measured(checkpoint: str) -> dict[str, Any]:
    sizes = {"queries": 3, "prompt_tokens": 12, "new_tokens": 6, "repeats": 3}
    return perf_decode(checkpoint, device="cpu", dtype="float32", **sizes)


def test_both_sides_write_the_same_tokens(measured: dict[str, Any]) -> None:
    assert measured["same_tokens"] == 1.0


def test_rates_and_ratio_follow_from_the_seconds(measured: dict[str, Any]) -> None:
    [row] = measured["rows"]
    assert row.items() <= measured.items()
    assert measured["median_seconds"] == sorted(measured["seconds"])[1]
    assert measured["tokens_per_second"] == pytest.approx(18 / measured["median_seconds"])
    assert measured["ratio_vs_transformers"] == pytest.approx(
        measured["transformers_median_seconds"] / measured["median_seconds"]
    )
    assert {"hardware", "versions", "seed", "device"} <= set(measured)
    assert f"{measured['ratio_vs_transformers']:.2f} times as fast" in render_decode(measured)


def test_the_command_prints_one_object(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--queries", "2", "--prompt-tokens", "5", "--new-tokens", "3", "--repeats", "1"]
    with pytest.raises(SystemExit) as stopped:
        main(["perf", "decode", "--model", checkpoint, *sizes, "--device", "cpu", "--json"])
    assert not stopped.value.code
    result = json.loads(capsys.readouterr().out)
    assert (result["perf"], result["queries"], result["new_tokens"]) == ("decode", 2, 3)


def test_nothing_to_write_is_refused(checkpoint: str) -> None:
    with pytest.raises(UserError, match="--new-tokens and --repeats are at least 1"):
        perf_decode(checkpoint, new_tokens=0)
