"""Two runs, or two systems, on the same questions: paired differences, and which answers changed.

A difference is the second's score minus the first's, so that a gain is positive. Answers are paired by their
question, and only where both were asked over the same documents; what one run alone was asked is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from msa_bench.errors import UserError, unknown
from msa_bench.evaluation.files import RECORD
from msa_bench.evaluation.finished import DOCUMENTS, Line, Run, pair_lines, read_run, value_of
from msa_bench.evaluation.judge.grades import span_of
from msa_bench.evaluation.statistics import bounded_difference, holm

METHOD = "Agresti and Min's 95% interval; p of a sign-flip test, Holm-adjusted over all comparisons shown"


@dataclass(frozen=True)
class Pair:
    """Both answers to one question, with the part of the comparison they belong to: task, length and subtask."""

    task: str
    length: int | None
    subtask: str | None
    first: Line
    second: Line
    scores: tuple[float, float]


def read_runs(directory: Path) -> list[Run]:
    """The run in `directory` or, where it holds none itself, those below it; a `UserError` if there are none."""
    if not directory.is_dir() or (directory / RECORD).exists():
        return [read_run(directory)]
    below = [read_run(file.parent) for file in sorted(directory.rglob(RECORD))]
    return below or [read_run(directory)]


def compare_runs(
    first: Sequence[Run],
    second: Sequence[Run],
    first_row: str | None = None,
    second_row: str | None = None,
    score: str | None = None,
) -> dict[str, Any]:
    """How `second` differs from `first` on `score` (the main one by default), as JSON values.

    Runs are matched by task, length and seed. Rows are matched by their names, or are the two that are named; a name
    given alone is looked for in both. Raises a `UserError` for runs that do not match or are on different data, for
    names that are not there, and for scores that are no numbers.
    """
    matched = _matched_runs(first, second)
    for one, other in matched:
        _require_same_data(one, other)
    name = score or _main_score(first)
    comparisons = [_comparison(matched, rows, name) for rows in _matched_rows(matched, first_row, second_row)]
    tests = [part for one in comparisons for part in (one["overall"], *one["parts"])]
    for part, adjusted in zip(tests, holm([part["p"] for part in tests]), strict=True):
        part["p_holm"] = adjusted
    return {
        "score": name,
        "span": span_of(name),
        "method": METHOD,
        "tests": len(tests),
        "runs": [{"first": _described(one), "second": _described(other)} for one, other in matched],
        "comparisons": comparisons,
    }


def _matched_runs(first: Sequence[Run], second: Sequence[Run]) -> list[tuple[Run, Run]]:
    ours, theirs = _by_key(first), _by_key(second)
    if len(first) == len(second) == 1 and ours.keys() != theirs.keys():
        (one,), (other,) = first, second
        raise UserError(
            f"{one.directory} is a run of {_name(_key(one))}, {other.directory} one of {_name(_key(other))}; "
            "compare runs of the same task, length and seed."
        )
    shared = [key for key in ours if key in theirs]
    if not shared:
        raise UserError("The two directories hold no runs of the same task, length and seed; there is nothing to pair.")
    return [(ours[key], theirs[key]) for key in shared]


def _by_key(runs: Sequence[Run]) -> dict[tuple[Any, ...], Run]:
    found: dict[tuple[Any, ...], Run] = {}
    for run in runs:
        other = found.setdefault(_key(run), run)
        if other is not run:
            raise UserError(
                f"{other.directory} and {run.directory} are both runs of {_name(_key(run))}; give the directories of "
                "the two runs to compare."
            )
    return found


def _key(run: Run) -> tuple[Any, ...]:
    config = run.record["config"]
    return run.record["task"], config.get("length"), config.get("seed")


def _name(key: tuple[Any, ...]) -> str:
    task, length, seed = key
    return f"{task}{'' if length is None else f' with {length:,} tokens'}{'' if seed is None else f', seed {seed}'}"


def _main_score(runs: Sequence[Run]) -> str:
    names = sorted({run.main_score for run in runs})
    if len(names) > 1:
        raise UserError(f"The runs have different main scores ({', '.join(names)}); name one with --score.")
    return names[0]


def _require_same_data(first: Run, second: Run) -> None:
    shared = [subtask for subtask in first.data if subtask in second.data]
    if not shared:
        raise UserError(f"{first.directory} and {second.directory} have no subtask in common to compare.")
    for subtask in shared:
        if first.data[subtask][DOCUMENTS] != second.data[subtask][DOCUMENTS]:
            raise UserError(
                f"{first.directory} and {second.directory} are runs on different data: {DOCUMENTS} of "
                f"{subtask or 'the data'} differs; compare runs with the same samples and --data."
            )


def _matched_rows(
    matched: Sequence[tuple[Run, Run]], first_row: str | None, second_row: str | None
) -> list[tuple[str, str]]:
    ours, theirs = (list(dict.fromkeys(row for pair in matched for row in pair[side].rows)) for side in (0, 1))
    if first_row is None and second_row is None:
        shared = [(name, name) for name in ours if name in theirs]
        if not shared:
            raise UserError(
                f"No system is in both runs ({', '.join(ours)}; {', '.join(theirs)}); name two with --first and "
                "--second."
            )
        return shared
    names = first_row or second_row or "", second_row or first_row or ""
    for name, known, word in zip(names, (ours, theirs), ("first", "second"), strict=True):
        if name not in known:
            raise unknown(f"system in the {word} run", name, known)
    return [names]


def _comparison(matched: Sequence[tuple[Run, Run]], rows: tuple[str, str], score: str) -> dict[str, Any]:
    pairs: list[Pair] = []
    unpaired = [0, 0]
    for runs in matched:
        lines = [run.rows.get(row, ()) for run, row in zip(runs, rows, strict=True)]
        both = pair_lines(*lines)
        for side in (0, 1):
            unpaired[side] += len(lines[side]) - len(both)
        for one, other in both:
            if score in one["scores"] and score in other["scores"]:
                scores = value_of(one, score, runs[0].directory), value_of(other, score, runs[1].directory)
                task, length, _ = _key(runs[0])
                pairs.append(Pair(task, length, one["subtask"], one, other, scores))
    if not pairs:
        known = {name for runs in matched for run in runs for row in rows for name in _scores(run, row)}
        if score not in known:
            raise unknown(f"score of {rows[0]}", score, known)
        raise UserError(f"{rows[0]} and {rows[1]} have answered no question in common with the score {score}.")
    return {
        "first": rows[0],
        "second": rows[1],
        "overall": _difference(pairs, score),
        "parts": _parts(pairs, score),
        "unpaired": unpaired,
        "flips": [_flip(pair) for pair in pairs if pair.scores[0] != pair.scores[1]],
    }


def _scores(run: Run, row: str) -> set[str]:
    return {name for line in run.rows.get(row, ()) for name in line["scores"]}


def _parts(pairs: Sequence[Pair], score: str) -> list[dict[str, Any]]:
    """The differences of each task and length, where there are several, and of each subtask where a task has them."""
    parts = []
    tasks = list(dict.fromkeys((pair.task, pair.length) for pair in pairs))
    for task, length in tasks:
        here = [pair for pair in pairs if (pair.task, pair.length) == (task, length)]
        where = {"task": task, "length_tokens": length}
        if len(tasks) > 1:
            parts.append({**where, "subtask": None, **_difference(here, score)})
        subtasks = list(dict.fromkeys(pair.subtask for pair in here))
        if len(subtasks) > 1:
            parts += [
                {**where, "subtask": one, **_difference([pair for pair in here if pair.subtask == one], score)}
                for one in subtasks
            ]
    return parts


def _difference(pairs: Sequence[Pair], score: str) -> dict[str, Any]:
    before, after = [pair.scores[0] for pair in pairs], [pair.scores[1] for pair in pairs]
    # The same question over another length is another one.
    questions = [f"{pair.task}/{pair.length}/{pair.first['sample_id']}" for pair in pairs]
    found = bounded_difference(after, before, questions, span_of(score))
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


def _flip(pair: Pair) -> dict[str, Any]:
    before, after = pair.scores
    return {
        "sample_id": pair.first["sample_id"],
        "task": pair.task,
        "length_tokens": pair.length,
        "subtask": pair.subtask,
        "change": "gained" if after > before else "lost",
        "question": pair.first["question"],
        "gold": pair.first["gold"],
        "first": {"answer": pair.first["answer"], "score": before},
        "second": {"answer": pair.second["answer"], "score": after},
    }


def _described(run: Run) -> Mapping[str, Any]:
    return {
        "directory": str(run.directory),
        "task": run.record["task"],
        "status": run.record["status"],
        "config_sha256": run.record.get("config_sha256"),
    }
