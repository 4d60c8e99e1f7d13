from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
import torch
from safetensors import safe_open

from msa_bench.errors import UserError
from msa_bench.model.adapter import adapted, read_adapter, read_card
from msa_bench.model.backbone import Backbone, load_memory_model, load_untrained
from msa_bench.model.decoder import Decoder
from msa_bench.model.passes import document_pass
from msa_bench.training.adapter import Adapter, install, save_adapter

RANK = 4
IDS = torch.arange(60).view(2, 30)
LENGTHS = torch.tensor([30, 21])


def untrained(directory: Path, **sizes: Any) -> Backbone:
    return load_untrained(str(tiny.write_checkpoint(directory, **sizes)), "cpu", "float32")


def altered(decoder: Decoder, rank: int = RANK) -> Adapter:
    """An adapter that changes everything it can."""
    adapter = Adapter(decoder, rank)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in adapter.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.05)
    return adapter


def card(model: Backbone, **other: Any) -> dict[str, Any]:
    msa = {"router_layers": [2, 3], "chunk_tokens": 8, "top_k": 5, "similarity": "cosine"}
    known = {"backbone": model.name, "backbone_sha256": model.provenance["weights_sha256"], "msa": msa}
    return known | other


@pytest.fixture
def model(tmp_path: Path) -> Backbone:
    return untrained(tmp_path / "backbone")


@pytest.fixture
def saved(tmp_path: Path, model: Backbone) -> Path:
    save_adapter(tmp_path / "adapter", altered(model.decoder), card(model))
    return tmp_path / "adapter"


def test_a_fresh_adapter_changes_nothing(model: Backbone) -> None:
    before = document_pass(model.decoder, IDS, LENGTHS)
    install(model.decoder, Adapter(model.decoder, RANK).weights(torch.float32))
    after = document_pass(model.decoder, IDS, LENGTHS)
    for layer, pooled in before.items():
        assert torch.equal(pooled.keys, after[layer].keys)
        assert torch.equal(pooled.routing_keys, after[layer].routing_keys)


def test_an_adapter_has_a_parameter_for_all_but_the_embeddings(model: Backbone) -> None:
    names = {name for name, _ in adapted(model.decoder)}
    weights = altered(model.decoder).weights(torch.float32)
    assert weights.keys() == names
    assert {name for name, _ in model.decoder.named_parameters()} - names == {"model.embed_tokens.weight"}
    for name, parameter in adapted(model.decoder):
        assert weights[name].shape == parameter.shape
        assert weights[name].requires_grad
        assert not torch.equal(weights[name], parameter)


def test_weights_are_made_anew_of_what_the_adapter_is_now(model: Backbone) -> None:
    adapter = altered(model.decoder)
    name = "model.layers.0.mlp.up_proj.weight"
    before = adapter.weights(torch.float32)[name].detach()
    with torch.no_grad():
        adapter.low_rank[name.replace(".", "/") + "/up"].zero_()
    install(model.decoder, adapter.weights(torch.float32))
    now = adapter.weights(torch.float32)[name]
    assert not torch.equal(before, now)
    assert torch.equal(now, dict(adapted(untrained(model.directory).decoder))[name])


def test_a_saved_adapter_loads_as_the_model_it_was_trained_as(model: Backbone, saved: Path) -> None:
    """Within what storing in bfloat16 loses, which is far less than the adapter changes."""
    trained = load_untrained(model.name, "cpu", "float32").decoder
    plain = document_pass(trained, IDS, LENGTHS)
    chunk_tokens = 8
    loaded = load_memory_model(str(saved), "cpu", "float32")
    assert loaded.config.msa is not None
    assert (loaded.config.msa.chunk_tokens, loaded.config.msa.top_k) == (chunk_tokens, 5)
    assert loaded.config.msa.trained
    install(trained, altered(trained).weights(torch.float32))
    trained.config = loaded.config
    ours, theirs = document_pass(trained, IDS, LENGTHS), document_pass(loaded.decoder, IDS, LENGTHS)
    assert plain.keys() == ours.keys() == theirs.keys()
    for layer in ours:
        for part in ("keys", "values", "routing_keys"):
            wanted = getattr(ours[layer], part)
            assert (wanted - getattr(theirs[layer], part)).abs().max() < 0.02 * wanted.abs().max()


def test_an_adapter_is_part_of_the_hash_a_memory_bank_depends_on(model: Backbone, saved: Path) -> None:
    loaded = load_memory_model(str(saved), "cpu", "float32")
    assert loaded.sha256 != model.sha256
    assert loaded.provenance["weights_sha256"] == model.provenance["weights_sha256"]
    assert loaded.provenance["adapter_files"] == read_card(saved)["files"]


def test_the_files_are_small_in_bfloat16_and_all_named(tmp_path: Path) -> None:
    model = untrained(tmp_path / "wide", hidden_size=1024, intermediate_size=4096)
    directory = tmp_path / "adapter"
    save_adapter(directory, altered(model.decoder, rank=160), card(model))
    files = sorted(directory.glob("*.safetensors"))
    assert len(files) > 1
    assert max(file.stat().st_size for file in files) < 16_000_000
    content = read_card(directory)
    assert sorted(content["files"]) == [file.name for file in files]
    assert (content["format"], content["rank"]) == (1, 160)
    assert {path.name for path in directory.iterdir()} == {"adapter.json", *content["files"]}
    with safe_open(files[0], framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.bfloat16}  # noqa: SIM118


@pytest.mark.parametrize("harm", ["truncated", "altered", "missing"])
def test_a_file_that_is_not_as_it_was_saved_is_refused_by_name(model: Backbone, saved: Path, harm: str) -> None:
    file = saved / "adapter-00.safetensors"
    content = file.read_bytes()
    if harm == "missing":
        file.unlink()
    else:
        file.write_bytes(content[:-10] if harm == "truncated" else content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(UserError, match=r"adapter-00\.safetensors is missing, truncated or altered"):
        read_adapter(saved, model.provenance["weights_sha256"])


def test_an_adapter_of_another_backbone_is_refused(saved: Path) -> None:
    other = untrained(saved.parent / "other")
    tiny.write_checkpoint(saved.parent / "third", seed=2)
    third = load_untrained(str(saved.parent / "third"), "cpu", "float32")
    assert read_adapter(saved, other.provenance["weights_sha256"])
    with pytest.raises(UserError, match=r"is for a backbone with SHA-256 \w{64}, not \w{64}"):
        read_adapter(saved, third.provenance["weights_sha256"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "holds no adapter"),
        ("{", "holds no adapter"),
        ("[1]", "describes no adapter of format 1"),
        ('{"format": 99}', "describes no adapter of format 1"),
        ('{"format": 1, "rank": 4, "backbone": "b"}', "lacks backbone_sha256, msa, files"),
    ],
)
def test_a_card_that_says_too_little_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "adapter.json").write_text(content)
    with pytest.raises(UserError, match=said):
        read_card(tmp_path)


def test_the_card_keeps_what_it_was_given(tmp_path: Path, model: Backbone) -> None:
    save_adapter(tmp_path / "a", Adapter(model.decoder, RANK), card(model, steps=7, hardware={"cpu": "x"}))
    content = json.loads((tmp_path / "a" / "adapter.json").read_text())
    assert (content["steps"], content["hardware"], content["backbone"]) == (7, {"cpu": "x"}, model.name)
