"""The paper's claims against what was measured. A verdict never comes without a run behind it.

reproduced      under the paper's conditions, and the measured value meets the paper's or its interval reaches it
partly          the same under conditions that differ (named in `why`, another model among them), an effect that is
                there but smaller, or an interval that reaches the paper's value and is wide
not reproduced  the whole interval misses the paper's value, or no effect is shown
not measured    no run here measures it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from msa_bench.evaluation.claim_measures import Measurement
from msa_bench.evaluation.claimed import WAYS
from msa_bench.evaluation.combined import Estimate
from msa_bench.evaluation.measured import Measured
from msa_bench.paper import Claim, paper

Verdict = Literal["reproduced", "partly", "not reproduced", "not measured"]
NARROW = 0.05
"""An interval that reaches the paper's value shows something if it is no wider than this either way."""
ABOUT = 0.10
"""How far from the paper's value, as a share of it, `about` goes."""


@dataclass(frozen=True)
class Ruling:
    """A verdict and its reason."""

    verdict: Verdict
    why: str


def check_claims(measured: Measured) -> dict[str, Any]:
    """Every claim with the paper's value, ours, the verdict, why, and the command that measures it, as JSON values."""
    entries = []
    for claim in paper().claims:
        way = WAYS[claim.id]
        found = way.measure(measured)
        ruling = rule(claim, found, way.effect) if isinstance(found, Measurement) else Ruling("not measured", found)
        entries.append(
            {
                "id": claim.id,
                "says": way.says,
                "unit": way.unit,
                "direction": claim.direction,
                "paper": claim.value,
                **_ours(found),
                "verdict": ruling.verdict,
                "why": ruling.why,
                "command": way.command,
            }
        )
    return {"claims": entries, "sources": measured.sources, "skipped": measured.skipped}


def rule(claim: Claim, found: Measurement, effect: bool) -> Ruling:
    """The verdict on a measurement. An `effect` is a gain or loss, so that one that is smaller is still something."""
    value, differs = found.value, list(found.differs)
    met = _met(claim, value)
    if met is None:
        verdict: Verdict = "partly"
        reason = "the interval reaches the paper's value but is too wide to tell"
    elif met and effect and claim.direction == "at_least" and (value.low is None or value.low <= 0):
        verdict, reason = "not reproduced", "an effect of zero is not ruled out with so few samples"
    elif met:
        verdict = "partly" if differs else "reproduced"
        reason = (
            "the measured value meets the paper's" if _side(claim, value.mean) else "the interval reaches the paper's"
        )
    elif effect and claim.direction == "at_least" and value.low is not None and value.low > 0:
        verdict, reason = "partly", "the effect is there, but smaller than the paper's"
    else:
        verdict, reason = "not reproduced", "the whole interval misses the paper's value"
    return Ruling(verdict, "; ".join([reason, *differs, *([found.interval] if found.interval else [])]))


def _met(claim: Claim, value: Estimate) -> bool | None:
    """Whether the measurement meets the claim; None where its interval does but shows too little."""
    if _side(claim, value.mean):
        return True
    if value.low is None or value.high is None or claim.direction == "about":
        return False
    if not (_side(claim, value.low) or _side(claim, value.high)):
        return False
    return True if value.high - value.low <= 2 * NARROW else None


def _side(claim: Claim, value: float) -> bool:
    """Whether `value` lies where the claim says."""
    if claim.direction == "at_least":
        return value >= claim.value
    if claim.direction == "about":
        return abs(value - claim.value) <= ABOUT * claim.value
    # An exponent of 1 as measured is never exactly 1.
    slack = NARROW if claim.direction == "exponent_at_most" else 0.0
    return value <= claim.value + slack


def _ours(found: Measurement | str) -> Mapping[str, Any]:
    if isinstance(found, str):
        return {"ours": None, "model": None, "length": None, "samples": None, "sources": []}
    return {
        "ours": asdict(found.value),
        "model": found.model,
        "length": found.length,
        "samples": found.samples,
        "sources": _unique(found.sources),
    }


def _unique(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(names))
