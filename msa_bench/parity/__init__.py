"""Our values for a golden case of the released implementation, under its names, and how far they are apart."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from msa_bench.errors import UserError
from msa_bench.parity.case import Case
from msa_bench.parity.report import FileParity, ParityReport, compare, render
from msa_bench.parity.stage1 import stage1
from msa_bench.parity.stage2 import stage2
from msa_bench.parity.train import train
from msa_bench.parity.transcripts import transcripts

__all__ = ["FileParity", "ParityReport", "render", "run_parity"]

STAGES = {
    "stage1.safetensors": stage1,
    "stage2.safetensors": stage2,
    "train.safetensors": train,
    "transcripts.safetensors": transcripts,
}
"""Golden file -> what computes ours. Tensor names do not collide between files."""


def run_parity(case: Path, out: Path) -> ParityReport:
    """Write our values for the golden case in the directory `case` to the safetensors file `out`, and compare."""
    if out.is_dir() or not out.parent.is_dir():
        raise UserError(f"{out} cannot be written; --out takes a file name in a directory that exists.")
    opened = Case.open(case)
    ours: dict[str, Tensor] = {}
    files: list[FileParity] = []
    for name, compute in STAGES.items():
        computed = compute(opened)
        files.append(compare(name, computed, opened.tensors(name)))
        ours |= computed.tensors if computed is not None else {}
    save_file({name: tensor.detach().clone().contiguous() for name, tensor in ours.items()}, out)
    return ParityReport(case.name, tuple(files))
