"""What a memory of 100M tokens takes: by runs over one or by what `perf storage` held and routed."""

from __future__ import annotations

from dataclasses import replace

from msa_bench.evaluation.claim_measures import Measurement, other_model
from msa_bench.evaluation.combined import Estimate
from msa_bench.evaluation.measured import Held, Index, Measured
from msa_bench.lengths import parse_length

PAPER_SIZES = "qwen3-4b"
"""The shape of `perf storage` that has the sizes of the paper's backbone."""


def stored_bytes(measured: Measured) -> Measurement | str:
    """What a memory of 100M tokens takes with the paper's backbone."""
    found = [one for one in _whole(measured) if one.paper_backbone]
    if found:
        one = found[0]
        return Measurement(Estimate(one.bytes / 1e9), one.model, "100M", 1, [one.source], [])
    held = _held_whole(measured)
    if not held:
        return "no run of msa on the paper's backbone with a memory of 100M tokens is here, and no perf storage"
    return _of_held(held[0], held[0].bytes / 1e9)


def routing_key_bytes(measured: Measured) -> Measurement | str:
    """What the routing keys of 100M tokens take in the sizes of the paper's backbone."""
    held = _held_whole(measured)
    return _of_held(held[0], held[0].keys_bytes / 1e9) if held else "no perf storage of 100M tokens is here"


def gpus_used(measured: Measured) -> Measurement | str:
    """How many GPUs a run over 100M tokens had, or what held and routed a memory of these sizes."""
    found = _whole(measured)
    if found:
        one = min(found, key=lambda index: (not index.paper_backbone, index.gpus))
        differs = [*other_model([one]), *_other_gpus(one.gpu_bytes)]
        return Measurement(Estimate(one.gpus), one.model, "100M", 1, [one.source], differs)
    held = [one for one in _held_whole(measured) if one.gpus]
    if not held:
        return "no finished run of msa with a memory of 100M tokens on GPUs is here, and no perf storage"
    least = min(held, key=lambda one: one.gpus)
    measurement = _of_held(least, least.gpus)
    return replace(measurement, differs=[*measurement.differs, *_other_gpus(least.gpu_bytes)])


def _held_whole(measured: Measured) -> list[Held]:
    """Memories of 100M tokens in the sizes of the paper's backbone, those kept exactly first."""
    least = parse_length("100M")
    found = [one for one in measured.held if one.shape == PAPER_SIZES and one.length >= least]
    return sorted(found, key=lambda one: len(one.in_8_bits))


def _of_held(one: Held, value: float) -> Measurement:
    differs = ["random numbers in the sizes of the paper's model", *one.in_8_bits]
    return Measurement(Estimate(value), one.shape, "100M", 1, [one.source], differs)


def _other_gpus(gpu_bytes: int) -> list[str]:
    return [f"GPUs of {gpu_bytes / 1e9:.0f} GB"] if gpu_bytes > 90e9 else []


def _whole(measured: Measured) -> list[Index]:
    least = parse_length("100M")
    return [one for one in measured.indexes if one.system == "msa" and (one.length or 0) >= least and one.gpus]
