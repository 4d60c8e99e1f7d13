from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.parity import ParityReport, render, run_parity
from msa_bench.parity.report import TOLERANCE

GOLDEN = os.environ.get("MSA_BENCH_GOLDEN")
CASES = sorted(path.parent for path in Path(GOLDEN).glob("*/meta.json")) if GOLDEN else []
FILES = {f"{name}.safetensors" for name in ("stage1", "stage2", "train", "transcripts")}

pytestmark = pytest.mark.skipif(not CASES, reason="MSA_BENCH_GOLDEN names no directory of golden cases")

Compared = tuple[Path, ParityReport, Path]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Compared]:
    """A case with its report and the file of our values, computed once."""
    known: dict[Path, Compared] = {}

    def get(case: Path) -> Compared:
        if case not in known:
            out = tmp_path_factory.mktemp("parity") / "ours.safetensors"
            known[case] = (case, run_parity(case, out), out)
        return known[case]

    return get


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def golden(request: pytest.FixtureRequest, compared: Callable[[Path], Compared]) -> Compared:
    return compared(request.param)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The first case, where it may be altered."""
    shutil.copytree(CASES[0], tmp_path / "case")
    for path in [tmp_path / "case", *(tmp_path / "case").rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path / "case"


def without_training(case: Path) -> Path:
    """`case` without its training, whose ties processors break differently (`TIE` in `msa_bench.parity.train`)."""
    (case / "train.safetensors").unlink()
    return case


def strip_outputs(case: Path) -> None:
    """Leave only what our values may be made from."""
    for name in ("stage1", "stage2", "transcripts"):
        (case / f"{name}.safetensors").unlink()
    train = load_file(case / "train.safetensors")
    save_file({name: tensor for name, tensor in train.items() if name.startswith("in.")}, case / "train.safetensors")
    scenarios = json.loads((case / "transcripts.json").read_text())
    scripts = {
        name: [
            {
                "prompts": call["prompts"],
                "forwards": [{"forced_next": forward["forced_next"]} for forward in call["forwards"]],
            }
            for call in calls
        ]
        for name, calls in scenarios.items()
    }
    (case / "transcripts.json").write_text(json.dumps(scripts))
    meta = json.loads((case / "meta.json").read_text())
    kept = {"documents": meta["documents"], "blocks": meta["blocks"]}
    kept["train"] = {name: meta["train"][name] for name in ("batch_aux_labels", "train_qa_samples")}
    kept["stage2"] = {name: {"prompts": request["prompts"]} for name, request in meta["stage2"].items()}
    (case / "meta.json").write_text(json.dumps(kept))


def reconfigure(case: Path, **msa: Any) -> None:
    path = case / "checkpoint" / "config.json"
    raw = json.loads(path.read_text())
    path.write_text(json.dumps(raw | {"msa_config": raw["msa_config"] | msa}))
    if "top_k_docs" in msa:
        # Recorded prompts stand where the recorded number of documents puts them.
        (case / "inputs.safetensors").unlink()
    if msa.get("decouple_router") is False:
        weights = case / "checkpoint" / "model.safetensors"
        save_file({name: tensor for name, tensor in load_file(weights).items() if "router" not in name}, weights)


def test_every_file_is_within_the_tolerance(golden: Compared) -> None:
    case, report, _ = golden
    assert {file.file for file in report.files} == FILES
    for file in report.files:
        tied = any("tie at rank" in note for note in file.notes)
        if not file.passed and tied and torch.backends.cpu.get_cpu_capability() != "AVX512":
            pytest.skip(f"{case.name} breaks ties by rounding, and was recorded on a processor with AVX-512")
        assert file.passed, render(report)
        assert file.difference is not None
        assert file.difference <= TOLERANCE
        assert not file.missing


def test_selections_tokens_positions_and_roles_are_identical(golden: Compared) -> None:
    verdicts = {(file.file.split(".")[0], what): same for file in golden[1].files for what, same in file.identical}
    assert verdicts == dict.fromkeys(
        [
            ("stage1", "document tokens"),
            ("stage2", "prompts"),
            ("stage2", "selections"),
            ("transcripts", "token ids"),
            ("transcripts", "positions"),
            ("transcripts", "roles"),
            ("transcripts", "forwards"),
            ("transcripts", "selections"),
        ],
        True,
    )


def test_what_is_written_has_the_recorded_names_and_shapes(golden: Compared) -> None:
    case, _, out = golden
    ours = load_file(out)
    for file in FILES:
        for name, tensor in load_file(case / file).items():
            if not name.startswith("in."):
                assert ours[name].shape == tensor.shape, name


def test_the_report_names_the_largest_difference_of_every_file(golden: Compared) -> None:
    text = render(golden[1])
    assert all(file in text for file in FILES)
    assert text.count("largest difference") == len(FILES)


def test_our_values_are_made_without_the_recorded_ones(copy: Path, compared: Callable[[Path], Compared]) -> None:
    strip_outputs(copy)
    report = run_parity(copy, copy.parent / "ours.safetensors")
    assert report.passed
    assert all(file.difference is None and file.written for file in report.files)
    assert "Nothing was recorded to compare with." in render(report)
    alone, beside = load_file(copy.parent / "ours.safetensors"), load_file(compared(CASES[0])[2])
    assert alone.keys() == beside.keys()
    assert [name for name in alone if not torch.equal(alone[name], beside[name])] == []


def test_an_altered_value_is_found_and_named(copy: Path) -> None:
    recorded = load_file(copy / "stage1.safetensors")
    recorded["bank.layer2.v"][0, 1, 3, 5] += 2e-4
    recorded["bank.pool_ids"][4] += 1
    save_file(recorded, copy / "stage1.safetensors")
    report = run_parity(without_training(copy), copy.parent / "ours.safetensors")
    [found] = [file for file in report.files if not file.passed]
    assert not report.passed
    assert (found.file, found.worst, found.difference) == ("stage1.safetensors", "bank.pool_ids", 1.0)


def test_a_changed_transcript_is_found(copy: Path) -> None:
    path = copy / "transcripts.json"
    scenarios = json.loads(path.read_text())
    scenarios["one_query_two_rounds"][1]["forwards"][0]["doc_ids"][0][-1] = 0
    path.write_text(json.dumps(scenarios))
    report = run_parity(without_training(copy), copy.parent / "ours.safetensors")
    [found] = [file for file in report.files if not file.passed]
    assert not dict(found.identical)["roles"]


def scores_by_hand(tensors: dict[str, Tensor], layer: int, msa: dict[str, Any], request: str) -> Tensor:
    """Document scores from the routing queries and keys that were written, one document at a time."""
    queries = tensors[f"{request}.fwd0.layer{layer}.routing_q"]
    routes = tensors[f"{request}.fwd0.layer{layer}.routing_mask"].bool()
    keys, owner = tensors[f"bank.layer{layer}.router_k"][0], tensors["bank.pool_ids"]
    keys = keys.repeat_interleave(queries.shape[1] // keys.shape[0], 0)
    scale = 1.0 if msa["aux_loss_method"] == "INFONCE" else queries.shape[3] ** -0.5
    reduce = {"mean": lambda x, dim: x.mean(dim), "max": lambda x, dim: x.amax(dim)}
    rows = []
    for row in range(len(queries)):
        each = torch.einsum("htd,hcd->htc", queries[row][:, routes[row]], keys) * scale
        chunks = reduce[msa["query_reduce_method"]](reduce[msa["head_reduce_method"]](each, 0), 0)
        rows.append(
            [reduce[msa["chunk_reduce_method"]](chunks[owner == one], 0) for one in range(1, int(owner.max()) + 1)]
        )
    return torch.tensor(rows)


@pytest.mark.parametrize(
    "settings",
    [
        {"head_reduce_method": "max"},
        {"query_reduce_method": "mean", "aux_loss_method": "INFONCE"},
        {"chunk_reduce_method": "mean"},
        {"decouple_router": False, "head_reduce_method": "max", "query_reduce_method": "mean"},
        {"aux_loss_method": "BCE", "decouple_router": False},
        {"aux_loss_method": "INFONCE_FOCAL", "router_layer_idx": "0,2", "decouple_router": False},
        {"top_k_docs": 50, "aux_loss_method": "INFONCE_DECOUPLE_FOCAL"},
    ],
    ids=lambda settings: "-".join(f"{value}" for value in settings.values()),
)
def test_other_settings_than_the_recorded_ones_are_computed(copy: Path, settings: dict[str, Any]) -> None:
    strip_outputs(copy)
    reconfigure(copy, **settings)
    report = run_parity(copy, copy.parent / "ours.safetensors")
    assert report.passed
    ours = load_file(copy.parent / "ours.safetensors")
    raw = json.loads((copy / "checkpoint" / "config.json").read_text())["msa_config"]
    layers = [int(name[10:-9]) for name in ours if name.startswith("bank.layer") and name.endswith(".router_k")]
    for request in ("q1", "q2"):
        for layer in layers:
            scores = ours[f"{request}.fwd0.layer{layer}.doc_scores"]
            assert (scores - scores_by_hand(ours, layer, raw, request)).abs().max() < 1e-5
            k = min(raw["top_k_docs"], scores.shape[1])
            assert torch.equal(ours[f"{request}.fwd0.layer{layer}.topk_doc_ids"], scores.topk(k).indices)
    method = raw["aux_loss_method"]
    gradients = {name: tensor for name, tensor in ours.items() if name.startswith(f"{method}.grad.")}
    assert all(torch.isfinite(tensor).all() for tensor in gradients.values())
    assert (f"{method}.grad.b" in gradients) == (method == "BCE")
    assert torch.isfinite(ours[f"{method}.loss"])


def test_a_directory_that_is_no_case_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no golden case"):
        run_parity(tmp_path, tmp_path / "ours.safetensors")


def test_a_file_that_cannot_be_written_is_refused_before_the_work_begins(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        run_parity(CASES[0], tmp_path / "missing" / "ours.safetensors")


def test_a_truncated_file_of_a_case_is_named(copy: Path) -> None:
    path = copy / "stage1.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"stage1\.safetensors is truncated"):
        run_parity(copy, copy.parent / "ours.safetensors")
