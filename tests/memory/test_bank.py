from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch

from msa_bench.errors import UserError
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_corpus
from msa_bench.memory.files import load_bank, save_bank
from msa_bench.model.passes import Pooled

CPU = torch.device("cpu")


@pytest.fixture
def saved(tmp_path: Path) -> tuple[MemoryBank, Path]:
    bank = encode_corpus(tiny.model(), tiny.corpus())
    save_bank(bank, tmp_path / "bank", bank.identity("abc"))
    return bank, tmp_path / "bank"


def load(directory: Path, sha256: str = "abc") -> MemoryBank:
    config = tiny.model().config
    return load_bank(directory, config, CPU, MemoryBank(config, CPU, torch.float32).identity(sha256))


def assert_equal(one: MemoryBank, other: MemoryBank) -> None:
    assert torch.equal(one.offsets, other.offsets)
    assert (one.tokens, one.documents, one.chunks) == (other.tokens, other.documents, other.chunks)
    for layer in one.msa.router_layers:
        for part in ("keys", "values", "routing_keys"):
            assert torch.equal(getattr(one.pooled(layer), part), getattr(other.pooled(layer), part))


def test_a_saved_bank_loads_as_it_was(saved: tuple[MemoryBank, Path]) -> None:
    bank, directory = saved
    assert_equal(load(directory), bank)


def test_a_loaded_bank_can_be_saved_again(saved: tuple[MemoryBank, Path], tmp_path: Path) -> None:
    bank, directory = saved
    save_bank(load(directory), tmp_path / "again", bank.identity("abc"))
    assert_equal(load(tmp_path / "again"), bank)


def test_a_bank_is_stored_as_safetensors_and_json_alone(saved: tuple[MemoryBank, Path]) -> None:
    _, directory = saved
    assert {path.suffix for path in directory.iterdir()} == {".safetensors", ".json"}


def flip_last_byte(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda bank: (bank / "index.json").unlink(), "no index.json"),
        (lambda bank: (bank / "layer-03.keys.safetensors").unlink(), "lacks its file layer-03.keys.safetensors"),
        (lambda bank: flip_last_byte(bank / "layer-02.content.safetensors"), "was altered"),
        (lambda bank: flip_last_byte(bank / "documents.safetensors"), "was altered"),
        (lambda bank: (bank / "index.json").write_text('{"format": 1, '), "index.json"),
        (lambda bank: (bank / "index.json").write_text("{}"), "index.json"),
    ],
)
def test_a_damaged_bank_is_refused(saved: tuple[MemoryBank, Path], damage: Callable[[Path], None], said: str) -> None:
    _, directory = saved
    damage(directory)
    with pytest.raises(UserError, match=said):
        load(directory)


def test_a_bank_whose_index_leaves_out_a_file_is_refused(saved: tuple[MemoryBank, Path]) -> None:
    _, directory = saved
    index = json.loads((directory / "index.json").read_text())
    del index["files"]["layer-03.keys.safetensors"]
    (directory / "index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"layer-03\.keys\.safetensors"):
        load(directory)


def test_a_bank_of_another_model_is_refused(saved: tuple[MemoryBank, Path]) -> None:
    _, directory = saved
    with pytest.raises(UserError, match="another model: its model_sha256 is abc, not def"):
        load(directory, "def")
    other = tiny.model(chunk_tokens=8)
    with pytest.raises(UserError, match="chunk_tokens is 4, not 8"):
        load_bank(directory, other.config, CPU, MemoryBank(other.config, CPU, torch.float32).identity("abc"))


def test_a_bank_grows_without_losing_what_it_holds() -> None:
    config = tiny.model().config
    bank, chance = MemoryBank(config, CPU, torch.float32), torch.Generator().manual_seed(0)
    written = []
    for documents in (700, 700, 2000):
        rows = bank.reserve(torch.ones(documents, dtype=torch.int64), documents * 4)
        kept = {layer: Pooled(*(torch.randn(documents, 2, 8, generator=chance) for _ in range(3))) for layer in (2, 3)}
        bank.write(torch.arange(rows, rows + documents), kept)
        written.append(kept)
    assert (bank.documents, bank.chunks, bank.tokens) == (3400, 3400, 13600)
    for layer in (2, 3):
        assert torch.equal(bank.pooled(layer).keys, torch.cat([one[layer].keys for one in written]))
        assert torch.equal(bank.routing_keys(layer), torch.cat([one[layer].routing_keys for one in written]))


def test_a_bank_of_a_model_without_memory_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="memory attention"):
        MemoryBank(replace(tiny.model().config, msa=None), CPU, torch.float32)
