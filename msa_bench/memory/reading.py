"""The text side of encoding: a corpus as windows of tokens, made in worker processes ahead of the model.

A corpus makes any document without those before it, so every worker makes windows of its own; they are handed on in the
order of the corpus, and only a few are held, so neither the result nor the memory depends on the number of workers.
This module loads no torch: a worker is there in a fraction of a second.
"""

from __future__ import annotations

import itertools
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.queues import Queue
from multiprocessing.reduction import ForkingPickler

import numpy as np
import numpy.typing as npt

from msa_bench.contracts import Corpus, Document
from msa_bench.errors import UserError
from msa_bench.model.prompts import wrap_documents
from msa_bench.model.tokenizer import TextTokenizer

AHEAD = 3
"""Windows held per worker: one being made, one waiting, one on its way."""

SENT_BYTES = 1 << 26
"""The largest corpus that is sent to workers; one that holds its texts is read faster than sent."""

MOST_WORKERS = 8
"""More make text no faster than a GPU reads it, and leave no core to whatever else the machine does."""


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive documents as tokens: `tokens` int32, one document after the other, and `lengths` int64 of each."""

    tokens: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int64]

    @classmethod
    def of(cls, documents: Sequence[Sequence[int]]) -> Window:
        """The window of `documents`, each a sequence of tokens."""
        lengths = np.fromiter(map(len, documents), np.int64, len(documents))
        return cls(np.fromiter(itertools.chain.from_iterable(documents), np.int32, int(lengths.sum())), lengths)


def automatic_workers(device_type: str, documents: int, window: int) -> int:
    """Workers for a corpus of `documents`, `window` of them at a time.

    A GPU reads faster than a core makes text, so it gets several, all but two of a small machine; a CPU needs its cores
    for the model. A few windows are made before a worker could be started.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if device_type != "cuda" or documents <= 4 * window:
        return 0
    return max(0, min(cores - 2, MOST_WORKERS))


def windows(corpus: Corpus, tokenizer: TextTokenizer, size: int, workers: int, part: range) -> Iterator[Window]:
    """Windows of `size` documents of the `part` of `corpus`, made by `workers` processes, 0 for this one.

    A corpus that cannot be sent to another process is read in this one. A `UserError` if a worker ends too early.
    """
    if workers and _can_be_sent(corpus):
        yield from _from_workers(corpus, tokenizer, size, workers, part)
    else:
        documents = iter(corpus) if part == range(len(corpus)) else map(corpus.__getitem__, part)
        while window := list(itertools.islice(documents, size)):
            yield tokenised(tokenizer, window)


def tokenised(tokenizer: TextTokenizer, documents: Iterable[Document]) -> Window:
    """`documents` as they are encoded into memory."""
    return Window.of(wrap_documents(tokenizer, [(document.id, document.text) for document in documents]))


def _from_workers(corpus: Corpus, tokenizer: TextTokenizer, size: int, workers: int, part: range) -> Iterator[Window]:
    # Spawned, not forked: a copy of a process that holds threads and a GPU may never get its locks back.
    context = get_context("spawn")
    # Sent by a thread: what a worker is started with goes through a pipe, and where the worker ends before it has read
    # more than the pipe holds, starting it never ends.
    work = context.Queue()
    for _ in range(workers):
        work.put((corpus, tokenizer))
    pool = ProcessPoolExecutor(workers, context, initializer=_begin, initargs=(work,))
    ahead: deque[Future[Window]] = deque()
    try:
        for start in range(0, len(part), size):
            ahead.append(pool.submit(_make, part[start : start + size]))
            if len(ahead) > AHEAD * workers:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    except BrokenProcessPool as error:
        raise UserError(
            "A process that reads documents ended before its work was done (killed, out of memory, or started by a "
            'script without `if __name__ == "__main__":`); run again, or with --workers 0 to read in one process.'
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)
        work.cancel_join_thread()
        work.close()


def _can_be_sent(corpus: Corpus) -> bool:
    try:
        return len(ForkingPickler.dumps(corpus)) <= SENT_BYTES
    except Exception:  # whatever hinders it, such as an open file or a class of the running script
        return False


_work: tuple[Corpus, TextTokenizer]


def _begin(work: Queue[tuple[Corpus, TextTokenizer]]) -> None:
    """Make this process a worker: one core, no say in Ctrl-C, and no life of its own."""
    global _work
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _work = work.get()


def _end_with_parent() -> None:
    """A main process that is killed cannot tell its workers; without this they would wait for it for ever."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _make(part: range) -> Window:
    corpus, tokenizer = _work
    return tokenised(tokenizer, map(corpus.__getitem__, part))
