"""The two attention kernels of long prompts: causal, and causal after tokens that were read before.

On a CPU a fused kernel without a mask is twice as fast as one with a mask, and one in float32 faster than one in
bfloat16, unless the CPU multiplies bfloat16 matrices itself (AMX).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def causal_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention of tokens over themselves and those before them, with the shape and type of `q`.

    `q` is `[batch, heads, tokens, head_dim]`; `k` and `v` are `[batch, kv_heads, tokens, head_dim]`.
    """
    kind = q.dtype
    q, k, v = _as_computed(q, k, v)
    return F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=q.shape[1] != k.shape[1]).to(kind)


def continued_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Causal attention of the last tokens of a text: `q` `[batch, heads, new, head_dim]`, `k` and `v` `[batch,
    kv_heads, before + new, head_dim]`.

    Attention over what stood before and over the new tokens is computed by itself, each without a mask, and joined by
    the logarithms of the two softmax sums (Rabe and Staats 2021, section 2). A GPU gets the mask.
    """
    new, before = q.shape[2], k.shape[2] - q.shape[2]
    if q.device.type != "cpu" or q.requires_grad or q.dtype == torch.float64:
        mask = torch.ones(new, before + new, dtype=torch.bool, device=q.device).tril(before)
        return F.scaled_dot_product_attention(q, k, v, mask, enable_gqa=q.shape[1] != k.shape[1])
    kind, group = q.dtype, q.shape[1] // k.shape[1]
    q, k, v = _as_computed(q, k, v)
    k, v = k.repeat_interleave(group, 1), v.repeat_interleave(group, 1)
    kernel = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    old, old_sum = kernel(q, k[:, :, :before], v[:, :, :before], 0.0, False)
    own, own_sum = kernel(q, k[:, :, before:], v[:, :, before:], 0.0, True)
    share = torch.sigmoid(old_sum - own_sum)[..., None]
    joined: Tensor = own.float().lerp(old.float(), share)
    return joined.to(kind)


def _as_computed(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if q.device.type == "cpu" and q.dtype == torch.bfloat16 and not torch.cpu._is_amx_tile_supported():
        return q.float(), k.float(), v.float()
    return q, k, v
