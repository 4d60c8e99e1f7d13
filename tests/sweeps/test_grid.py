from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import toys
from toy_sweeps import FACTORIES, grid

from msa_bench import registry
from msa_bench.errors import UserError
from msa_bench.sweeps.grid import cells, measuring, read_sweep

ROOT = Path(__file__).parents[2]


def test_a_block_is_a_product_and_an_ablation_holds_for_the_systems_that_know_it(tmp_path: Path) -> None:
    block = "  - {task: toy, length: [1K, 4K], system: [echo, ranked], seed: [1, 2], "
    block += "ablate: [none, {voice: [loud, quiet]}]}\n"
    found = grid(tmp_path, block, "samples: 3\n")
    assert len(found) == 2 * 2 * 3 + 2 * 2
    names = [cell.name for cell in found]
    assert len(set(names)) == len(names)
    assert "toy-4K-echo-voice=loud-s2" in names
    assert {(cell.config.samples, cell.questions, cell.corpora) for cell in found} == {(3, 6, 2)}
    assert found[0].config.directory() == Path("there/runs") / found[0].name


def test_settings_of_a_block_win_and_off_is_a_word(tmp_path: Path) -> None:
    block = "  - {task: toy, system: echo, samples: 1, subtask: toy_one, doc-tokens: 64, ablate: {voice: off}}\n"
    (one,) = grid(tmp_path, block, "samples: 3\nbatch_size: 2\n")
    assert (one.config.samples, one.config.batch_size, one.config.doc_tokens) == (1, 2, 64)
    assert one.config.ablate == {"voice": "off"}
    assert one.name == "toy_one-full-echo-voice=off-s42"


def test_runs_that_encode_the_same_share_a_bank_and_no_other(tmp_path: Path) -> None:
    block = "  - {task: toy, length: [1K, 2K], system: [encoder, echo], ablate: [none, {voice: loud}, {pitch: low}]}\n"
    found = {cell.name: cell for cell in grid(tmp_path, block)}
    plain, loud = found["toy-1K-encoder-s42"], found["toy-1K-encoder-voice=loud-s42"]
    assert plain.config.bank == loud.config.bank == Path("there/banks") / plain.group
    others = [cell for cell in found.values() if cell not in (plain, loud)]
    assert plain.group not in {cell.group for cell in others}
    assert found["toy-1K-encoder-pitch=low-s42"].config.bank is None, "nobody shares it"
    assert found["toy-1K-echo-voice=loud-s42"].config.bank is None, "an echo encodes nothing"
    kept = grid(tmp_path, block, "keep_banks: true\n")
    assert sum(cell.config.bank is not None for cell in kept) == 2 * 3


def test_seeds_share_a_bank_only_where_the_text_does_not_depend_on_them(tmp_path: Path) -> None:
    made = grid(tmp_path, "  - {task: toy, length: 1K, system: encoder, seed: [1, 2]}\n")
    assert made[0].group != made[1].group

    class Real(toys.ToyTask):
        bank_tokens, source = 7, "here"

        def available(self) -> str: ...
        def fetch(self, *_: Any) -> Path: ...
        def check(self, directory: Path) -> dict[str, int | str]: ...

    for length, shared in (("", True), ("length: 1K, ", False)):
        file = tmp_path / "real.yaml"
        file.write_text(f"out: o\ngrid: [{{task: toy, {length}system: encoder, seed: [1, 2]}}]\n")
        first, second = cells(read_sweep(file), lambda name: Real(), FACTORIES.__getitem__)
        assert (first.config.bank == second.config.bank is not None) is shared


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grid: [{task: toy}]\n", "out cannot be .*: field required"),
        ("out: x\n", "grid cannot be .*: field required"),
        ("out: x\ngrid: []\n", "grid cannot be"),
        ("out: x\ngrid: [toy]\n", r"grid.0 cannot be \"toy\": a block of the grid holds keys"),
        ("out: x\ngrid: [{task: toy, lenght: 1K}]\n", "named 'lenght'; did you mean length"),
        ("out: x\nsampels: 3\ngrid: [{task: toy}]\n", "named 'sampels'; did you mean samples"),
        ("out: x\ngrid: [{task: toy, out: y}]\n", "grid.0.out is decided by the sweep itself"),
        ("out: x\nbank: y\ngrid: [{task: toy}]\n", "bank is decided by the sweep itself"),
        ("out: x\nseed: 3\ngrid: [{task: toy}]\n", "seed belongs into a block of the grid"),
        ("out: x\ngrid: [{task: toy, seed: [a]}]\n", 'seed.0 cannot be "a"'),
        ("out: x\ngrid: [{task: toy, length: 1X}]\n", "'1X' is not a length"),
        ("out: x\ngrid: [{task: toy, ablate: [loud]}]\n", "'loud' is no ablation"),
        ("out: x\ngrid: [{task: toy, name: a/b}]\n", 'name cannot be "a/b"'),
        ("out: x\ngrid: [{task: toy, system: echo, samples: few}]\n", "samples cannot be 'few' in .*sweep.yaml"),
        ("out: x\ngrid: [{task: toy, system: echo, subtask: toy_two}]\n", "did you mean toy_one"),
        ("out: x\ngrid: [{task: toy, system: echo, ablate: {voise: loud}}]\n", "named 'voise'; did you mean voice"),
        ("out: x\ngrid: [{task: toy, system: encoder, ablate: {pitch: odd}}]\n", "pitch=odd is not known"),
        (
            "out: x\ngrid: [{task: toy, system: echo, samples: [1]}]\n",
            "samples cannot be",
        ),
        (
            "out: x\ngrid: [{task: toy, system: echo, samples: 1}, {task: toy, system: echo, samples: 2}]\n",
            "would be called toy-full-echo-s42, with samples = 1 and 2; give one of their blocks a name",
        ),
    ],
)
def test_a_bad_file_is_said_in_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=said) as raised:
        cells(read_sweep(file), lambda name: toys.ToyTask(), FACTORIES.__getitem__, f" in {file}")
    assert "\n" not in str(raised.value)


def test_a_name_tells_blocks_apart(tmp_path: Path) -> None:
    block = "  - {task: toy, system: echo, samples: 1}\n  - {task: toy, system: echo, samples: 2, name: two}\n"
    assert [cell.name for cell in grid(tmp_path, block)] == ["toy-full-echo-s42", "two-toy-full-echo-s42"]


def test_each_system_is_measured_once_per_task_and_briefly(tmp_path: Path) -> None:
    found = grid(
        tmp_path, "  - {task: toy, length: [1M, 2M], system: [encoder, echo], ablate: [none, {voice: loud}]}\n"
    )
    configs = measuring(found, Path("there"), lambda name: toys.ToyTask())
    assert [config.directory() for config in configs] == [
        Path("there/measure/toy-encoder"),
        Path("there/measure/toy-echo"),
    ]
    for config in configs:
        assert (config.length, config.samples, config.subtask, config.ablate) == (8192, 1, ("toy_one",), {})
        assert config.bank is None


SWEEPS = [path.name for path in sorted((ROOT / "configs").glob("*.yaml")) if "\ngrid:" in path.read_text()]


@pytest.mark.parametrize("file", SWEEPS)
def test_the_committed_sweeps_are_valid(file: str) -> None:
    found = cells(read_sweep(ROOT / "configs" / file), registry.make_task, registry.system_factory)
    assert len(found) > 10
    if file == "ablation.yaml":
        from msa_bench.ablations import HELP

        assert {key for cell in found for key in cell.config.ablate} == set(HELP)
