"""One line of `samples.jsonl`: what was asked, what was answered, what it scored and what it took."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from msa_bench.contracts import Answer, Question

Key = tuple[str, str | None, str, int]


def sample_id(question: Question, subtask: str | None) -> str:
    """The stable name of a question within a task, `subtask/question`, the same for every system."""
    if subtask is None or question.id.startswith(f"{subtask}/"):
        return question.id
    return f"{subtask}/{question.id}"


def sample_key(line: Mapping[str, Any]) -> Key:
    """What makes a sample this one: system, variant, question and repeat."""
    return line["system"], line["variant"], line["sample_id"], line["repeat"]


def row_name(system: str, variant: str | None) -> str:
    """`rag-bm25 k=5`, or the system alone where it has a single way."""
    return f"{system} {variant}" if variant else system


def natural_key(*parts: object) -> list[list[tuple[int, str]]]:
    """A sort key in which `k=5` comes before `k=10` and nothing comes before something."""
    return [
        [(int(piece), "") if piece.isdigit() else (-1, piece) for piece in re.split(r"(\d+)", str(part or ""))]
        for part in parts
    ]


def sample_line(
    question: Question,
    answer: Answer,
    scores: Mapping[str, float],
    *,
    system: str,
    task: str,
    subtask: str | None,
    length: int | None,
    seed: int,
    repeat: int = 0,
) -> dict[str, Any]:
    """The line for `answer`, as JSON values; `length` is in tokens, None where the task has no length."""
    line = {
        "sample_id": sample_id(question, subtask),
        "system": system,
        "variant": answer.variant,
        "task": task,
        "subtask": subtask,
        "length_tokens": length,
        "depth": question.depth,
        "seed": seed,
        "repeat": repeat,
        "question": question.text,
        "gold": question.answers,
        "answer": answer.text,
        "scores": scores,
        "documents": answer.documents,
        "gold_documents": question.gold_ids,
        "ranking": answer.ranking,
        "rounds": answer.rounds,
        "bounds": answer.bounds,
        "tokens": {"in": answer.tokens_in, "out": answer.tokens_out},
        "seconds": answer.seconds,
        "notes": answer.notes,
        "trace": answer.trace,
    }
    return {key: as_json(value) for key, value in line.items()}


def as_json(value: Any) -> Any:
    """`value` in JSON's own types: arrays as lists, infinities and NaN as null, anything else as its text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, AbstractSet):
        return [as_json(one) for one in sorted(value)]
    if isinstance(value, list | tuple | range):
        return [as_json(one) for one in value]
    if hasattr(value, "tolist"):
        return as_json(value.tolist())
    return str(value)
