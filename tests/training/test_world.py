from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from toy_training import adapter_of, curves, stage

from msa_bench.training.loop import train
from msa_bench.training.settings import TrainingSettings
from msa_bench.training.world import World

Settings = Callable[..., TrainingSettings]

SCRIPT = """
import json, sys
from pathlib import Path
import pytest
from safetensors.torch import save_file

sys.path.insert(0, sys.argv[1])
import toy_training
from msa_bench.training import loop
from msa_bench.training.settings import TrainingSettings
from msa_bench.training.world import World

directory, drawn, adapters = Path(sys.argv[2]), {}, []
toy_training.make_small(pytest.MonkeyPatch())
make, adapter = loop.batch_number, loop.Adapter

def batch_number(*arguments):
    batch = make(*arguments)
    drawn[arguments[-1]] = [batch.tokens, batch.ids.tolist()]
    return batch

def kept(*arguments):
    adapters.append(adapter(*arguments))
    return adapters[-1]

loop.batch_number, loop.Adapter = batch_number, kept
loop.train(TrainingSettings.model_validate_json((directory / "settings.json").read_text()))
world = World.join()
save_file(adapters[0].state_dict(), directory / f"rank-{world.rank}.safetensors")
(directory / f"rank-{world.rank}.json").write_text(json.dumps(drawn))
"""


def trained_by_two(directory: Path, settings: TrainingSettings) -> None:
    """Train as `settings` say in two processes, which leave what they drew and ended with in `directory`."""
    directory.mkdir()
    (directory / "settings.json").write_text(settings.model_dump_json())
    (directory / "script.py").write_text(SCRIPT)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    arguments = [str(directory / "script.py"), str(Path(__file__).parents[1]), str(directory)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "GLOO_SOCKET_IFNAME": "lo"}
    ended = subprocess.run([*launcher, *arguments], env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_two_processes_train_one_adapter_on_batches_of_their_own(settings: Settings, tmp_path: Path) -> None:
    run = settings(stage(steps=3), log_every=1, save_every=2)
    trained_by_two(tmp_path / "two", run)
    first, second = (load_file(tmp_path / "two" / f"rank-{rank}.safetensors") for rank in (0, 1))
    assert first.keys() == second.keys()
    assert all(torch.equal(tensor, second[name]) for name, tensor in first.items())

    drawn: list[dict[str, Any]] = [json.loads((tmp_path / "two" / f"rank-{rank}.json").read_text()) for rank in (0, 1)]
    assert [list(each) for each in drawn] == [["0", "2", "4"], ["1", "3", "5"]]
    every = drawn[0] | drawn[1]
    assert len({str(ids) for _, ids in every.values()}) == 6

    rows = curves(run.out)
    assert [row["step"] for row in rows] == ["1", "2", "3"], "one of them writes"
    assert int(rows[-1]["tokens"]) == sum(tokens for tokens, _ in every.values()), "tokens are those of both"

    written = adapter_of(run.out)
    for name, tensor in written.items():
        assert torch.equal(tensor, first[name].to(tensor.dtype))
    alone = adapter_of(train(settings(stage(steps=3), out=tmp_path / "alone")))
    assert not all(torch.equal(tensor, alone[name]) for name, tensor in written.items()), "both have a say"


def test_a_process_alone_is_a_world_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    world = World.join()
    values = torch.tensor([1.0, 2.0])
    world.average(values)
    world.wait()
    assert values.tolist() == [1.0, 2.0]
    assert world.agree(1.5, 7) == (1.5, 7)
    assert world.leads
