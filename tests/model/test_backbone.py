from __future__ import annotations

import pytest
import torch

from msa_bench.model.backbone import resolve_dtype


@pytest.mark.parametrize(
    ("matrix_units", "dot_products", "maker", "expected"),
    [
        (True, True, "Intel Xeon", torch.bfloat16),
        (False, True, "Intel Xeon", torch.float32),
        (False, True, "AMD EPYC", torch.bfloat16),
        (False, False, "AMD EPYC", torch.float32),
    ],
)
def test_a_cpu_computes_in_the_type_that_is_faster_there(
    monkeypatch: pytest.MonkeyPatch, matrix_units: bool, dot_products: bool, maker: str, expected: torch.dtype
) -> None:
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: matrix_units)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: dot_products)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"cpu_name": maker}, raising=False)
    assert resolve_dtype("auto", torch.device("cpu")) is expected
    assert resolve_dtype("float16", torch.device("cpu")) is torch.float16
