from __future__ import annotations

from pathlib import Path

import pytest
import tiny
import torch

from msa_bench.errors import UserError
from msa_bench.memory import plan
from msa_bench.memory.bank import MemoryBank, Placement, bytes_per_chunk
from msa_bench.memory.encode import encode_window
from msa_bench.memory.files import load_bank, save_bank
from msa_bench.memory.keys import KeyKind
from msa_bench.memory.offload import Offload
from msa_bench.memory.plan import Budget, parse_budget
from msa_bench.memory.recall import BankRecall
from msa_bench.memory.tier import Tier

CPU, GPU = torch.device("cpu"), torch.device("cuda")
EIGHT_BITS = [Placement(keys="int8"), Placement(keys="fp8"), Placement(keys="int8", rescore=False)]


def bank(placement: Placement | None = None, **msa: int) -> MemoryBank:
    model = tiny.model(**msa)
    chance = torch.Generator().manual_seed(3)
    made = MemoryBank(model.config, CPU, torch.float32, placement=placement)
    documents = [torch.randint(0, 300, (5 + number % 17,), generator=chance).tolist() for number in range(60)]
    for _ in encode_window(model, made, documents):
        pass
    return made


def recall(made: MemoryBank, **settings: object) -> tuple[BankRecall, dict[int, object]]:
    one = BankRecall(made, torch.ones(3, 4, dtype=torch.bool), [(), {1, 5}, range(60)], 4)
    chance = torch.Generator().manual_seed(8)
    layers = tiny.model(**settings).decoder.layers
    return one, {layer: one(layers[layer], torch.randn(3, 4, 4, 8, generator=chance)) for layer in made.layers}


@pytest.mark.parametrize("each", [1, 2])
@pytest.mark.parametrize("placement", EIGHT_BITS[:2])
def test_8_bit_keys_with_rescoring_select_and_fetch_what_exact_keys_do(placement: Placement, each: int) -> None:
    exact, stored = bank(keys_per_chunk=each), bank(placement, keys_per_chunk=each)
    (wanted, contexts), (found, others) = recall(exact), recall(stored)
    for layer, rows in wanted.selections.items():
        for row, ids in enumerate(rows):
            assert ids.tolist() == found.selections[layer][row].tolist()
        for part in ("keys", "values", "visible"):
            assert torch.equal(getattr(contexts[layer], part), getattr(others[layer], part))


def test_finer_routing_keys_select_as_finer_chunks_do_and_fetch_what_coarse_ones_hold() -> None:
    (found, contexts), (wanted, _) = recall(bank(keys_per_chunk=2)), recall(bank(chunk_tokens=2))
    coarse = bank()
    assert recall(coarse)[0].selections[2][0].tolist() != found.selections[2][0].tolist()
    for layer, rows in wanted.selections.items():
        assert [ids.tolist() for ids in rows] == [ids.tolist() for ids in found.selections[layer]]
        assert torch.equal(contexts[layer].keys, coarse.fetch(layer, found.best[layer].ids).keys)


def test_chunks_that_cannot_be_divided_so_are_refused() -> None:
    with pytest.raises(UserError, match="Chunks of 4 tokens cannot have 3 routing keys"):
        bank(keys_per_chunk=3)


@pytest.mark.parametrize("each", [1, 4])
def test_a_bank_is_saved_exactly_whatever_it_keeps_for_routing(tmp_path: Path, each: int) -> None:
    made, exact = bank(EIGHT_BITS[0], keys_per_chunk=each), bank(keys_per_chunk=each)
    save_bank(made, tmp_path, made.identity("abc"))
    for placement in (None, *EIGHT_BITS):
        opened = load_bank(tmp_path, made.config, CPU, made.identity("abc"), placement)
        for layer in made.layers:
            assert torch.equal(opened.pooled(layer).keys, exact.pooled(layer).keys)
            if placement is None or placement.rescore:
                assert torch.equal(opened.routing_keys(layer), exact.routing_keys(layer))


@pytest.mark.parametrize("kind", ["int8", "fp8"])
def test_content_of_8_bits_is_near_the_exact_one(kind: KeyKind) -> None:
    (wanted, contexts), (found, others) = recall(bank()), recall(bank(Placement(content_as=kind)))
    assert {layer: [ids.tolist() for ids in rows] for layer, rows in found.selections.items()} == {
        layer: [ids.tolist() for ids in rows] for layer, rows in wanted.selections.items()
    }
    for layer, exact in contexts.items():
        for part in ("keys", "values"):
            real, near = getattr(exact, part), getattr(others[layer], part)
            assert near.dtype == real.dtype
            assert 0 < (near - real).abs().max() < (0.01 if kind == "int8" else 0.07) * real.abs().max()


@pytest.mark.parametrize("placement", [Placement(), *EIGHT_BITS, Placement(content_as="int8")])
@pytest.mark.parametrize("each", [1, 2])
def test_bytes_are_counted_as_they_are_taken(placement: Placement, each: int) -> None:
    made = bank(placement, keys_per_chunk=each)
    assert made.bytes == made.chunks * sum(bytes_per_chunk(made.config, made.dtype, placement))


def test_what_leaves_a_gpu_arrives_in_its_rows() -> None:
    tier, offload = Tier(torch.zeros(9, 2), rows=9), Offload()
    for number in range(3):
        offload.push([(tier, torch.arange(number, 9, 3), torch.full((3, 2), float(number)))])
    offload.finish()
    assert tier.storage[:, 0].tolist() == [0, 1, 2] * 3


def planned(gpu: int, host: int, monkeypatch: pytest.MonkeyPatch, saved: bool = False) -> Placement:
    config = tiny.model().config
    monkeypatch.setattr(plan, "available_bytes", lambda device: 10**12)
    return plan.plan(config, torch.bfloat16, GPU, 10**6, 10**4, Budget(gpu, host), saved).placement


def test_the_plan_takes_the_first_placement_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny.model().config
    keys, content = (10**4 * part for part in bytes_per_chunk(config, torch.bfloat16))
    small = 10**4 * bytes_per_chunk(config, torch.bfloat16, Placement(content_as="int8"))[1] * 6 // 5
    assert planned(2 * (keys + content), 0, monkeypatch) == Placement()
    assert planned(keys * 6 // 5, 2 * content, monkeypatch) == Placement(content="host")
    assert planned(keys * 4 // 5, 2 * content, monkeypatch) == Placement(keys="int8", content="host")
    assert planned(2 * keys, small, monkeypatch) == Placement(content="host", content_as="int8")
    assert planned(keys * 4 // 5, content * 6 // 5, monkeypatch) == Placement("int8", "host", rescore=False)
    assert planned(keys * 4 // 5, small, monkeypatch) == Placement("int8", "host", False, "int8")
    with pytest.raises(UserError, match=r"needs .* on cuda, .* in host memory, .* tokens would fit"):
        planned(keys * 4 // 5, content * 6 // 5, monkeypatch, saved=True)


def test_the_length_that_is_said_to_fit_does(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny.model().config
    with pytest.raises(UserError, match="would fit") as refused:
        planned(300_000, 400_000, monkeypatch)
    fits = int(str(refused.value).split("about ")[1].split(" ")[0].replace(",", ""))
    plan.plan(config, torch.bfloat16, GPU, fits, 10**4 * fits // 10**6, Budget(300_000, 400_000))


def test_budgets_are_read() -> None:
    assert parse_budget("gpu=40GB,host=64GB") == Budget(40 * 10**9, 64 * 10**9)
    assert parse_budget("host=1.5GiB") == Budget(None, 3 * 2**29)


@pytest.mark.parametrize("text", ["40GB", "gpu=40", "gpu=40GB,gpu=1GB", "disk=1GB", "", "gpu=-1GB"])
def test_a_budget_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="gpu=40GB,host=64GB"):
        parse_budget(text)
