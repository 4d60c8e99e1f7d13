"""Every way to compute the scores of a bank against the definition, on random and on adversarial cases."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from msa_bench.memory.keys import KeyKind, stored_keys
from msa_bench.memory.routing import Path as Way
from msa_bench.memory.routing import document_scores, join_heads, scaled_queries, select
from msa_bench.memory.topk import NONE, Best, best, merged, ranked, unpacked
from msa_bench.model.config import MSAConfig

pytest.importorskip("triton", reason="the kernels need the extra [gpu]")

from msa_bench.memory.kernels import joined_queries
from msa_bench.memory.topk_kernel import BLOCK, best_of_blocks, best_of_lists

MSA = MSAConfig(router_layers=(0,))


@dataclass(frozen=True)
class Case:
    queries: Tensor
    routes: Tensor
    keys: Tensor
    offsets: Tensor


def case(
    batch: int = 3, tokens: int = 7, counts: tuple[int, ...] = (3, 1, 70, 2, 5), heads: int = 4, size: int = 8
) -> Case:
    chance = torch.Generator().manual_seed(batch * 101 + tokens)
    keys = torch.randn(sum(counts), 2, size, generator=chance)
    routes = torch.rand(batch, tokens, generator=chance) < 0.7
    routes[:, -1] = True
    return Case(
        torch.randn(batch, heads, tokens, size, generator=chance),
        routes,
        keys / keys.norm(dim=-1, keepdim=True),
        torch.tensor([0, *counts]).cumsum(0),
    )


def tied() -> Case:
    """Documents of one key: all scores are equal."""
    made = case()
    return Case(made.queries, made.routes, made.keys[:1].expand_as(made.keys).contiguous(), made.offsets)


def silent() -> Case:
    """Rows in which no token routes beside one in which some do."""
    made = case()
    made.routes[0] = made.routes[2] = False
    return made


def zeros() -> Case:
    """Keys that are nothing, and queries too."""
    made = case()
    made.keys[:40] = 0
    made.queries[1] = 0
    return made


CASES = {
    "random": case(),
    "one row": case(batch=1, tokens=1),
    "one document": case(counts=(1,)),
    "one long document": case(counts=(300,)),
    "fewer than k": case(counts=(2, 2)),
    "ragged": case(batch=5, tokens=33, counts=(1, 129, 1, 1, 64, 3)),
    "long prompts": case(batch=2, tokens=300),
    "many rows": case(batch=40, tokens=12),
    "odd features": case(heads=6, size=24),
    "ties": tied(),
    "silent rows": silent(),
    "nothing": zeros(),
}


LARGE = {"long prompts", "many rows"}
NAMES = [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in CASES]


def scores(one: Case, way: Way, kind: KeyKind = "exact") -> Tensor:
    return document_scores(one.queries, one.routes, stored_keys(one.keys, kind), one.offsets, MSA, way)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["torch", "triton"])
def test_exact_scores_and_selections_are_those_of_the_definition(name: str, way: Way) -> None:
    wanted, found = scores(CASES[name], "reference"), scores(CASES[name], way)
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)
    for row, ids in enumerate(select(found, 2)):
        kept = wanted[row][select(wanted, 2)[row]]
        torch.testing.assert_close(wanted[row][ids], kept, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["fp8", "int8"])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", ["torch", "triton"])
def test_scores_of_8_bit_keys_are_near_the_exact_ones(name: str, way: Way, kind: KeyKind) -> None:
    wanted, found = scores(CASES[name], "reference"), scores(CASES[name], way, kind)
    assert torch.equal(found.isfinite(), wanted.isfinite())
    real = wanted.isfinite()
    assert (found[real] - wanted[real]).abs().max().item() < 0.06 if real.any() else True


def test_half_precision_keys_are_multiplied_in_full() -> None:
    one = case()
    half = Case(one.queries.half(), one.routes, one.keys.half(), one.offsets)
    torch.testing.assert_close(scores(half, "triton"), scores(half, "torch"), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_heads_are_joined_as_by_the_definition(similarity: Literal["cosine", "dot"], dtype: torch.dtype) -> None:
    chance = torch.Generator().manual_seed(3)
    queries = torch.randn(3, 11, 6, 24, generator=chance).to(dtype).transpose(1, 2)
    queries[1, :, 4] = 0
    places = torch.tensor([[0, 4, 10], [4, 4, 2], [7, 1, 0]])
    wanted = join_heads(scaled_queries(queries, replace(MSA, similarity=similarity)), 2)
    found = joined_queries(queries, places, 2, similarity == "cosine")
    expected = torch.stack([wanted[row, at] for row, at in enumerate(places)])
    # The interpreter cuts bfloat16 off where a GPU rounds.
    torch.testing.assert_close(found, expected, atol=1e-6 if dtype == torch.float32 else 2e-3, rtol=1e-5)


@pytest.mark.parametrize("documents", [1, BLOCK - 1, BLOCK + 1, 3 * BLOCK + 5])
def test_the_best_of_blocks_hold_the_best_of_all(documents: int) -> None:
    chance = torch.Generator().manual_seed(documents)
    scores = torch.randn(3, documents, generator=chance)
    scores[0] = scores[0].round()  # ties, of which the lower document is the better
    scores[1] = float("-inf")
    scores[1, documents // 2] = -3.0
    k = min(20, documents)
    assert torch.equal(merged(best_of_blocks(scores, 20, first=7).flatten(1), k), ranked(scores, k, first=7))


def same(found: Best, wanted: Best) -> bool:
    """To the bit: minus zero is not zero."""
    bits = (one.scores.view(torch.int32) for one in (found, wanted))
    return torch.equal(found.ids, wanted.ids) and torch.equal(*bits)


@pytest.mark.parametrize("k", [1, 2, 16, 33, 64])
@pytest.mark.parametrize("documents", [BLOCK + 1, 4 * BLOCK + 5])
def test_merging_the_best_of_blocks_selects_what_pytorch_does(documents: int, k: int) -> None:
    chance = torch.Generator().manual_seed(documents + k)
    scores = torch.randn(6, documents, generator=chance)
    scores[1] = scores[1].round()  # ties, also of zero with minus zero
    scores[2] = 0.5
    scores[3, torch.randperm(documents, generator=chance)[k // 2 :]] = float("-inf")  # fewer than k are seen
    scores[4] = float("-inf")
    scores[5, -k:] = float("inf")  # all the best in one block or two
    assert same(best_of_lists(best_of_blocks(scores, k)), best(scores, k))


@pytest.mark.parametrize("lists", [1, 2, 3, 300])
def test_merging_lists_that_are_not_full_selects_what_pytorch_does(lists: int) -> None:
    """As of the parts of a bank over several processes, some of fewer documents than are asked for."""
    k, chance = 5, torch.Generator().manual_seed(lists)
    parts = []
    for number in range(lists):
        scores = torch.randn(2, 1 + number % 7, generator=chance).round()
        scores[scores < 0] = float("-inf")
        part = ranked(scores, k, first=2**32 - 7 * (number + 1))
        parts.append(torch.nn.functional.pad(part, (0, k - part.shape[1]), value=NONE))
    assert same(best_of_lists(torch.stack(parts, dim=1)), unpacked(merged(torch.cat(parts, dim=1), k)))


COMPILE = """
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from msa_bench.memory import kernels, topk_kernel
from msa_bench.model import pooling_kernel
from msa_bench.memory.kernels import NARROW, WIDE_BYTES, _kernel

def build(kind, rows, tokens, tiles, scaled, sums=tl.float32):
    names = _kernel.arg_names
    pointers = {"queries": kind, "query_scales": "fp32", "keys": kind, "key_scales": "fp32", "document": "i64"}
    fixed = {"FEATURES": 1024, "ROWS": rows, "TILES": 1, "TOKENS": tokens, "CHUNKS": tiles.chunks,
             "STEP": tiles.features, "SCALED_KEYS": scaled, "SCALED_QUERIES": scaled, "PRECISION": "tf32", "SUMS": sums}
    types = {name: "*" + kind for name, kind in (pointers | {"out": "fp32"}).items()}
    types |= dict.fromkeys(("chunks", "rows", "documents", "groups"), "i32") | dict.fromkeys(fixed, "constexpr")
    source = ASTSource(_kernel, types, {(names.index(name),): value for name, value in fixed.items()})
    made = triton.compile(source, GPUTarget("cuda", 90, 32), {"num_warps": tiles.warps, "num_stages": tiles.stages})
    assert "wgmma" in made.asm["ptx"] and made.metadata.shared < 227 * 1024

def build_other(kernel, types, fixed):
    types = types | dict.fromkeys(fixed, "constexpr")
    source = ASTSource(kernel, types, {(kernel.arg_names.index(name),): value for name, value in fixed.items()})
    triton.compile(source, GPUTarget("cuda", 90, 32))

strides = dict.fromkeys(("row_stride", "head_stride", "token_stride", "tokens", "heads", "group", "size"), "i32")
build_other(kernels._join_kernel, {"queries": "*bf16", "places": "*i64", "out": "*bf16"} | strides,
            {"GROUP": 4, "SIZE": 128, "COSINE": True})
numbers = dict.fromkeys(("documents", "first", "blocks", "k"), "i32")
build_other(topk_kernel._kernel, {"scores": "*fp32", "out": "*i64"} | numbers, {"BLOCK": topk_kernel.BLOCK})
numbers = dict.fromkeys(("lists", "k"), "i32")
build_other(topk_kernel._merge_kernel, {"packed": "*i64", "ids": "*i64", "scores": "*fp32"} | numbers, {"LISTS": 256})
numbers = dict.fromkeys(("document_stride", "head_stride", "token_stride", "features"), "i32")
build_other(pooling_kernel._kernel, {"x": "*bf16", "chunks": "*i32", "out": "*bf16"} | numbers,
            {"TOKENS": pooling_kernel.TOKENS, "FEATURES": pooling_kernel.FEATURES})
build("bf16", 1, 32, NARROW, False)
build("fp8e4nv", 4, 64, WIDE_BYTES, True)
build("i8", 4, 64, WIDE_BYTES, True, tl.int32)
build("fp8e4nv", 1, 32, NARROW, True)
build("i8", 1, 32, NARROW, True, tl.int32)
"""


@pytest.mark.slow
def test_the_kernels_compile_for_hopper_and_use_its_matrix_units(tmp_path: Path) -> None:
    """Slow: it compiles every kernel, in a process that does not interpret."""
    script = tmp_path / "compile_kernel.py"
    script.write_text(COMPILE)
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(script)],
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
