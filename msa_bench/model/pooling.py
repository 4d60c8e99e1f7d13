"""Means over the chunks of documents that are read together (paper section 3.2, eq. 1-2).

A GPU takes them in one Triton kernel, which reads every number once; with PyTorch's own operations, which set padding
to zero, pad to whole chunks, add up and divide, pooling takes a sixth of a small model's reading.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.model.upload import upload
from msa_bench.switches import has_triton

Means = Callable[[Tensor], Tensor]
"""Takes `[documents, heads, tokens, features]` to the means `[chunks, heads, features]`, document by document, added up
in float32 over true lengths and then in the type of what came in."""


def chunk_counts(lengths: Tensor, chunk_tokens: int) -> Tensor:
    """Chunks of documents of `lengths` tokens `[documents]`; the last chunk of a document may be shorter."""
    return (lengths + chunk_tokens - 1) // chunk_tokens


def chunk_means(lengths: Tensor, width: int, size: int, device: torch.device) -> Means:
    """Means over chunks of `size` tokens of documents of `lengths` tokens, int64 `[documents]` on the CPU, which are
    padded on the right to `width`; what is pooled is on `device`."""
    if device.type == "cuda" and has_triton():
        from msa_bench.model.pooling_kernel import means

        return partial(means, chunks=upload(chunk_places(lengths, size), device))
    return _PaddedMeans(lengths, width, size, device)


def chunk_places(lengths: Tensor, size: int) -> Tensor:
    """The document of each chunk, its first token and its number of tokens, int32 `[3, chunks]` on the CPU."""
    counts = chunk_counts(lengths, size)
    document = torch.arange(len(lengths)).repeat_interleave(counts)
    first = (torch.arange(len(document)) - (counts.cumsum(0) - counts)[document]) * size
    return torch.stack((document, first, (lengths[document] - first).clamp(max=size))).int()


def part_places(lengths: Tensor, size: int, parts: int) -> Tensor:
    """Of documents of `lengths` tokens with a mean for every `size` of them: which means are the `parts` of each chunk
    of `parts * size` tokens, int64 `[chunks * parts]` on the CPU. A short chunk has its last one more than once."""
    means, chunks = chunk_counts(lengths, size), chunk_counts(lengths, size * parts)
    document = torch.arange(len(lengths)).repeat_interleave(chunks * parts)
    own = torch.arange(len(document)) - ((chunks.cumsum(0) - chunks) * parts)[document]
    return (means.cumsum(0) - means)[document] + torch.minimum(own, means[document] - 1)


class _PaddedMeans:
    """The means by PyTorch's own operations."""

    def __init__(self, lengths: Tensor, width: int, size: int, device: torch.device) -> None:
        counts = chunk_counts(lengths, size)
        most = int(counts.max())
        self.size = size
        self.padding = most * size - width
        chunk = torch.arange(most)
        self.flat = upload((chunk < counts[:, None]).flatten().nonzero()[:, 0], device)
        tokens = (lengths[:, None] - chunk * size).clamp(1, size)
        self.tokens = upload(tokens.float(), device)[:, :, None]
        real = torch.arange(width) < lengths[:, None]
        self.real = None if bool(real.all()) else upload(real, device)[:, :, None]

    def __call__(self, x: Tensor) -> Tensor:
        documents, heads, _, features = x.shape
        x = x.transpose(1, 2).flatten(2)
        if self.real is not None:
            x = x * self.real
        chunks = F.pad(x, (0, 0, 0, self.padding)).view(documents, -1, self.size, heads * features)
        means: Tensor = chunks.sum(2, dtype=torch.float32) / self.tokens
        return means.to(x.dtype).flatten(0, 1)[self.flat].view(-1, heads, features)
