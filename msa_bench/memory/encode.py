"""Streaming a corpus through the document pass into a memory bank (paper section 3.4, the offline stage)."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import psutil
import torch

from msa_bench.contracts import Corpus, Document, Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.memory.bank import MemoryBank, bytes_per_chunk
from msa_bench.memory.cores import each_on_a_core
from msa_bench.model.backbone import Backbone
from msa_bench.model.passes import chunk_counts, document_pass
from msa_bench.model.prompts import wrap_documents

WINDOW = 2048
"""Documents tokenised and sorted by length at a time."""

SAMPLED = 256
"""Documents read to estimate a corpus before it is encoded."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a corpus will take, from a sample of its documents."""

    documents: int
    tokens: int
    chunks: int
    bytes: int


def batch_tokens(device: torch.device) -> int:
    """Tokens of documents read in one forward pass: enough to fill a GPU, few enough for the cache of a CPU core."""
    return 65_536 if device.type == "cuda" else 512


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Indices of documents in batches of similar length, longest first, each at most `budget` tokens with padding.

    A document longer than the budget is a batch of its own.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    start = 0
    while start < len(order):
        width = max(lengths[order[start]], 1)
        end = start + max(1, budget // width)
        yield order[start:end]
        start = end


def estimate(model: Backbone, corpus: Corpus) -> Estimate:
    """Tokens, chunks and bytes `corpus` will take, extrapolated from at most `SAMPLED` evenly spaced documents."""
    count = len(corpus)
    if count == 0:
        raise UserError("The corpus holds no documents, so there is nothing to remember.")
    step = -(-count // SAMPLED)
    sample = [corpus[number] for number in range(0, count, step)]
    lengths = torch.tensor([len(tokens) for tokens in _wrap(model, sample)])
    scale = count / len(sample)
    size = model.config.msa.chunk_tokens if model.config.msa else 1
    chunks = round(int(chunk_counts(lengths, size).sum()) * scale)
    tokens = round(int(lengths.sum()) * scale)
    return Estimate(count, tokens, chunks, chunks * bytes_per_chunk(model.config, model.dtype))


def check_memory(model: Backbone, expected: Estimate) -> None:
    """A `UserError` if the bank will not fit: what is needed, what there is, and the largest length that fits."""
    available = available_bytes(model.device)
    needed = round(expected.bytes * 1.1)
    if needed > available:
        fits = int(expected.tokens * available / needed)
        raise UserError(
            f"A memory of {expected.tokens:,} tokens needs {_gigabytes(needed)} on {model.device.type}, where "
            f"{_gigabytes(available)} are free; about {fits:,} tokens would fit."
        )


def encode_corpus(
    model: Backbone, corpus: Corpus, progress: Progress = no_progress, global_positions: bool = False
) -> MemoryBank:
    """Encode every document of `corpus` once; the bank numbers documents as the corpus does.

    With `global_positions` documents are numbered on from each other instead of each from 0 (the ablation of
    document-wise RoPE). Memory is checked before the work begins.
    """
    expected = estimate(model, corpus)
    check_memory(model, expected)
    bank = MemoryBank(model.config, model.device, model.dtype, chunks=expected.chunks * 21 // 20)
    read = 0
    for window in _windows(corpus, WINDOW):
        for tokens in encode_window(model, bank, _wrap(model, window), global_positions):
            read += tokens
            progress("encode", read, expected.tokens, "tokens")
    return bank


def encode_window(
    model: Backbone, bank: MemoryBank, documents: Sequence[Sequence[int]], global_positions: bool = False
) -> Iterator[int]:
    """Add `documents`, each a sequence of at least one token, to `bank`, in batches of similar length; yields the
    tokens of each batch once it is read."""
    lengths = torch.tensor([len(tokens) for tokens in documents])
    counts = chunk_counts(lengths, bank.msa.chunk_tokens)
    starts = bank.tokens + lengths.cumsum(0) - lengths
    first = bank.reserve(counts, int(lengths.sum()))
    rows = first + counts.cumsum(0) - counts

    @torch.inference_mode()
    def read(batch: list[int]) -> int:
        width = int(lengths[batch].max())
        padded = torch.tensor([[*documents[index], *[0] * (width - len(documents[index]))] for index in batch])
        pooled = document_pass(
            model.decoder,
            padded.to(model.device),
            lengths[batch],
            starts=starts[batch] if global_positions else None,
        )
        target = torch.cat([torch.arange(int(rows[index]), int(rows[index] + counts[index])) for index in batch])
        bank.write(target.to(bank.device), pooled)
        return int(lengths[batch].sum())

    yield from each_on_a_core(read, batches(lengths.tolist(), batch_tokens(model.device)), model.device)


def available_bytes(device: torch.device) -> int:
    """Bytes free on `device`."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _wrap(model: Backbone, documents: Sequence[Document]) -> list[list[int]]:
    return wrap_documents(model.tokenizer, [(document.id, document.text) for document in documents])


def _windows(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    iterator = iter(documents)
    while window := list(itertools.islice(iterator, size)):
        yield window


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
