"""How far our values are from the recorded ones, file by file."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from msa_bench.parity.case import Computed

TOLERANCE = 1e-4
"""Largest absolute difference, in float32, at which two values agree."""

SELECTIONS = ("topk_doc_ids", "num_selected_chunks")
"""Last parts of the names of tensors that say which documents were selected."""


@dataclass(frozen=True, slots=True)
class FileParity:
    """One golden file. `difference` is None where nothing was recorded to compare with; `worst` names its tensor.

    `compared` and `written` count tensors; `missing` are recorded ones that were not computed; `identical` are verdicts
    by what they are about.
    """

    file: str
    written: int
    compared: int = 0
    difference: float | None = None
    worst: str | None = None
    missing: tuple[str, ...] = ()
    identical: tuple[tuple[str, bool], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether everything compared agrees; a file with nothing to compare is no failure."""
        near = self.difference is None or self.difference <= TOLERANCE
        return near and not self.missing and all(same for _, same in self.identical)


@dataclass(frozen=True, slots=True)
class ParityReport:
    """All files of a case."""

    case: str
    files: tuple[FileParity, ...]

    @property
    def passed(self) -> bool:
        """Whether everything compared agrees."""
        return all(file.passed for file in self.files)


def compare(file: str, computed: Computed | None, recorded: dict[str, Tensor] | None) -> FileParity:
    """Our values of `file` against the recorded ones."""
    if computed is None:
        return FileParity(file, 0, notes=("not computed: the case holds no inputs for it",))
    wanted = {name: value for name, value in (recorded or {}).items() if name not in computed.skipped}
    if not wanted:
        return FileParity(
            file,
            len(computed.tensors),
            identical=tuple(computed.identical.items()),
            notes=(*computed.notes, "the case records no values of it: computed, not compared"),
        )
    differences = {
        name: difference(computed.tensors[name], value, computed.compared.get(name))
        for name, value in wanted.items()
        if name in computed.tensors
    }
    worst = max(differences, key=lambda name: differences[name], default=None)
    identical = dict(computed.identical)
    chosen = [name for name in differences if name.endswith(SELECTIONS)]
    if chosen:
        identical["selections"] = all(differences[name] == 0 for name in chosen)
    return FileParity(
        file,
        len(computed.tensors),
        len(differences),
        differences[worst] if worst is not None else None,
        worst,
        tuple(sorted(set(wanted) - set(differences))),
        tuple(identical.items()),
        tuple(computed.notes),
    )


def difference(ours: Tensor, theirs: Tensor, where: Tensor | None = None) -> float:
    """The largest absolute difference of two tensors, infinite if their shapes differ or one is not a number where the
    other is. `where` (bool, leading dimensions are enough) limits the comparison."""
    if ours.shape != theirs.shape:
        return float("inf")
    apart = (ours.double() - theirs.double()).abs()
    apart = torch.where(ours == theirs, torch.zeros_like(apart), apart).nan_to_num(
        nan=float("inf"), posinf=float("inf")
    )
    if where is not None:
        apart = apart[where]
    return float(apart.max()) if apart.numel() else 0.0


def render(report: ParityReport) -> str:
    """The report as text, a line per file and one per note."""
    lines = [f"Parity of {report.case} (tolerance {TOLERANCE:g}, float32)"]
    for file in report.files:
        if file.difference is None:
            seen = f"not compared, {file.written} tensors written"
        else:
            seen = f"largest difference {file.difference:.3g} ({file.worst}), {file.compared} tensors"
        verdicts = [f"{what} {'identical' if same else 'DIFFERENT'}" for what, same in file.identical]
        lines.append(f"  {'pass' if file.passed else 'FAIL'}  {file.file}: {'; '.join([seen, *verdicts])}")
        if file.missing:
            more = f" and {len(file.missing) - 3} more" if len(file.missing) > 3 else ""
            lines.append(f"        not computed: {', '.join(file.missing[:3])}{more}")
        lines += [f"        {note}" for note in file.notes]
    compared = any(file.compared for file in report.files)
    verdict = "Everything compared agrees." if compared else "Nothing was recorded to compare with."
    lines.append(verdict if report.passed else "Ours and the recorded values disagree.")
    return "\n".join(lines)
