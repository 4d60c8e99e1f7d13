"""The training loop: batches from workers, one optimiser step each, measurements to CSV, restartable state.

Batch number b is a function of the settings and b alone, so a run that was killed goes on from its last save as if
nothing had happened. Of n processes, process r takes batch `n * s + r` in step s.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from msa_bench.contracts import Progress, no_progress
from msa_bench.errors import UserError
from msa_bench.evaluation.provenance import hardware
from msa_bench.model.adapter import memory_settings, read_adapter, read_card
from msa_bench.model.backbone import Backbone, load_untrained
from msa_bench.model.compiled import compiled_layers
from msa_bench.model.prompts import template_head
from msa_bench.model.tokenizer import TextTokenizer
from msa_bench.seeding import generator
from msa_bench.training.adapter import Adapter, save_adapter
from msa_bench.training.batch import Batch, make_batch
from msa_bench.training.episodes import episodes
from msa_bench.training.episodes.documents import filler
from msa_bench.training.losses import training_similarity
from msa_bench.training.measure import Log
from msa_bench.training.samples import READ
from msa_bench.training.settings import Stage, TrainingSettings
from msa_bench.training.shared_bank import Attended
from msa_bench.training.state import load_state, save_state
from msa_bench.training.step import Step
from msa_bench.training.world import World

EPISODES_PER_BATCH = 4096
"""Numbers of the episode stream set aside for each batch; no batch draws as many."""


class Batches(IterableDataset[Batch | UserError]):
    """Batches number `start`, `start + stride`, ... of a stage, dealt out to the workers of a loader. An error is
    handed on as it is: raised in a worker it would arrive inside a traceback."""

    def __init__(self, make: Callable[[int], Batch], start: int, stride: int) -> None:
        self.make, self.start, self.stride = make, start, stride

    def __iter__(self) -> Iterator[Batch | UserError]:
        worker = get_worker_info()
        place, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        for number in count(self.start + place * self.stride, workers * self.stride):
            try:
                yield self.make(number)
            except UserError as error:
                yield error


def batch_number(
    settings: TrainingSettings, stage: Stage, tokenizer: TextTokenizer, first_position: int, number: int
) -> Batch:
    """Batch `number` of a stage; `first_position` as in `make_batch`."""
    endless = episodes(settings.seed, stage.weights, settings.data, start=number * EPISODES_PER_BATCH)
    stream = islice(endless, EPISODES_PER_BATCH)
    rng: Random = generator("training batch", settings.seed, number)
    return make_batch(tokenizer, stream, lambda draw: " ".join(filler(draw)), stage.plan, rng, first_position)


def curriculum(settings: TrainingSettings, stage: Stage, samples: int, number: int) -> Attended:
    """How much each sample of batch `number` attends."""
    rng = generator("curriculum", settings.seed, number)
    documents = rng.choices(list(stage.attended), list(stage.attended.values()), k=samples)
    forced = [rng.random() < stage.forced for _ in range(samples)]
    return Attended(torch.tensor(documents), torch.tensor(forced))


@dataclass
class Place:
    """Where a run is: `step` over all stages, `stage` its number, `stage_step` and `stage_seconds` within it."""

    step: int = 0
    stage: int = 0
    stage_step: int = 0
    stage_seconds: float = 0.0
    tokens: int = 0
    seconds: float = 0.0

    def share(self, stage: Stage) -> float:
        """How much of `stage` is done, from 0 to 1."""
        if stage.steps is not None:
            return self.stage_step / stage.steps
        return self.stage_seconds / (60 * (stage.minutes or 1))


def train(settings: TrainingSettings, progress: Progress = no_progress) -> Path:
    """Run every stage and write the adapter to `settings.out`; continues from the last save found there."""
    progress("reading the data", 0, None, "")
    for stage in settings.stages:
        # Makes no episode, but reads the files: what is missing shows now and not after hours, and workers share it.
        episodes(settings.seed, stage.weights, settings.data)
    world = World.join()
    progress("loading the model", 0, None, "")
    model = load_untrained(settings.model, settings.device, settings.dtype)
    run = _Run(settings, model, world)
    run.resume()
    # Every batch of a stage has the same shape.
    with compiled_layers(model.decoder, settings.compile, any_shape=False):
        while run.place.stage < len(settings.stages):
            run.stage(settings.stages[run.place.stage], progress)
            run.place = replace(run.place, stage=run.place.stage + 1, stage_step=0, stage_seconds=0.0)
    if world.leads:
        save_adapter(settings.out, run.adapter, run.card())
    world.wait()
    return settings.out


class _Run:
    """A training run in progress."""

    def __init__(self, settings: TrainingSettings, model: Backbone, world: World) -> None:
        self.settings, self.model, self.world, self.place = settings, model, world, Place()
        decoder = model.decoder
        if decoder.config.msa is None or decoder.config.msa.trained:
            raise UserError(f"{settings.model} is a memory model already; training begins with a plain Llama or Qwen3.")
        msa = replace(
            decoder.config.msa,
            keys_per_chunk=settings.routing_keys,
            similarity=training_similarity(settings.aux_loss),
            aux_loss_method=settings.aux_loss,
            aux_loss_temperature=settings.aux_temperature,
            documents_read=READ if any(stage.beside for stage in settings.stages) else 0,
        )
        decoder.config = replace(decoder.config, msa=msa)
        self.adapter = Adapter(decoder, settings.rank, settings.seed)
        if settings.start_from:
            self._start_from(settings.start_from)
        self.optimiser = torch.optim.AdamW(
            [{"params": list(self.adapter.low_rank.values())}, {"params": list(self.adapter.whole.values())}],
            lr=0.0,
            betas=(0.9, 0.95),
            weight_decay=0.0,
            fused=decoder.device.type == "cuda",
        )
        self.head_tokens = len(template_head(model.tokenizer))
        self.step = Step(decoder, self.adapter, self.head_tokens)
        self.log = Log(settings.out)
        # Router scores are products of bfloat16 values, which TF32 multiplies exactly.
        torch.backends.cuda.matmul.allow_tf32 = True

    def resume(self) -> None:
        """Take up the last save in the output directory, if there is one."""
        saved = load_state(self.settings.out, self.adapter, self.optimiser, self._identity())
        if saved is not None:
            self.place = Place(**saved)
        if self.world.leads:
            self.log.cut(self.place.step)

    def stage(self, stage: Stage, progress: Progress) -> None:
        """Train until the stage's bound is reached."""
        batches = self._batches(stage)
        progress(f"{stage.name}: the first batch", 0, None, "")
        self.step.remember(stage.remembered)
        while self.place.share(stage) < 1:
            began = time.perf_counter()
            batch = next(batches)
            self._optimise(stage, batch)
            seconds, tokens = self.world.agree(time.perf_counter() - began, batch.tokens)
            place = self.place
            place.step, place.stage_step = place.step + 1, place.stage_step + 1
            place.stage_seconds, place.seconds = place.stage_seconds + seconds, place.seconds + seconds
            place.tokens += tokens
            # What is saved has been logged, or a restart would lack it in its next row.
            saves = place.step % self.settings.save_every == 0 or place.share(stage) >= 1
            if self.world.leads and (saves or place.step % self.settings.log_every == 0):
                line = self.log.write(place.step, stage.name, place.seconds, place.tokens)
                progress(f"{stage.name}: {line}", place.step, None, "steps")
            if saves:
                self.save()

    def save(self) -> None:
        """Write what a restart needs."""
        if self.world.leads:
            save_state(self.settings.out, self.adapter, self.optimiser, vars(self.place), self._identity())
        self.world.wait()

    def card(self) -> dict[str, Any]:
        """What the adapter's file says of how it was made."""
        return {
            "backbone": self.settings.model,
            "backbone_sha256": self.model.provenance["weights_sha256"],
            "msa": {"router_layers": list(self._msa.router_layers), "chunk_tokens": self._msa.chunk_tokens}
            | {"top_k": self._msa.top_k, "similarity": self._msa.similarity}
            | ({"keys_per_chunk": self._msa.keys_per_chunk} if self._msa.keys_per_chunk > 1 else {})
            | ({"documents_read": self._msa.documents_read} if self._msa.documents_read else {}),
            "training": json.loads(self.settings.model_dump_json(exclude={"out", "device", "workers"})),
            "steps": self.place.step,
            "tokens": self.place.tokens,
            "seconds": round(self.place.seconds, 1),
            "hardware": hardware(),
        }

    @property
    def _msa(self) -> Any:
        return self.model.config.msa

    def _optimise(self, stage: Stage, batch: Batch) -> None:
        share = min(self.place.share(stage), 1.0)
        warm = min(1.0, (self.place.step + 1) / max(1, self.settings.warm_up_steps))
        rates = (stage.learning_rate, stage.router_learning_rate)
        for group, (start, end) in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = warm * (start + (end - start) * share)
        attended = curriculum(self.settings, stage, len(batch.gold), self._number)
        outcome = self.step(batch, attended, stage.lm_weight, stage.aux_weight)
        gradient = self.step.gradient
        self.world.average(gradient)
        # A gradient that is not finite counts as zero; finding out first would make the CPU wait for the GPU.
        size = gradient.norm()
        gradient.mul_((self.settings.clip / (size + 1e-6)).clamp(max=1.0)).nan_to_num_(0.0, 0.0, 0.0)
        self.optimiser.step()
        if self.world.leads:
            self.log.add(outcome, batch.kinds)

    @property
    def _number(self) -> int:
        return self.place.step * self.world.size + self.world.rank

    def _batches(self, stage: Stage) -> Iterator[Batch]:
        first_position = self.head_tokens + self._msa.top_k
        make = partial(batch_number, self.settings, stage, self.model.tokenizer, first_position)
        data = Batches(make, self._number, self.world.size)
        loader: DataLoader[Batch | UserError] = DataLoader(
            data,
            batch_size=None,
            num_workers=self.settings.workers,
            prefetch_factor=4 if self.settings.workers else None,
            pin_memory=self.model.device.type == "cuda",
        )
        for batch in loader:
            if isinstance(batch, UserError):
                raise batch
            yield batch

    def _identity(self) -> dict[str, Any]:
        skipped = {"out", "device", "workers", "log_every", "save_every", "compile"}
        return dict(json.loads(self.settings.model_dump_json(exclude=skipped)))

    def _start_from(self, directories: Sequence[Path]) -> None:
        """Begin with the mean of each tensor over the adapters in `directories`, and with what they read of a round and
        the routing keys they have."""
        mean: dict[str, Tensor] = {}
        read, keys = self._msa.documents_read, self._msa.keys_per_chunk
        for directory in directories:
            card = read_card(directory)
            if card["rank"] != self.settings.rank:
                raise UserError(f"The adapter in {directory} has rank {card['rank']}, not {self.settings.rank}.")
            for name, tensor in read_adapter(directory, self.model.provenance["weights_sha256"]).items():
                mean[name] = mean.get(name, 0) + tensor.float() / len(directories)
            own = memory_settings(card)
            read, keys = max(read, own.documents_read), max(keys, own.keys_per_chunk)
        decoder = self.model.decoder
        decoder.config = replace(decoder.config, msa=replace(self._msa, documents_read=read, keys_per_chunk=keys))
        self.adapter.load_state_dict(mean)
