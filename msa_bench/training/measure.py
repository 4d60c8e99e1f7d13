"""What a training run writes down: losses, router recall and what was written right, as CSV."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from msa_bench.training.shared_bank import Outcome

CURVES = "curves.csv"
KINDS = "kinds.csv"
_CURVE_FIELDS = ("step", "stage", "seconds", "tokens", "lm_loss", "aux_loss", "recall", "recall_best_layer", "named")
_KIND_FIELDS = ("step", "kind", "naming", "samples", "written", "recall")


class Log:
    """Collects outcomes and writes their means: `recall` is the share of gold documents among the first k by mean score
    (unforced), `named` the share of retrieval steps written without a wrong token (teacher-forced). Of several
    processes the leader writes, and what it saw."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._outcomes: list[Outcome] = []
        self._kinds: list[str] = []

    def add(self, outcome: Outcome, kinds: Sequence[str]) -> None:
        """Note the outcome of a step; `kinds` of its samples, empty for rows that hold none."""
        self._outcomes.append(outcome)
        self._kinds += kinds

    def write(self, step: int, stage: str, seconds: float, tokens: int) -> str:
        """Append the means since the last call; returns them as a line to show."""
        outcomes, self._outcomes = self._outcomes, []
        kinds, self._kinds = self._kinds, []
        naming = torch.cat([one.naming for one in outcomes])
        written = torch.cat([one.written for one in outcomes])
        recalled = torch.cat([one.recalled for one in outcomes])
        layers = torch.cat([one.recalled_by_layer for one in outcomes], dim=1)[:, naming].mean(1)
        row: dict[str, Any] = {
            "step": step,
            "stage": stage,
            "seconds": round(seconds, 1),
            "tokens": tokens,
            "lm_loss": _rounded(torch.stack([one.lm_loss for one in outcomes]).mean()),
            "aux_loss": _rounded(torch.stack([one.aux_loss for one in outcomes]).mean()),
            "recall": _rounded(recalled[naming].mean()),
            "recall_best_layer": _rounded(layers.max()),
            "named": _rounded(written[naming].float().mean()),
        }
        _append(self.directory / CURVES, _CURVE_FIELDS, [row])
        groups: dict[tuple[str, bool], list[tuple[bool, float]]] = defaultdict(list)
        for kind, named, right, found in zip(kinds, naming.tolist(), written.tolist(), recalled.tolist(), strict=True):
            if kind:
                groups[kind, named].append((right, found))
        _append(
            self.directory / KINDS,
            _KIND_FIELDS,
            [
                {
                    "step": step,
                    "kind": kind,
                    "naming": int(named),
                    "samples": len(rows),
                    "written": round(sum(right for right, _ in rows) / len(rows), 4),
                    "recall": round(sum(found for _, found in rows) / len(rows), 4) if named else "",
                }
                for (kind, named), rows in sorted(groups.items())
            ],
        )
        return (
            f"loss {row['lm_loss']:.3f}, router {row['aux_loss']:.3f}, recall {row['recall']:.3f} "
            f"(best layer {row['recall_best_layer']:.3f}), named {row['named']:.3f}, {tokens / seconds:,.0f} tokens/s"
        )

    def cut(self, step: int) -> None:
        """Drop rows after `step`, which a restarted run will write again."""
        for name, fields in ((CURVES, _CURVE_FIELDS), (KINDS, _KIND_FIELDS)):
            path = self.directory / name
            if path.exists():
                with path.open(newline="", encoding="utf-8") as file:
                    rows = list(csv.DictReader(file))
                path.unlink()
                _append(path, fields, [row for row in rows if int(row["step"]) <= step])


def _append(path: Path, fields: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        if fresh:
            writer.writeheader()
        writer.writerows(rows)


def _rounded(value: torch.Tensor) -> float:
    return round(float(value), 5)
