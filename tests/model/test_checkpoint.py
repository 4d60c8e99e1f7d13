from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors.torch import save_file
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.model import embedded
from msa_bench.model.backbone import model_directory
from msa_bench.model.checkpoint import load_decoder, loss_scalars
from msa_bench.model.config import ModelConfig
from msa_bench.model.decoder import Decoder

CPU = torch.device("cpu")
RELEASED: dict[str, Any] = tiny.SIZES | {
    "model_type": "msa",
    "vocab_size": 300,
    "tie_word_embeddings": False,
    "msa_config": {
        "router_layer_idx": "2,3",
        "pooling_kernel_size": 4,
        "top_k_docs": 3,
        "aux_loss_method": "INFONCE_DECOUPLE",
    },
}
ROUTER = "model.layers.2.self_attn.router_q_proj.0.weight"


def released(**msa: Any) -> dict[str, Any]:
    return RELEASED | {"msa_config": RELEASED["msa_config"] | msa}


def random_state() -> dict[str, Tensor]:
    torch.manual_seed(0)
    return Decoder(ModelConfig.from_hugging_face(RELEASED)).state_dict()


def write_checkpoint(directory: Path, raw: dict[str, Any], state: dict[str, Tensor] | None = None) -> Path:
    weights = random_state() if state is None else state
    save_file({name: tensor.clone() for name, tensor in weights.items()}, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps(raw))
    return directory


def load(directory: Path, memory: bool = True) -> dict[str, Tensor]:
    return load_decoder(directory, CPU, torch.float32, memory).state_dict()


@pytest.fixture
def state() -> dict[str, Tensor]:
    return random_state()


def test_a_released_checkpoint_loads_as_it_was_saved(tmp_path: Path, state: dict[str, Tensor]) -> None:
    scalars = {"temperature": torch.tensor(0.25), "b": torch.tensor(-3.0)}
    loaded = load(write_checkpoint(tmp_path, RELEASED, state | scalars))
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], state[name]) for name in state)
    assert loss_scalars(tmp_path) == {"temperature": 0.25, "b": -3.0}


def test_without_memory_the_router_is_left_in_the_file(tmp_path: Path) -> None:
    loaded = load(write_checkpoint(tmp_path, RELEASED), memory=False)
    assert not [name for name in loaded if "router" in name]


def test_a_plain_backbone_routes_by_copies_of_its_attention_and_says_so(tmp_path: Path) -> None:
    plain = {name: value for name, value in RELEASED.items() if name != "msa_config"} | {"model_type": "qwen3"}
    decoder = load_decoder(write_checkpoint(tmp_path, plain), CPU, torch.float32, memory=True)
    assert decoder.config.msa is not None
    assert not decoder.config.msa.trained
    assert decoder.config.msa.router_layers == (2, 3)
    loaded = decoder.state_dict()
    assert torch.equal(loaded[ROUTER], loaded["model.layers.2.self_attn.q_proj.weight"])


def test_weights_in_several_files_load_by_their_index(tmp_path: Path, state: dict[str, Tensor]) -> None:
    write_checkpoint(tmp_path, RELEASED, state)
    (tmp_path / "model.safetensors").unlink()
    halves = [dict(list(state.items())[:9]), dict(list(state.items())[9:])]
    files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    for file, half in zip(files, halves, strict=True):
        save_file({name: tensor.clone() for name, tensor in half.items()}, tmp_path / file)
    weight_map = {name: file for file, half in zip(files, halves, strict=True) for name in half}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert torch.equal(load(tmp_path)[ROUTER], state[ROUTER])
    (tmp_path / files[1]).unlink()
    with pytest.raises(UserError, match=files[1]):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({ROUTER: None}, f"missing {ROUTER}"),
        ({"model.layers.9.mlp.up_proj.weight": torch.ones(2)}, "unexpected model.layers.9.mlp.up_proj.weight"),
        ({ROUTER: torch.ones(4, 32)}, rf"{ROUTER} has shape \[4, 32\] where \[32, 32\] is needed"),
    ],
    ids=["missing", "extra", "misshapen"],
)
def test_a_tensor_that_does_not_fit_is_named(
    tmp_path: Path, state: dict[str, Tensor], change: dict[str, Tensor | None], named: str
) -> None:
    changed = {name: tensor for name, tensor in (state | change).items() if tensor is not None}
    with pytest.raises(UserError, match=named):
        load(write_checkpoint(tmp_path, RELEASED, changed))


def test_a_truncated_file_is_named(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, RELEASED) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"model\.safetensors is truncated"):
        load(tmp_path)


def test_a_directory_without_a_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no checkpoint: it has no config\.json"):
        model_directory(str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps(RELEASED))
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(UserError, match="pickles are never loaded"):
        load(tmp_path)


def test_an_unknown_model_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean smollm2-135m"):
        model_directory("smolm2-135")


def test_a_corrupted_gguf_is_refused_by_its_hash(tmp_path: Path) -> None:
    damaged = tmp_path / "model.gguf"
    damaged.write_bytes(b"GGUF, but not the one we know")
    with pytest.raises(UserError, match=r"damaged or another file: its SHA-256 is"):
        embedded.convert(damaged, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("wanted", [1, 5])
def test_the_number_of_documents_is_read_from_the_key_it_is_written_under(tmp_path: Path, wanted: int) -> None:
    decoder = load_decoder(write_checkpoint(tmp_path, released(top_k_docs=wanted)), CPU, torch.float32, memory=True)
    assert decoder.config.msa is not None
    assert decoder.config.msa.top_k == wanted


@pytest.mark.parametrize(
    ("setting", "value"), [("head_reduce_method", "median"), ("router_layer_idx", "2,9"), ("pooling_kernel_size", 0)]
)
def test_a_setting_that_is_not_understood_is_named(tmp_path: Path, setting: str, value: object) -> None:
    with pytest.raises(UserError, match=setting):
        load(write_checkpoint(tmp_path, released(**{setting: value}), {}))
