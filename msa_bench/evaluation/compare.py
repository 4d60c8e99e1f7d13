"""Two runs, or two systems, on the same questions: paired differences, and which answers changed.

A difference is the second's score minus the first's, so that a gain is positive. Differences of a run's lengths or
data are none of these: samples are paired by their id, and only where both were asked over the same documents.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from msa_bench.errors import UserError, unknown
from msa_bench.evaluation.finished import DATA_HASHES, Line, Run, span_of, value_of
from msa_bench.evaluation.samples import as_json
from msa_bench.evaluation.statistics import bounded_difference, holm

METHOD = "Agresti and Min's 95% interval; p of a sign-flip test, Holm-adjusted over all comparisons shown"

Pairs = list[tuple[Line, Line]]


def compare_runs(
    first: Run, second: Run, first_row: str | None = None, second_row: str | None = None, score: str | None = None
) -> dict[str, Any]:
    """How `second` differs from `first` on `score` (the main one by default), as JSON values.

    Rows are matched by their names, or are the two that are named; a named one alone is looked for in both. Raises a
    `UserError` for runs of different tasks or data, for names that are not there, and for scores that are no numbers.
    """
    _same_data(first, second)
    name = score or first.main_score
    comparisons = [
        _comparison(first, second, names, _paired(first, second, names, name), name)
        for names in _matched(first, second, first_row, second_row)
    ]
    tests = [part for one in comparisons for part in ([one["overall"], *one["subtasks"]])]
    for part, adjusted in zip(tests, holm([part["p"] for part in tests]), strict=True):
        part["p_holm"] = adjusted
    return {
        "score": name,
        "span": span_of(name),
        "task": first.record["task"],
        "method": METHOD,
        "tests": len(tests),
        "first": _described(first),
        "second": _described(second),
        "comparisons": comparisons,
    }


def _same_data(first: Run, second: Run) -> None:
    ours, theirs = first.record["task"], second.record["task"]
    if ours != theirs:
        raise UserError(
            f"{first.directory} is a run of {ours}, {second.directory} one of {theirs}; compare runs of one task."
        )
    shared = [subtask for subtask in first.data if subtask in second.data]
    if not shared:
        raise UserError(
            f"{first.directory} and {second.directory} have no subtask in common; there is nothing to pair."
        )
    for subtask in shared:
        for key in DATA_HASHES:
            if first.data[subtask][key] != second.data[subtask][key]:
                raise UserError(
                    f"{first.directory} and {second.directory} are runs on different data: {key} of "
                    f"{subtask or 'the data'} differs; compare runs with the same length, seed and samples."
                )


def _matched(first: Run, second: Run, first_row: str | None, second_row: str | None) -> list[tuple[str, str]]:
    if first_row is None and second_row is None:
        shared = [(name, name) for name in first.rows if name in second.rows]
        if not shared:
            raise UserError(
                f"No system is in both runs ({', '.join(first.rows)}; {', '.join(second.rows)}); name two with --first "
                "and --second."
            )
        return shared
    names = first_row or second_row or "", second_row or first_row or ""
    for name, run in zip(names, (first, second), strict=True):
        if name not in run.rows:
            raise unknown(f"system in {run.directory}", name, run.rows)
    return [names]


def _paired(first: Run, second: Run, names: tuple[str, str], score: str) -> Pairs:
    """The lines of both rows that have the score and answer the same question, in the first's order."""
    found = {(line["sample_id"], line["repeat"]): line for line in second.rows[names[1]] if score in line["scores"]}
    keyed = [((line["sample_id"], line["repeat"]), line) for line in first.rows[names[0]] if score in line["scores"]]
    pairs = [(line, found[key]) for key, line in keyed if key in found]
    if not pairs:
        known = {one for run, name in ((first, names[0]), (second, names[1])) for one in run.rows[name][0]["scores"]}
        if score not in known:
            raise unknown(f"score of {names[0]}", score, known)
        raise UserError(f"{names[0]} and {names[1]} have answered no question in common with the score {score}.")
    return pairs


def _comparison(first: Run, second: Run, names: tuple[str, str], pairs: Pairs, score: str) -> dict[str, Any]:
    parts: dict[str | None, Pairs] = defaultdict(list)
    values: list[tuple[float, float]] = []
    for pair in pairs:
        parts[pair[0]["subtask"]].append(pair)
        values.append((value_of(pair[0], score, first.directory), value_of(pair[1], score, second.directory)))
    flips = [
        {
            "sample_id": one["sample_id"],
            "subtask": one["subtask"],
            "change": "gained" if after > before else "lost",
            "question": one["question"],
            "gold": one["gold"],
            "first": {"answer": one["answer"], "score": before},
            "second": {"answer": other["answer"], "score": after},
        }
        for (one, other), (before, after) in zip(pairs, values, strict=True)
        if before != after
    ]
    unpaired = [
        len({(line["sample_id"], line["repeat"]) for line in run.rows[name]}) - len(pairs)
        for run, name in ((first, names[0]), (second, names[1]))
    ]
    return {
        "first": names[0],
        "second": names[1],
        "overall": _difference(pairs, score),
        "subtasks": [{"subtask": part, **_difference(parts[part], score)} for part in parts] if len(parts) > 1 else [],
        "unpaired": unpaired,
        "flips": flips,
    }


def _difference(pairs: Sequence[tuple[Line, Line]], score: str) -> dict[str, Any]:
    before, after = ([float(pair[side]["scores"][score]) for pair in pairs] for side in (0, 1))
    found = bounded_difference(after, before, [pair[0]["sample_id"] for pair in pairs], span_of(score))
    return {
        "first": sum(before) / len(before),
        "second": sum(after) / len(after),
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "n": found.n,
        "gained": sum(y > x for x, y in zip(before, after, strict=True)),
        "lost": sum(y < x for x, y in zip(before, after, strict=True)),
    }


def _described(run: Run) -> Mapping[str, Any]:
    described = {
        "directory": str(run.directory),
        "status": run.record["status"],
        "config_sha256": run.record.get("config_sha256"),
    }
    return {key: as_json(value) for key, value in described.items()}
