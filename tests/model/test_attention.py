from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from msa_bench.model.attention import causal_attention, continued_attention


def heads(tokens: int, kv_heads: int, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(tokens)
    shapes = ((2, 6, tokens, 16), (2, kv_heads, tokens, 16), (2, kv_heads, tokens, 16))
    return tuple(torch.randn(shape, generator=generator).mul(2).to(dtype) for shape in shapes)


def by_definition(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    group = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(group, 1).double(), v.repeat_interleave(group, 1).double()
    scores = q.double() @ k.mT / q.shape[3] ** 0.5
    return F.softmax(scores + torch.full(scores.shape[2:], -torch.inf).triu(1), dim=-1) @ v


@pytest.mark.parametrize("kv_heads", [2, 6])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 4e-2)])
def test_attention_after_earlier_tokens_is_the_end_of_attention_over_all(
    kv_heads: int, dtype: torch.dtype, tolerance: float
) -> None:
    q, k, v = heads(70, kv_heads, dtype)
    whole = by_definition(q, k, v)
    assert (causal_attention(q, k, v) - whole).abs().max() < tolerance
    for before in (1, 40, 69):
        continued = continued_attention(q[:, :, before:], k, v)
        assert continued.dtype == dtype
        assert (continued - whole[:, :, before:]).abs().max() < tolerance


def test_earlier_tokens_that_draw_no_attention_change_nothing_and_ones_that_draw_all_take_it() -> None:
    q, k, v = heads(20, 6, torch.float32)
    q[..., 0], k[..., 0] = 40.0, 0.0
    k[:, :, :8, 0] = -40.0
    assert torch.allclose(
        continued_attention(q[:, :, 8:], k, v), causal_attention(q[:, :, 8:], k[:, :, 8:], v[:, :, 8:])
    )
    k[:, :, :8, 0] = 40.0
    expected = F.scaled_dot_product_attention(q[:, :, 8:], k[:, :, :8], v[:, :, :8])
    assert torch.allclose(continued_attention(q[:, :, 8:], k, v), expected, atol=1e-5)
