from __future__ import annotations

from typing import Any

import pytest

from msa_bench.evaluation.statistics import holm
from msa_bench.evaluation.summary import differences


def line(system: str, variant: str | None, place: int, **scores: float) -> dict[str, Any]:
    return {"system": system, "variant": variant, "sample_id": f"q{place}", "repeat": 0, "scores": scores}


LINES = [
    *(line("a", None, place, f1=1.0) for place in range(8)),
    *(line("b", "k=1", place, f1=0.5) for place in range(8)),
    *(line("b", "k=10", place, f1=1.0 if place else 0.0) for place in range(8)),
]


def test_each_system_is_compared_with_each_variant_of_the_others() -> None:
    found = differences(LINES, "f1")
    assert [(entry["first"], entry["second"]) for entry in found] == [
        (["a", None], ["b", "k=1"]),
        (["a", None], ["b", "k=10"]),
    ]
    assert [entry["mean"] for entry in found] == pytest.approx([0.5, 1 / 8])
    assert [entry["p_holm"] for entry in found] == pytest.approx(holm([entry["p"] for entry in found]))
    # Of the 2^8 signs of eight equal differences two are as extreme.
    assert found[0]["p"] == pytest.approx(2 / 256, abs=0.003)


def test_only_questions_that_both_have_a_score_for_are_compared() -> None:
    some = [one for one in LINES if one["system"] == "a" or one["sample_id"] in ("q1", "q2")]
    assert {entry["n"] for entry in differences(some, "f1")} == {2}
    assert differences(LINES, "em") == differences(LINES, "f1")
    assert differences(LINES[:8], "f1") == []
