"""Streaming a corpus through the document pass into a memory bank (paper section 3.4, the offline stage).

Text is made and tokenised ahead of the model (`msa_bench.memory.reading`); here windows of documents are packed by
length into batches, read, pooled and written. A GPU is handed its work without waiting for it, so that it is reading
one batch while the next is packed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from msa_bench.contracts import Corpus, Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.memory.bank import MemoryBank, bytes_per_chunk
from msa_bench.memory.cores import each_on_a_core
from msa_bench.memory.files import BankWriter, is_saved, load_bank, only_writer
from msa_bench.memory.parallel import Group, part_of
from msa_bench.memory.plan import Budget, plan
from msa_bench.memory.reading import Window, automatic_workers, tokenised, windows
from msa_bench.memory.tier import ranges
from msa_bench.model.backbone import Backbone
from msa_bench.model.compiled import compiled_layers
from msa_bench.model.passes import document_pass
from msa_bench.model.pooling import chunk_counts
from msa_bench.model.upload import upload
from msa_bench.switches import switched

WINDOW = 8192
"""Documents sorted by length at a time."""

WINDOW_TOKENS = 4 * 1024 * 1024
"""Tokens of a window of long documents, about; it then holds fewer of them."""

COMPILED_TOKENS = 8 * 1024 * 1024
"""From so many tokens on, compiling the layers for a GPU takes less time than it saves."""

SAVED_WINDOWS = 2
"""Windows after which an interrupted encoding can go on."""

SAMPLED = 256
"""Documents read to estimate a corpus before it is encoded."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a corpus will take, from a sample of its documents."""

    documents: int
    tokens: int
    chunks: int
    bytes: int

    def of(self, documents: int) -> Estimate:
        """The share of so many of the documents."""
        tokens, chunks, bytes_ = (
            round(whole * documents / self.documents) for whole in (self.tokens, self.chunks, self.bytes)
        )
        return Estimate(documents, tokens, chunks, bytes_)


def batch_tokens(device: torch.device, hidden_size: int) -> int:
    """Tokens of documents read in one forward pass: enough to fill a GPU, few enough for a large model's activations to
    stay within some gigabytes; on a CPU few enough for the cache of a core."""
    return min(131_072, 2**27 // hidden_size) if device.type == "cuda" else 512


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
    lengths = torch.from_numpy(tokenised(model.tokenizer, sample).lengths)
    scale = count / len(sample)
    size = model.config.msa.chunk_tokens if model.config.msa else 1
    chunks = round(int(chunk_counts(lengths, size).sum()) * scale)
    tokens = round(int(lengths.sum()) * scale)
    return Estimate(count, tokens, chunks, chunks * sum(bytes_per_chunk(model.config, model.dtype)))


def encode_corpus(
    model: Backbone,
    corpus: Corpus,
    progress: Progress = no_progress,
    global_positions: bool = False,
    workers: int | None = None,
    budget: Budget | None = None,
    directory: Path | None = None,
    group: Group | None = None,
) -> MemoryBank:
    """Encode every document of `corpus` once; the bank numbers documents as the corpus does.

    With `global_positions` documents are numbered on from each other instead of each from 0 (the ablation of
    document-wise RoPE). `workers` processes make the text, 0 for this one alone, None for as many as help; the bank
    does not depend on it. Where it goes is planned before the work begins, within `budget`. It is saved in `directory`,
    if there is one, as it grows: an interrupted encoding is gone on with, a finished one only opened. Of several
    processes in a `group` each encodes, and saves, its own part.
    """
    expected = estimate(model, corpus)
    group = group or Group()
    if group.size > 1 and global_positions:
        raise UserError("Global positions run through the whole memory, so one process must encode it.")
    size = max(1, min(WINDOW, WINDOW_TOKENS * expected.documents // expected.tokens))
    part = part_of(group, len(corpus), size)
    expected = expected.of(len(part))
    chosen, saved = budget or Budget(), directory is not None
    place = plan(model.config, model.dtype, model.device, expected.tokens, expected.chunks, chosen, saved).placement
    bank = MemoryBank(model.config, model.device, model.dtype, expected.chunks * 21 // 20, place)
    if directory is None:
        _encode(model, corpus, bank, expected, progress, global_positions, workers, part, size, None)
        return bank
    directory = own_directory(directory, group)
    positions = {"positions": "global" if global_positions else "document"}
    identity = bank.identity(model.sha256) | {"corpus": corpus.fingerprint} | positions
    if not is_saved(directory):
        with only_writer(directory):
            # Another process may have encoded it meanwhile.
            if not is_saved(directory):
                writer = BankWriter(directory, bank, identity)
                try:
                    _encode(model, corpus, bank, expected, progress, global_positions, workers, part, size, writer)
                    writer.finish()
                finally:
                    writer.close()
                return bank
    return load_bank(directory, model.config, model.device, identity, place)


def own_directory(directory: Path, group: Group) -> Path:
    """Where in the `directory` of a bank this process saves its part."""
    return directory / f"part-{group.rank}-of-{group.size}" if group.size > 1 else directory


def _encode(
    model: Backbone,
    corpus: Corpus,
    bank: MemoryBank,
    expected: Estimate,
    progress: Progress,
    global_positions: bool,
    workers: int | None,
    part: range,
    size: int,
    writer: BankWriter | None,
) -> None:
    """Add to `bank` the documents of the `part` of `corpus` it does not hold yet, `size` at a time."""
    part = part[bank.documents :]
    if workers is None:
        workers = automatic_workers(model.device.type, len(part), size)
    read = bank.tokens
    try:
        with compiled_layers(model.decoder, worth_compiling(model.device, expected.tokens)):
            text = windows(corpus, model.tokenizer, size, workers, part)
            for number, window in enumerate(text, start=1):
                for tokens in encode_tokens(model, bank, window, global_positions):
                    read += tokens
                    progress("encode", read, expected.tokens, "tokens")
                if writer is not None:
                    writer.append()
                    if number % SAVED_WINDOWS == 0:
                        writer.save()
        bank.finish()
        if model.device.type == "cuda":
            torch.cuda.synchronize(model.device)
    except torch.OutOfMemoryError as error:
        kept = "; what is done is kept, and the same command goes on from there" if writer is not None else ""
        raise UserError(
            f"{model.device} ran out of memory after {read:,} tokens; a smaller --length or --budget helps{kept}."
        ) from error
    finally:
        if writer is not None:
            writer.save()


def encode_window(
    model: Backbone, bank: MemoryBank, documents: Sequence[Sequence[int]], global_positions: bool = False
) -> Iterator[int]:
    """`encode_tokens` of `documents`, each a sequence of at least one token."""
    yield from encode_tokens(model, bank, Window.of(documents), global_positions)


def encode_tokens(model: Backbone, bank: MemoryBank, window: Window, global_positions: bool = False) -> Iterator[int]:
    """Add the documents of `window` to `bank`, in batches of similar length; yields the tokens of each batch once it is
    read, on a GPU once it is handed over."""
    tokens, lengths = upload(torch.from_numpy(window.tokens), model.device), torch.from_numpy(window.lengths)
    begins = lengths.cumsum(0) - lengths
    counts = chunk_counts(lengths, bank.msa.chunk_tokens)
    starts = bank.tokens + begins
    rows = bank.reserve(counts, int(lengths.sum())) + counts.cumsum(0) - counts

    @torch.inference_mode()
    def read(batch: list[int]) -> int:
        pooled = document_pass(
            model.decoder,
            _padded(tokens, begins[batch], lengths[batch]),
            lengths[batch],
            starts=starts[batch] if global_positions else None,
        )
        bank.write(ranges(rows[batch], counts[batch]), pooled)
        return int(lengths[batch].sum())

    budget = batch_tokens(model.device, model.config.hidden_size)
    yield from each_on_a_core(read, batches(lengths.tolist(), budget), model.device)


def _padded(tokens: Tensor, begins: Tensor, lengths: Tensor) -> Tensor:
    """Documents that begin at `begins` of `tokens`, as int64 `[documents, width]` padded on the right, where `tokens`
    are. Only begins and lengths are handled on the CPU: what is done there to every token would wait for threads that
    share the cores with the workers."""
    place = torch.arange(int(lengths.max()), device=tokens.device)
    real = place < upload(lengths, tokens.device)[:, None]
    return tokens[(upload(begins, tokens.device)[:, None] + place) * real].long() * real


def worth_compiling(device: torch.device, tokens: int) -> bool:
    """Whether to compile the layers for reading `tokens`; the variable MSA_BENCH_COMPILE, 0 or 1, decides otherwise."""
    return switched("MSA_BENCH_COMPILE", device.type == "cuda" and tokens >= COMPILED_TOKENS)
