from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch

from msa_bench.cli import main
from msa_bench.errors import UserError
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.reading import Window
from msa_bench.performance import encode, shapes
from msa_bench.performance.encode import make_documents, perf_encode, render
from msa_bench.performance.timing import alternate


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.write_checkpoint(tmp_path_factory.mktemp("perf") / "model"))


@pytest.fixture(scope="module")
def measured(checkpoint: str) -> dict[str, Any]:
    return perf_encode(checkpoint, 700, "cpu", "float32", repeats=3)


def test_both_sides_read_every_token_of_the_same_documents(checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = [], []
    encode_tokens = encode.encode_tokens

    def read(model: Any, bank: MemoryBank, documents: Any) -> Any:
        yield from encode_tokens(model, bank, documents)
        ours.append((bank.documents, bank.tokens))

    memory = encode.load_memory_model(checkpoint, "cpu", "float32")
    documents = make_documents(700, memory.config.vocab_size, seed=0)
    from transformers import Qwen3Model

    forward = Qwen3Model.forward

    def counted(self: Any, input_ids: Any, attention_mask: Any, **rest: Any) -> Any:
        assert not rest["use_cache"]
        assert self.config._attn_implementation == "sdpa"
        assert self.dtype == torch.float32
        theirs.append((len(input_ids), int(attention_mask.sum())))
        return forward(self, input_ids=input_ids, attention_mask=attention_mask, **rest)

    monkeypatch.setattr(encode, "encode_tokens", read)
    monkeypatch.setattr(Qwen3Model, "forward", counted)
    encode._encode(memory, [Window.of(documents)], 700)
    encode._transformers(memory, documents, None)()
    assert ours == [(len(documents), 700)]
    assert (sum(rows for rows, _ in theirs), sum(tokens for _, tokens in theirs)) == ours[0]
    assert max(rows for rows, _ in theirs) <= 16


def test_the_result_holds_what_was_measured_and_on_what(measured: dict[str, Any], checkpoint: str) -> None:
    [row] = measured["rows"]
    assert row.items() <= measured.items()
    assert measured["model"] == checkpoint
    assert measured["tokens"] == 700
    assert measured["dtype"] == "float32"
    assert measured["repeats"] == len(measured["seconds"]) == len(measured["transformers_seconds"]) == 3
    assert measured["median_seconds"] == sorted(measured["seconds"])[1]
    assert measured["tokens_per_second"] == pytest.approx(700 / measured["median_seconds"])
    assert measured["ratio_vs_transformers"] == pytest.approx(
        measured["tokens_per_second"] / measured["transformers_tokens_per_second"]
    )
    assert measured["ratio_to_floor"] == pytest.approx(measured["median_seconds"] / measured["floor_seconds"])
    assert {"cpu", "cores", "gpus"} <= measured["hardware"].keys()
    assert measured["versions"]["torch"] == torch.__version__
    assert json.loads(json.dumps(measured)) == measured


def test_the_floor_counts_the_weights_below_the_last_routing_key(measured: dict[str, Any]) -> None:
    hidden, wide, narrow, inner = 32, 32, 16, 48
    layer = hidden * wide + 2 * hidden * narrow + wide * hidden + 3 * hidden * inner
    weights = 3 * layer + 2 * hidden * narrow
    flops = measured["matmul_flops_per_second"] * measured["floor_seconds"]
    assert flops == pytest.approx(2 * weights * 700)


def test_the_text_says_both_rates_and_their_ratio(measured: dict[str, Any]) -> None:
    text = render(measured)
    assert f"{measured['tokens_per_second']:,.0f} tokens/s" in text
    assert f"{measured['transformers_tokens_per_second']:,.0f} tokens/s" in text
    assert f"{measured['ratio_vs_transformers']:.2f} times" in text


def test_the_command_prints_one_object(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = (
        "perf",
        "encode",
        "--model",
        checkpoint,
        "--tokens",
        "1K",
        "--repeats",
        "1",
        "--device",
        "cpu",
        "--json",
    )
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert not stopped.value.code
    assert json.loads(capsys.readouterr().out)["tokens"] == 1024


def test_documents_vary_in_length_as_passages_do() -> None:
    lengths = [len(one) for one in make_documents(200_000, 300, seed=1)]
    assert sum(lengths) == 200_000
    assert all(20 <= length <= 400 for length in lengths[:-1])
    assert 400 in lengths
    assert 120 < sorted(lengths)[len(lengths) // 2] < 140
    assert make_documents(5000, 300, seed=1) == make_documents(5000, 300, seed=1)
    assert make_documents(5000, 300, seed=1) != make_documents(5000, 300, seed=2)


def test_sides_take_turns_after_a_warm_up() -> None:
    order: list[str] = []
    ways = {name: lambda name=name: order.append(name) for name in "AB"}
    seconds = alternate(ways, 3, torch.device("cpu"))
    assert "".join(order) == "AB" + "AB" * 3
    assert [len(seconds[name]) for name in "AB"] == [3, 3]


@pytest.mark.parametrize(("tokens", "repeats", "said"), [(5, 3, "--tokens 5"), (1000, 0, "--repeats 0")])
def test_a_measurement_of_nothing_is_refused(checkpoint: str, tokens: int, repeats: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        perf_encode(checkpoint, tokens, repeats=repeats)


def test_a_checkpoint_in_the_released_format_is_measured_too(tmp_path: Path) -> None:
    directory = tiny.write_checkpoint(tmp_path / "released", released={"router_layer_idx": "2,3"})
    assert perf_encode(str(directory), 200, "cpu", "float32", repeats=1)["tokens"] == 200


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_a_shape_is_measured_with_random_weights(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(shapes.SHAPES, "small", shapes.Shape(family, 4, 4, 2, 8, 32, 48, 300))
    found = perf_encode("unused", 300, "cpu", "float32", repeats=1, shape="small")
    assert (found["model"], found["weights"], found["tokens"]) == ("small", "random", 300)
    assert found["tokens_per_second"] > 0


def test_of_a_long_memory_transformers_reads_the_beginning(checkpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "COMPARED", 400)
    found = perf_encode(checkpoint, 2000, "cpu", "float32", repeats=1)
    assert 400 <= found["transformers_tokens"] < 800
    theirs = found["transformers_tokens"] / found["transformers_median_seconds"]
    assert found["transformers_tokens_per_second"] == pytest.approx(theirs)
    assert found["ratio_vs_transformers"] == pytest.approx(found["tokens_per_second"] / theirs)


def test_what_is_measured_shows_on_stderr(checkpoint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["perf", "encode", "--model", checkpoint, "--tokens", "300", "--repeats", "1", "--json"])
    out, err = capsys.readouterr()
    assert json.loads(out)["tokens"] == 300
    assert "making documents" in err
