"""What a restart needs, on disk: adapter and optimiser state in float32, in files below 16 MB, replaced as a whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from msa_bench.errors import UserError
from msa_bench.storage import shards

STATE = "state"


def save_state(
    directory: Path, model: nn.Module, optimiser: Optimizer, place: Mapping[str, Any], identity: Mapping[str, Any]
) -> None:
    """Write the state of a run to `directory/state`; until it is complete the previous one stays."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for number, slots in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{slot}": value for slot, value in slots.items()}
    partial, final, old = (directory / f"{STATE}{suffix}" for suffix in (".partial", "", ".old"))
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    files = []
    for number, shard in enumerate(shards(tensors)):
        files.append(f"state-{number:03d}.safetensors")
        save_file(shard, partial / files[-1])
    content = {"place": dict(place), "identity": dict(identity), "files": files}
    (partial / "state.json").write_text(json.dumps(content), encoding="utf-8")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.rename(old)
    partial.rename(final)
    shutil.rmtree(old, ignore_errors=True)


def load_state(
    directory: Path, model: nn.Module, optimiser: Optimizer, identity: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Put back the last save of `directory` and return where it was; None if there is none.

    A `UserError` if it was made with other settings, naming the first that differs, or a file is damaged.
    """
    final, old = directory / STATE, directory / f"{STATE}.old"
    saved = final if final.exists() else old
    if not saved.exists():
        return None
    try:
        content: dict[str, Any] = json.loads((saved / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{saved / 'state.json'} cannot be read ({error}); start again in another out.") from error
    for key, value in identity.items():
        if content["identity"].get(key) != value:
            raise UserError(
                f"{directory} holds a training run with another {key}; continue with the same settings, or choose "
                f"another out."
            )
    tensors: dict[str, Tensor] = {}
    for name in content["files"]:
        try:
            tensors |= load_file(saved / name)
        except (SafetensorError, OSError) as error:
            raise UserError(f"{saved / name} is missing or truncated ({error}); start again in another out.") from error
    model.load_state_dict({name[6:]: value for name, value in tensors.items() if name.startswith("model.")})
    state = optimiser.state_dict()
    slots: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, number, slot = name.split(".")
            slots.setdefault(int(number), {})[slot] = value
    optimiser.load_state_dict({"state": slots, "param_groups": state["param_groups"]})
    return dict(content["place"])
