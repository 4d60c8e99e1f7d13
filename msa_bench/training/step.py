"""One forward and backward pass; on a GPU it is captured once for every shape of batch and replayed.

A step is tens of thousands of small kernels, and launching them one by one takes longer than running them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import fields, replace

import torch
from torch import Tensor

from msa_bench.model.decoder import Decoder
from msa_bench.training.adapter import Adapter, install
from msa_bench.training.batch import Batch
from msa_bench.training.remembered import Remembered
from msa_bench.training.shared_bank import Attended, Outcome, run_batch

_WARM_UPS = 3
_AHEAD = 3
"""Steps the CPU may be ahead of the GPU."""


class Step:
    """Gradients of an adapter over `decoder`. They are added up in `gradient`, one flat float32 tensor."""

    def __init__(self, decoder: Decoder, adapter: Adapter, head_tokens: int) -> None:
        self.decoder, self.adapter, self.head_tokens = decoder, adapter, head_tokens
        parameters = list(adapter.parameters())
        self.gradient = torch.zeros(sum(one.numel() for one in parameters), device=decoder.device)
        for parameter, part in zip(
            parameters, torch.split(self.gradient, [one.numel() for one in parameters]), strict=True
        ):
            parameter.grad = part.view_as(parameter)
        self._remembered: Remembered | None = None
        self._captured: _Captured | None = None
        self._running: deque[torch.cuda.Event] = deque()

    def remember(self, chunks: int) -> None:
        """From now on compare samples with the last `chunks` routing keys of earlier batches too; with none for 0."""
        config = self.decoder.config
        msa = config.msa
        if chunks == (0 if self._remembered is None else self._remembered.keys.shape[1]):
            return
        self._captured = None
        self._remembered = None
        if chunks and msa is not None:
            width = config.kv_heads * config.head_dim
            layers = len(msa.router_layers)
            self._remembered = Remembered(chunks, layers, width, self.decoder.device, self.decoder.dtype)

    def __call__(self, batch: Batch, attended: Attended, lm_weight: float, aux_weight: float) -> Outcome:
        """Losses and measurements of `batch`; `gradient` becomes that of the weighted sum of both losses."""
        device = self.decoder.device
        weights = torch.tensor([lm_weight, aux_weight])
        if device.type != "cuda":
            return self._pass(batch, attended, weights)
        given = inputs(batch, attended, weights)
        if self._captured is None or self._captured.plan != batch.plan:
            self._captured = None  # gives its memory back first
            torch.cuda.empty_cache()
            self._captured = _Captured(self._pass, batch, attended, weights, device)
            if self._remembered is not None:
                self._remembered.forget()  # capturing ran the batch itself
        outcome = self._captured.replay(given)
        self._keep_pace()
        return outcome

    def _pass(self, batch: Batch, attended: Attended, weights: Tensor) -> Outcome:
        self.gradient.zero_()
        install(self.decoder, self.adapter.weights(self.decoder.dtype))
        outcome = run_batch(self.decoder, batch, self.head_tokens, attended, self._remembered)
        torch.autograd.backward(weights[0] * outcome.lm_loss + weights[1] * outcome.aux_loss)
        return replace(outcome, lm_loss=outcome.lm_loss.detach(), aux_loss=outcome.aux_loss.detach())

    def _keep_pace(self) -> None:
        done = torch.cuda.Event()  # type: ignore[no-untyped-call]
        done.record()
        self._running.append(done)
        if len(self._running) > _AHEAD:
            self._running.popleft().synchronize()


class _Captured:
    """The pass over batches of one plan, with its inputs and outputs at fixed places on the GPU."""

    def __init__(
        self,
        run: Callable[[Batch, Attended, Tensor], Outcome],
        batch: Batch,
        attended: Attended,
        weights: Tensor,
        device: torch.device,
    ) -> None:
        self.plan = batch.plan
        self.inputs = {name: value.to(device) for name, value in inputs(batch, attended, weights).items()}
        own = batch.having({name: self.inputs[name] for name in batch.tensors()})
        dials = Attended(self.inputs["documents"], self.inputs["forced"])
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UPS):
                run(own, dials, self.inputs["weights"])
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        # Other threads (the one that pins batches, NCCL's watchdog) may use the GPU meanwhile.
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
            self.outcome = run(own, dials, self.inputs["weights"])

    def replay(self, given: Mapping[str, Tensor]) -> Outcome:
        for name, value in given.items():
            self.inputs[name].copy_(value, non_blocking=True)
        self.graph.replay()
        return Outcome(*(getattr(self.outcome, one.name).clone() for one in fields(Outcome)))


def inputs(batch: Batch, attended: Attended, weights: Tensor) -> dict[str, Tensor]:
    """Everything a pass depends on, by name."""
    return batch.tensors() | {"documents": attended.documents, "forced": attended.forced, "weights": weights}
