from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from toys import ToyCorpus

from msa_bench.contracts import Question, SystemRequest
from msa_bench.errors import UserError
from msa_bench.memory.parallel import Group, part_of
from msa_bench.system import MSASystem

TEXTS = tuple(
    f"Box number {number} has the code {number * 7919}. {'And so on. ' * (number % 5)}" for number in range(40)
)

SCRIPT = """
import json, os, sys, time
from msa_bench.contracts import Question, SystemRequest
from msa_bench.errors import UserError
from msa_bench.memory import encode
from msa_bench.system import MSASystem
from toys import CrashingCorpus, ToyCorpus

model, texts, window, crash = json.loads(sys.argv[1])
encode.WINDOW = window
corpus = CrashingCorpus(tuple(texts), crash=crash) if crash else ToyCorpus(tuple(texts), private_ids=(3, 30))
system = MSASystem(SystemRequest(model, device="cpu", dtype="float32", max_answer_tokens=6))
try:
    report = system.index(corpus)
except UserError as error:
    print(error)
    sys.exit(2)
print("indexed", flush=True)
if os.environ.get("WAITS") == os.environ.get("RANK"):
    time.sleep(600)
questions = [Question(str(n), f"What is the code of box {n}?", ("x",), own_ids=(n,)) for n in (3, 30)]
answers = [[a.question_id, a.text, a.documents, a.ranking, a.rounds] for a in system.answer(questions)]
print(json.dumps([report.documents, report.tokens, report.bytes, answers]))
"""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.write_checkpoint(tmp_path_factory.mktemp("parallel") / "model"))


def start(checkpoint: str, size: int, window: int = 8, crash: str = "", **environment: str) -> list[Any]:
    """Processes of one group, as torchrun starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = os.pathsep.join([str(Path(tiny.__file__).parent), *sys.path])
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, json.dumps([checkpoint, TEXTS, window, crash])],
            env=os.environ | shared | environment | {"RANK": str(rank), "PYTHONPATH": paths},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]


def outputs(processes: list[Any]) -> list[tuple[int, str, str]]:
    found = []
    for process in processes:
        out, error = process.communicate(timeout=120)
        found.append((process.returncode, out, error))
    return found


@pytest.mark.slow
def test_two_processes_and_one_give_the_same_selections_and_answers(checkpoint: str) -> None:
    """Slow: it starts five processes."""
    alone, *several = (outputs(start(checkpoint, size)) for size in (1, 2, 2))
    assert alone[0][0] == 0, alone[0][2]
    for processes in several:
        for status, out, error in processes:
            assert status == 0, error
            assert json.loads(out.splitlines()[-1]) == json.loads(alone[0][1].splitlines()[-1])


@pytest.mark.slow
def test_a_process_that_fails_ends_all_with_its_error(checkpoint: str) -> None:
    """Slow: it starts two processes."""
    for status, out, _ in outputs(start(checkpoint, 2, crash="raise")):
        assert status == 2
        assert "document 25 is broken" in out


@pytest.mark.slow
def test_a_process_that_is_killed_ends_all(checkpoint: str) -> None:
    """Slow: it starts two processes."""
    processes = start(checkpoint, 2, WAITS="1")
    assert processes[1].stdout.readline() == "indexed\n"
    processes[1].send_signal(signal.SIGKILL)
    (status, _, error), _ = outputs(processes)
    assert status not in (0, None)
    assert "Another process of this run has ended" in error


def test_parts_are_all_documents_once_and_end_with_windows() -> None:
    for documents, size, window in [(40, 2, 8), (41, 3, 8), (5, 2, 8), (3, 3, 100), (100, 7, 10)]:
        parts = [part_of(Group(rank, size), documents, window) for rank in range(size)]
        assert [number for part in parts for number in part] == list(range(documents))
        assert all(parts)
        if documents >= window * size:
            assert all(part.stop % window == 0 for part in parts[:-1])


def test_fewer_documents_than_processes_are_refused() -> None:
    with pytest.raises(UserError, match="3 documents cannot be spread over 4 processes"):
        part_of(Group(0, 4), 3, 8)


def test_without_a_launcher_there_is_one_process(checkpoint: str) -> None:
    one = MSASystem(SystemRequest(checkpoint, device="cpu", dtype="float32", max_answer_tokens=2))
    assert one.group == Group(0, 1)
    one.index(ToyCorpus(("one", "two")))
    assert [answer.question_id for answer in one.answer([Question("q", "What?", ("x",))])] == ["q"]
