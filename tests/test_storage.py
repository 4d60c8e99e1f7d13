from __future__ import annotations

from hashlib import sha256 as reference
from pathlib import Path

import torch

from msa_bench.storage import SHARD_BYTES, sha256, shards


def tensors(*sizes: int) -> dict[str, torch.Tensor]:
    return {f"t{place}": torch.full((size,), float(place)) for place, size in enumerate(sizes)}


def names(limit: int, *sizes: int) -> list[list[str]]:
    return [list(shard) for shard in shards(tensors(*sizes), limit)]


def test_tensors_are_grouped_in_order_up_to_the_limit() -> None:
    assert names(40, 5, 5, 5, 4, 1) == [["t0", "t1"], ["t2", "t3", "t4"]]


def test_a_tensor_above_the_limit_is_a_group_of_its_own() -> None:
    assert names(40, 2, 11, 2, 3) == [["t0"], ["t1"], ["t2", "t3"]]


def test_nothing_is_no_group() -> None:
    assert names(40) == []


def test_what_is_given_out_can_be_written_as_it_is() -> None:
    wide = torch.arange(6.0, requires_grad=True).view(2, 3).T
    [shard] = shards({"wide": wide})
    assert shard["wide"].is_contiguous()
    assert not shard["wide"].requires_grad
    assert torch.equal(shard["wide"], wide)


def test_groups_stay_below_16_mb_by_themselves() -> None:
    assert SHARD_BYTES < 16_000_000 - 100_000, "a file has a header too"


def test_a_file_is_named_by_the_hash_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"memory" * 1000)
    assert sha256(tmp_path / "file") == reference(b"memory" * 1000).hexdigest()
