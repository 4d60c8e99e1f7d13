from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# The toys are imported by name, in this process and in the ones that tests start.
sys.path.insert(0, str(Path(__file__).parent))

# Kernels are tested on the CPU; Triton decides whether to interpret when a kernel is defined.
os.environ["TRITON_INTERPRET"] = "1"

import toys

Command = Callable[..., tuple[int, str, str]]


def write_distribution(directory: Path, name: str, entry_points: str) -> None:
    """What an installer leaves behind for a package `name`, as far as finding its entry points goes."""
    info = directory / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def toys_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toy task and systems, found as another package's are; the path that makes them so."""
    place = tmp_path / "site"
    write_distribution(place, "toys", toys.ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(place))
    return place


@pytest.fixture
def command(
    toys_registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    """Run `msa-bench` in this process, in an empty directory and with a toy tokenizer: status, stdout, stderr."""
    import msa_bench.cli.run
    from msa_bench.cli import main

    monkeypatch.setattr(msa_bench.cli.run, "token_counter", lambda model: toys.count_words)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        written = capsys.readouterr()
        return int(str(stopped.value.code or 0)), written.out, written.err

    return run
