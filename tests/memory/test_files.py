from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import tiny
import torch
from toys import ToyCorpus

from msa_bench.errors import UserError
from msa_bench.memory import encode, files
from msa_bench.memory.bank import MemoryBank
from msa_bench.memory.encode import encode_corpus
from msa_bench.memory.files import is_saved, load_bank
from msa_bench.model.backbone import Backbone

LONG = ToyCorpus(tuple(f"Document {number} says {'word ' * (number % 29)}." for number in range(100)))


class StoppedError(Exception):
    pass


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Backbone:
    monkeypatch.setattr(encode, "WINDOW", 10)
    monkeypatch.setattr(encode, "SAVED_WINDOWS", 2)
    return replace(tiny.model(), directory=tiny.write_checkpoint(tmp_path / "model"))


def stop_after(tokens: int) -> Callable[[str, int, int | None, str], None]:
    def progress(step: str, done: int, total: int | None, unit: str) -> None:
        if done > tokens:
            raise StoppedError

    return progress


def assert_equal(one: MemoryBank, other: MemoryBank) -> None:
    assert torch.equal(one.offsets, other.offsets)
    assert one.tokens == other.tokens
    for layer in one.layers:
        for part in ("keys", "values", "routing_keys"):
            assert torch.equal(getattr(one.pooled(layer), part), getattr(other.pooled(layer), part))


def test_an_encoding_with_a_directory_is_saved_and_then_only_opened(
    model: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = encode_corpus(model, LONG, directory=tmp_path / "bank")
    assert_equal(made, encode_corpus(model, LONG))
    assert is_saved(tmp_path / "bank")
    monkeypatch.setattr(encode, "windows", lambda *_, **__: pytest.fail("it was encoded again"))
    assert_equal(encode_corpus(model, LONG, directory=tmp_path / "bank"), made)


@pytest.mark.parametrize("tokens", [1, 2000, 3500])
@pytest.mark.parametrize("killed", [False, True])
def test_an_interrupted_encoding_goes_on_where_it_was(
    model: Backbone, tmp_path: Path, tokens: int, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        if killed:  # Nothing is tidied up then, and files reach beyond what was saved.
            saves = files.BankWriter.save
            patch.setattr(
                files.BankWriter, "save", lambda self: saves(self) if self._documents.rows % 20 == 0 else None
            )
        with pytest.raises(StoppedError):
            encode_corpus(model, LONG, stop_after(tokens), directory=tmp_path / "bank")
    if killed:
        for path in (tmp_path / "bank").glob("*.safetensors"):
            with path.open("ab") as file:
                file.write(b"left over")
    assert not is_saved(tmp_path / "bank")
    begun: list[int] = []
    whole = encode.windows
    monkeypatch.setattr(encode, "windows", lambda *a: begun.append(a[-1].start) or whole(*a))
    assert_equal(encode_corpus(model, LONG, directory=tmp_path / "bank"), encode_corpus(model, LONG))
    assert begun[0] > 0 or tokens == 1


def test_a_directory_of_another_text_or_way_of_reading_is_refused(model: Backbone, tmp_path: Path) -> None:
    encode_corpus(model, LONG, directory=tmp_path / "bank")
    with pytest.raises(UserError, match="of another text: its corpus is"):
        encode_corpus(model, ToyCorpus(LONG.texts[:50]), directory=tmp_path / "bank")
    with pytest.raises(UserError, match="its positions is document, not global"):
        encode_corpus(model, LONG, global_positions=True, directory=tmp_path / "bank")


def test_unfinished_files_of_another_text_or_cut_short_are_refused(model: Backbone, tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        encode_corpus(model, LONG, stop_after(3000), directory=tmp_path / "bank")
    with pytest.raises(UserError, match="of another text"):
        encode_corpus(model, ToyCorpus(LONG.texts[:50]), directory=tmp_path / "bank")
    (tmp_path / "bank" / "layer-02.keys.safetensors").write_bytes(b"short")
    with pytest.raises(UserError, match="was cut short"):
        encode_corpus(model, LONG, directory=tmp_path / "bank")


def test_running_out_of_memory_keeps_what_is_done(
    model: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes, document_pass = [0], encode.document_pass

    def sometimes(*arguments: object, **settings: object) -> object:
        passes[0] += 1
        if passes[0] > 5:
            raise torch.OutOfMemoryError
        return document_pass(*arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(encode, "document_pass", sometimes)
    with pytest.raises(UserError, match=r"ran out of memory after [\d,]+ tokens.*goes on from there"):
        encode_corpus(model, LONG, directory=tmp_path / "bank")
    monkeypatch.setattr(encode, "document_pass", document_pass)
    assert_equal(encode_corpus(model, LONG, directory=tmp_path / "bank"), encode_corpus(model, LONG))


def test_an_opened_bank_is_mapped_and_what_is_added_to_it_stays_off_its_files(model: Backbone, tmp_path: Path) -> None:
    made = encode_corpus(model, LONG, directory=tmp_path / "bank")
    identity = made.identity(model.sha256)
    opened = load_bank(tmp_path / "bank", model.config, model.device, identity)
    for _ in encode.encode_window(model, opened, [[1, 2, 3]] * 50):
        pass
    assert opened.documents == 150
    assert_equal(load_bank(tmp_path / "bank", model.config, model.device, identity), made)


def test_two_who_would_encode_the_same_bank_take_turns(model: Backbone, tmp_path: Path) -> None:
    corpus, directory = tiny.corpus(*(f"Box {number} is here." for number in range(50))), tmp_path / "bank"
    inside: list[int] = []

    def progress(step: str, done: int, total: int | None, unit: str) -> None:
        inside.append(threading.get_ident())

    with ThreadPoolExecutor(2) as pool:
        banks = list(pool.map(lambda _: encode_corpus(model, corpus, progress, directory=directory), range(2)))
    assert len(set(inside)) == 1, "the second opened what the first had encoded"
    for layer in banks[0].layers:
        assert torch.equal(banks[0].routing_keys(layer), banks[1].routing_keys(layer))
