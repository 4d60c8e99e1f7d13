"""Where the tokens of a batch stand: one after another in linear maps, in padded rows in attention.

Moving between the two is a gather in both directions, forward and backward, because every true token stands in one slot
and every other slot is of no account; so a step needs no atomic additions for it and is the same every time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from msa_bench.training.batch import Batch
from msa_bench.training.rows import Rows


class _Move(torch.autograd.Function):
    """`x[index]`, whose gradient is `keep * gradient[inverse]`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, inverse: Tensor, keep: Tensor) -> Tensor:
        ctx.save_for_backward(inverse, keep)
        return x.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        inverse, keep = ctx.saved_tensors
        return gradients[0].index_select(0, inverse) * keep, None, None, None


def _move(x: Tensor, index: Tensor, inverse: Tensor, keep: Tensor) -> Tensor:
    return cast(Tensor, _Move.apply(x, index, inverse, keep))  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of the documents, or those of the samples: `shape` as in the plan, `index` `[slots]` the token of each
    slot, `inverse` and `keep` `[tokens]` the slot of each token and whether it stands here."""

    shape: Rows
    index: Tensor
    inverse: Tensor
    keep: Tensor

    def rows(self, x: Tensor) -> Iterator[Tensor]:
        """`x` `[heads, tokens, size]` in rows: per width, `[rows, heads, width, size]`."""
        heads, _, size = x.shape
        moved = _move(x.transpose(0, 1).flatten(1), self.index, self.inverse, self.keep)
        return (part.view(*part.shape[:2], heads, size).transpose(1, 2) for part in split(moved, self.shape))


@dataclass(frozen=True, slots=True)
class Layout:
    """Documents, samples, and the way back from all rows to the tokens."""

    documents: Part
    samples: Part
    slot: Tensor
    token: Tensor
    filled: Tensor

    @classmethod
    def of(cls, batch: Batch) -> Layout:
        """The layout of `batch`."""
        plan = batch.plan
        border = sum(rows * width for rows, width in plan.bank)
        is_document = batch.real & (batch.slot < border)
        filled = torch.cat([*true_slots(batch.document_lengths, plan.bank),
                            *true_slots(batch.sample_lengths, plan.samples)])  # fmt: skip
        return cls(
            Part(plan.bank, batch.token[:border], batch.slot.clamp(max=border - 1), is_document[:, None]),
            Part(plan.samples, batch.token[border:], (batch.slot - border).clamp(min=0),
                 (batch.real & ~is_document)[:, None]),
            batch.slot,
            batch.token,
            filled[:, None],
        )  # fmt: skip

    def flat(self, rows: list[Tensor]) -> Tensor:
        """Rows as `Part.rows` gives them, documents before samples, back as `[tokens, heads * size]`; what is no true
        token of a row gets something finite."""
        slots = torch.cat([part.transpose(1, 2).flatten(0, 1).flatten(1) for part in rows])
        return _move(slots, self.slot, self.token, self.filled)


class _Pick(torch.autograd.Function):
    """`table[rows]`. The gradient of a row that was picked often is summed by a matrix product: atomic additions would
    wait for each other, and come out a little different every time."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.height = len(table)
        return table.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        picked = torch.arange(ctx.height, device=rows.device)[:, None] == rows
        return picked.to(gradients[0].dtype) @ gradients[0], None


class Chunks:
    """The chunks of a batch's documents; those of one width have equally many places for them, as many as a full row
    needs."""

    def __init__(self, lengths: Tensor, shape: Rows, size: int) -> None:
        self.size = size
        self.counts = (lengths + size - 1) // size
        self.real: list[Tensor] = []
        self.tokens: list[Tensor] = []
        self.inside: list[Tensor] = []
        for (_, width), own in zip(shape, per_width(lengths, shape), strict=True):
            place = torch.arange(0, width, size, device=lengths.device)
            self.real.append(place < own[:, None])
            self.tokens.append((own[:, None] - place).clamp(1, size)[:, :, None].float())
            self.inside.append((torch.arange(width, device=lengths.device) < own[:, None])[:, :, None])
        self.most = max(real.shape[1] for real in self.real)

    def means(self, rows: Iterable[Tensor]) -> list[Tensor]:
        """Chunk means of documents in rows, in float32 over true tokens (eq. 1-2): per width, `[rows, places, heads,
        size]`."""
        found = []
        for x, tokens, inside in zip(rows, self.tokens, self.inside, strict=True):
            count, heads, width, size = x.shape
            flat = x.transpose(1, 2).flatten(2) * inside
            cut = F.pad(flat, (0, 0, 0, -width % self.size)).view(count, -1, self.size, heads * size)
            mean = (cut.sum(2, dtype=torch.float32) / tokens).to(x.dtype)
            found.append(mean.view(count, -1, heads, size))
        return found

    def best(self, scores: Tensor) -> Tensor:
        """Scores `[samples, documents]` of documents from those of all places `[samples, places]`, in their order: the
        best true chunk, minus infinity for a row without a document."""
        parts = torch.split(scores, [real.numel() for real in self.real], dim=1)
        best = [
            part.view(-1, *real.shape).masked_fill(~real, float("-inf")).amax(2)
            for part, real in zip(parts, self.real, strict=True)
        ]
        return torch.cat(best, dim=1)

    def of(self, documents: Tensor, means: Sequence[Tensor]) -> Tensor:
        """The chunks of `documents` `[samples, k]` as columns, `[samples, heads, k * most, size]`."""
        table = torch.cat([F.pad(part, (0, 0, 0, 0, 0, self.most - part.shape[1])) for part in means])
        picked = cast(Tensor, _Pick.apply(table.flatten(1), documents.flatten()))  # type: ignore[no-untyped-call]
        return picked.view(len(documents), -1, *table.shape[2:]).transpose(1, 2)

    def true(self, documents: Tensor) -> Tensor:
        """Which columns of `of` are true chunks, `[samples, k, most]`."""
        return torch.arange(self.most, device=documents.device) < self.counts[documents][:, :, None]


def split(x: Tensor, shape: Rows) -> Iterator[Tensor]:
    """`x` `[slots, ...]` per width, `[rows, width, ...]`."""
    parts = torch.split(x, [rows * width for rows, width in shape])
    return (part.view(*sizes, *x.shape[1:]) for part, sizes in zip(parts, shape, strict=True))


def per_width(lengths: Tensor, shape: Rows) -> Iterator[Tensor]:
    """Lengths of rows, `[rows]` per width."""
    return iter(torch.split(lengths, [rows for rows, _ in shape]))


def true_slots(lengths: Tensor, shape: Rows) -> Iterator[Tensor]:
    """Per width, bool `[rows * width]`: which slots hold one of the first `lengths` tokens of their row."""
    for (_, width), own in zip(shape, per_width(lengths, shape), strict=True):
        yield (torch.arange(width, device=lengths.device) < own[:, None]).flatten()
