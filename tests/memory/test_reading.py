from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import tiny
import torch
from toys import CrashingCorpus, ToyCorpus

from msa_bench.contracts import Document
from msa_bench.errors import UserError
from msa_bench.memory import encode, reading
from msa_bench.memory.encode import encode_corpus
from msa_bench.memory.reading import Window, automatic_workers, windows

LONG = ToyCorpus(tuple(f"Document {number} says {'word ' * (number % 29)}." for number in range(100)))


def listed(found: list[Window]) -> list[tuple[list[int], list[int]]]:
    return [(window.tokens.tolist(), window.lengths.tolist()) for window in found]


@pytest.mark.parametrize("first", [0, 37])
def test_workers_make_the_windows_this_process_would_make(first: int) -> None:
    alone = list(windows(LONG, tiny.tokenizer(), 7, 0, range(first, 100)))
    assert listed(list(windows(LONG, tiny.tokenizer(), 7, 2, range(first, 100)))) == listed(alone)
    assert sum(len(window.lengths) for window in alone) == 100 - first


def test_the_bank_does_not_depend_on_the_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "WINDOW", 16)
    alone = encode_corpus(tiny.model(), LONG, workers=0)
    together = encode_corpus(tiny.model(), LONG, workers=2)
    assert torch.equal(alone.offsets, together.offsets)
    for layer in alone.msa.router_layers:
        for part in ("keys", "values", "routing_keys"):
            assert torch.equal(getattr(alone.pooled(layer), part), getattr(together.pooled(layer), part))


def test_a_corpus_that_cannot_be_sent_is_read_here(monkeypatch: pytest.MonkeyPatch) -> None:
    class Local(ToyCorpus):
        def __getitem__(self, document_id: int, /) -> Document:
            return Document(document_id, f"made in {os.getpid()}")

    assert listed(list(windows(Local(("",) * 9), tiny.tokenizer(), 4, 2, range(9)))) == listed(
        list(windows(Local(("",) * 9), tiny.tokenizer(), 4, 0, range(9)))
    )
    monkeypatch.setattr(reading, "SENT_BYTES", 10)
    monkeypatch.setattr(reading, "ProcessPoolExecutor", lambda *_, **__: pytest.fail("a worker was started"))
    list(windows(LONG, tiny.tokenizer(), 50, 2, range(100)))


def test_a_worker_that_dies_is_an_error_not_a_wait() -> None:
    with pytest.raises(UserError, match="ended before its work was done"):
        list(windows(CrashingCorpus(("fine",) * 50, crash="exit"), tiny.tokenizer(), 5, 2, range(50)))


@pytest.mark.slow
def test_workers_that_end_as_they_start_are_an_error_not_a_wait(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"  # every worker would begin by running it, and ends with an error
    script.write_text(
        "import tiny, toys; from msa_bench.memory.reading import windows\n"
        "long = toys.ToyCorpus(('text ' * 100_000,) * 4)\n"
        "list(windows(long, tiny.tokenizer(), 1, 2, range(4)))\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(tiny.__file__).parent), *sys.path])}
    ended = subprocess.run(
        [sys.executable, script], capture_output=True, env=environment, timeout=120, check=False, text=True
    )
    assert "UserError: A process that reads documents ended before its work was done" in ended.stderr


def test_what_a_document_raises_is_raised_here() -> None:
    with pytest.raises(UserError, match="document 25 is broken"):
        list(windows(CrashingCorpus(("fine",) * 50, crash="raise"), tiny.tokenizer(), 5, 2, range(50)))


@pytest.mark.slow
def test_workers_do_not_outlive_a_main_process_that_is_killed() -> None:
    script = (
        "import tiny, toys, time; from msa_bench.memory.reading import windows\n"
        "if __name__ == '__main__':\n"
        "    made = windows(toys.ToyCorpus(('text',) * 1000), tiny.tokenizer(), 1, 2, range(1000))\n"
        "    next(made); print('begun', flush=True); time.sleep(600)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(tiny.__file__).parent), *sys.path])}
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.send_signal(signal.SIGKILL)
        process.wait()
        _, alive = psutil.wait_procs(children, timeout=30)
        assert not alive


@pytest.mark.parametrize(
    ("device", "cores", "documents", "expected"),
    [
        ("cuda", 6, 10**6, 4),
        ("cuda", 128, 10**6, reading.MOST_WORKERS),
        ("cuda", 1, 10**6, 0),
        ("cuda", 16, 500, 0),
        ("cpu", 16, 10**6, 0),
    ],
)
def test_a_gpu_gets_some_cores_and_a_cpu_keeps_them(
    monkeypatch: pytest.MonkeyPatch, device: str, cores: int, documents: int, expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(cores), raising=False)
    assert automatic_workers(device, documents, 2048) == expected
