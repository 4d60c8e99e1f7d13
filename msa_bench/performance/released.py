"""The scoring algorithm of the released engine, in our words, to time ours against in the same process.

For every slice of 16,384 chunks it multiplies each head's queries with the slice's keys in the model's type, which
gives a map per head `[batch, heads, tokens, chunks]`, then takes the mean over heads and the maximum over tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor

from msa_bench.memory.reference import SLICE_CHUNKS, reduce_chunks
from msa_bench.memory.routing import scaled_queries
from msa_bench.model.config import MSAConfig


def released_scores(queries: Tensor, keys: Tensor, offsets: Tensor, msa: MSAConfig) -> Tensor:
    """Scores `[batch, documents]` of `queries` `[batch, heads, tokens, head_dim]`, all of whose tokens route, against
    `keys` `[chunks, kv_heads, head_dim]`; documents begin at the chunks `offsets`."""
    batch, heads, tokens, size = queries.shape
    kv_heads = keys.shape[1]
    grouped = scaled_queries(queries, msa).view(batch, kv_heads, heads // kv_heads * tokens, size)
    scores = []
    for start in range(0, len(keys), SLICE_CHUNKS):
        maps = grouped @ keys[start : start + SLICE_CHUNKS].permute(1, 2, 0)
        scores.append(maps.view(batch, heads, tokens, -1).mean(1).amax(1))
    return reduce_chunks(torch.cat(scores, dim=1).T.float().contiguous(), offsets, "max")
