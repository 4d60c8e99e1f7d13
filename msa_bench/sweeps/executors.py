"""Where the runs of a sweep are done: in this process, in several on this machine, or on a Ray cluster.

An executor takes a run and gives a future of None, or of the sentence that says why the run failed. Work goes to other
processes by its name, so it must be a function of a module.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol

from msa_bench.errors import UserError
from msa_bench.evaluation.config import RunConfig

Work = Callable[[RunConfig], object]
Outcome = str | None


class Executor(Protocol):
    """Does at most `slots` runs at a time."""

    slots: int

    def submit(self, config: RunConfig) -> Future[Outcome]: ...

    def close(self) -> None: ...


def attempt(work: Work, config: RunConfig, directory: str) -> Outcome:
    """Do `work` in the working `directory`; None, or why it failed, so that the other runs can go on."""
    os.chdir(directory)
    try:
        work(config)
    except UserError as error:
        return str(error)
    except Exception as error:  # a run may fail in any way, and takes no other one with it
        return f"{type(error).__name__}: {' '.join(str(error).split())}"
    return None


class InProcess:
    """One run after the other, here: the model stays loaded between them."""

    slots = 1

    def __init__(self, work: Work) -> None:
        self._work = work

    def submit(self, config: RunConfig) -> Future[Outcome]:
        done: Future[Outcome] = Future()
        done.set_result(attempt(self._work, config, str(Path.cwd())))
        return done

    def close(self) -> None:
        """Nothing is left open."""


class Processes:
    """`slots` processes on this machine, which share its cores and take turns on its `gpus`."""

    def __init__(self, work: Work, slots: int, gpus: int = 0) -> None:
        self.slots, self._work = slots, work
        context = get_context("spawn")
        arguments = (context.Value("i", 0), slots, gpus, os.getpid())
        self._pool = ProcessPoolExecutor(slots, context, _begin, arguments)

    def submit(self, config: RunConfig) -> Future[Outcome]:
        return self._pool.submit(attempt, self._work, config, str(Path.cwd()))

    def close(self) -> None:
        """Let runs in progress end and start no other."""
        self._pool.shutdown(cancel_futures=True)


class Ray:
    """Tasks on a Ray cluster: the one at RAY_ADDRESS, or one of this machine. `slots` at a time, by default one for
    each node. Nodes need this package and the sweep's directory at the same path. A `UserError` without Ray."""

    def __init__(self, work: Work, slots: int | None = None) -> None:
        try:
            import ray
        except ImportError as error:
            raise UserError("The executor ray needs Ray: pip install 'msa-bench[ray]'.") from error
        self._ray: Any = ray
        self._work = work
        if not self._ray.is_initialized():
            self._ray.init(include_dashboard=False, log_to_driver=False)
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        self.slots = slots or len(alive)
        resources = self._ray.cluster_resources()
        share = max(1, int(resources.get("CPU", 1)) // self.slots)
        gpus = 1 if resources.get("GPU", 0) >= self.slots else 0
        # Done once: a run that failed is continued by the same command, not by Ray.
        self._task: Any = self._ray.remote(num_cpus=share, num_gpus=gpus, max_retries=0)(attempt)

    def submit(self, config: RunConfig) -> Future[Outcome]:
        found: Future[Outcome] = self._task.remote(self._work, config, str(Path.cwd())).future()
        return found

    def close(self) -> None:
        """Leave the cluster, or end it if it is one of this machine's own."""
        self._ray.shutdown()


def _begin(counter: Any, slots: int, gpus: int, parent: int) -> None:
    """What a process does first: take its share of cores, its GPU, and watch that it does not outlive the sweep."""
    with counter.get_lock():
        number = counter.value
        counter.value += 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores // slots)))
    if gpus:
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = seen[number % len(seen)] if seen != [""] else str(number % gpus)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(1)
