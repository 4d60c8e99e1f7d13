"""Training runs of seconds: short facts for the data, and a backbone of two layers whose routers find like tokens, if
badly (one that starts from nothing would need minutes)."""

from __future__ import annotations

import csv
from pathlib import Path
from random import Random
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import load_file
from torch import Tensor

from msa_bench.model.adapter import read_card
from msa_bench.model.backbone import Backbone
from msa_bench.model.checkpoint import load_decoder
from msa_bench.model.config import MSAConfig
from msa_bench.training import loop
from msa_bench.training.episodes import Episode, mix
from msa_bench.training.settings import TrainingSettings

MSA = MSAConfig(router_layers=(0, 1), chunk_tokens=16, top_k=2, trained=False)
LETTERS = "BCDFGHJKLMNPRSTV"


def box(rng: Random) -> Episode:
    """One fact that a tiny model can tell from the others: what is in box JJJJJJ."""
    one, other = rng.sample(LETTERS, 2)
    documents = tuple(f"{letter * 24} {ord(letter)}" for letter in (one, other))
    return Episode("fact", f"{one * 8}?", ((0,),), documents, str(ord(one)))


def load(model: str, device: str, dtype: str) -> Backbone:
    """In place of `load_untrained`."""
    decoder = load_decoder(Path(model), torch.device("cpu"), torch.float32, memory=True, msa=MSA)
    for layer in decoder.layers:
        query, key = (part[0].weight for part in (layer.self_attn.router_q_proj, layer.self_attn.router_k_proj))
        query.copy_(3 * query + key.unflatten(0, (2, 8)).repeat_interleave(2, 0).flatten(0, 1))
    return Backbone(model, Path(model), decoder, tiny.tokenizer())


def make_small(patched: pytest.MonkeyPatch) -> None:
    """Put the small world in place of the real one."""
    patched.setitem(mix.INVENTED, "box", box)  # type: ignore[arg-type]
    patched.setattr(loop, "filler", lambda rng: ["It", "rained", str(rng.randrange(1000))])
    patched.setattr(loop, "load_untrained", load)


def stage(**other: Any) -> dict[str, Any]:
    """A stage of small batches."""
    rows = {"bank": [[8, 64]], "samples": [[4, 320]], "tokens": 1200, "targets": 100}
    habits = {"attended": {2: 1}, "forced": 1.0, "weights": {"box": 1}, "aux_weight": 1.0}
    return {"name": "only", "steps": 6} | rows | habits | other


def settings_of(directory: Path, *stages: dict[str, Any], **other: Any) -> TrainingSettings:
    """A run of `stages` that reads `directory/backbone` and writes to `directory/out`."""
    where = {"model": str(directory / "backbone"), "out": directory / "out", "workers": 0, "device": "cpu"}
    habits = {"dtype": "float32", "rank": 4, "log_every": 2, "save_every": 3, "warm_up_steps": 2}
    return TrainingSettings.model_validate(where | habits | {"stages": stages or (stage(),)} | other)


def curves(directory: Path, name: str = "curves.csv") -> list[dict[str, str]]:
    """What was written down, without the time it took."""
    with (directory / name).open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def adapter_of(directory: Path) -> dict[str, Tensor]:
    """The tensors of a trained adapter."""
    return {
        name: tensor for file in read_card(directory)["files"] for name, tensor in load_file(directory / file).items()
    }


def assert_same_run(one: Path, other: Path) -> None:
    """Adapters and curves of two runs are equal."""
    ours, theirs = adapter_of(one), adapter_of(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())
    for name in ("curves.csv", "kinds.csv"):
        assert curves(one, name) == curves(other, name)
