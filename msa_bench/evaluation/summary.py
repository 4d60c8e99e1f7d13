"""From samples to `summary.json`: a function of the lines alone, whatever order they were written in."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from msa_bench.evaluation.samples import natural_key, sample_key
from msa_bench.evaluation.statistics import Interval, holm, mean_interval, paired_difference, stratified_interval

Line = Mapping[str, Any]
Group = tuple[str, str | None, str | None]
Row = tuple[str, str | None]
COMPARED = ("em", "f1", "containment", "retrieval_recall", "recall@10", "ndcg@10", "judge")
"""What systems are compared on, besides the main score."""


def summarise(lines: Sequence[Line], *, task: str, length: int | None, seed: int, main_score: str) -> dict[str, Any]:
    """Scores with intervals per system, variant and subtask, and their mean over the subtasks.

    `rows` holds one entry per system and variant, `differences` one per two systems and score; what depends on the
    clock stands under `timings` alone.
    """
    groups: dict[Group, list[Line]] = defaultdict(list)
    for line in sorted(lines, key=lambda line: natural_key(*sample_key(line))):
        groups[line["system"], line["variant"], line["subtask"]].append(line)
    ordered = sorted(groups, key=lambda group: natural_key(*group))
    rows = [
        _row(system, variant, {group[2]: groups[group] for group in ordered if group[:2] == (system, variant)})
        for system, variant in dict.fromkeys(group[:2] for group in ordered)
    ]
    return {
        "task": task,
        "length_tokens": length,
        "seed": seed,
        "main_score": main_score,
        "samples": sum(map(len, groups.values())),
        "rows": rows,
        "differences": differences(lines, main_score),
        "timings": [_timing(group, groups[group]) for group in ordered],
    }


def differences(lines: Iterable[Line], main_score: str) -> list[dict[str, Any]]:
    """How much better each system is than each other on the questions both answered, per score of `COMPARED`.

    `p_holm` is the p-value adjusted for all the pairs of one score.
    """
    found: dict[Row, dict[tuple[str, int], Line]] = defaultdict(dict)
    for line in lines:
        found[line["system"], line["variant"]][line["sample_id"], line["repeat"]] = line
    rows = sorted(found, key=lambda row: natural_key(*row))
    pairs = [pair for pair in combinations(rows, 2) if pair[0][0] != pair[1][0]]
    entries = []
    for name in dict.fromkeys((main_score, *COMPARED)):
        group = [entry for pair in pairs if (entry := _difference(name, pair, found))]
        for entry, p in zip(group, holm([entry["p"] for entry in group]), strict=True):
            entries.append({**entry, "p_holm": p})
    return entries


def _difference(
    name: str, pair: tuple[Row, Row], found: Mapping[Row, Mapping[tuple[str, int], Line]]
) -> dict[str, Any] | None:
    first, second = (found[row] for row in pair)
    shared = sorted(
        key for key in first.keys() & second.keys() if name in first[key]["scores"] and name in second[key]["scores"]
    )
    if not shared:
        return None
    ours, theirs = ([lines[key]["scores"][name] for key in shared] for lines in (first, second))
    difference = paired_difference(ours, theirs, [sample for sample, _ in shared])
    return {"score": name, "first": list(pair[0]), "second": list(pair[1]), **asdict(difference)}


def _row(system: str, variant: str | None, subtasks: Mapping[str | None, Sequence[Line]]) -> dict[str, Any]:
    lines = [line for part in subtasks.values() for line in part]
    # A mean over subtasks is one of all of them; a score that some subtask does not have gets none.
    shared = set.intersection(*({name for line in part for name in line["scores"]} for part in subtasks.values()))
    overall = {name: stratified_interval([_column(part, name) for part in subtasks.values()]) for name in shared}
    return {
        "system": system,
        "variant": variant,
        "n": len(lines),
        "overall": _as_dict(overall),
        "subtasks": [{"subtask": subtask, **_cell(part)} for subtask, part in subtasks.items()],
        "notes": _counts(note for line in lines for note in line["notes"]),
        "bounds": _counts(bound for line in lines for bound in line["bounds"]),
    }


def _cell(lines: Sequence[Line]) -> dict[str, Any]:
    names = {name for line in lines for name in line["scores"]}
    return {
        "n": len(lines),
        "scores": _as_dict({name: mean_interval(*_column(lines, name)) for name in names}),
        "tokens_in": sum(line["tokens"]["in"] for line in lines) / len(lines),
        "tokens_out": sum(line["tokens"]["out"] for line in lines) / len(lines),
        "rounds": sum(line["rounds"] for line in lines) / len(lines),
    }


def _timing(group: Group, lines: Sequence[Line]) -> dict[str, Any]:
    seconds = sorted(line["seconds"] for line in lines)
    return {
        "system": group[0],
        "variant": group[1],
        "subtask": group[2],
        "n": len(seconds),
        "mean_seconds": sum(seconds) / len(seconds),
    }


def _column(lines: Sequence[Line], name: str) -> tuple[list[float], list[str]]:
    """The values of one score and the questions they belong to."""
    found = [line for line in lines if name in line["scores"]]
    return [line["scores"][name] for line in found], [line["sample_id"] for line in found]


def _as_dict(scores: Mapping[str, Interval]) -> dict[str, dict[str, Any]]:
    return {name: asdict(scores[name]) for name in sorted(scores, key=natural_key)}


def _counts(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))
