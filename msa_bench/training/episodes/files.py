"""Rows of gzipped or plain JSONL files, read once and kept."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from msa_bench.errors import UserError

Row = TypeVar("Row")


class Passage(NamedTuple):
    """A titled text; the title may be empty."""

    title: str
    text: str


class Pair(NamedTuple):
    """One question with the passages that answer it and, where the set has them, passages that only look so."""

    source: str
    question: str
    answers: tuple[str, ...]
    positives: tuple[Passage, ...]
    hard_negatives: tuple[Passage, ...]


@lru_cache(maxsize=4)
def read_titles(path: Path) -> tuple[Passage, ...]:
    """The rows `{title, text}` of a JSONL file; a `UserError` names the file and line of one that is not so."""
    return tuple(_each(path, _passage, "an object with the strings title and text"))


@lru_cache(maxsize=4)
def read_pairs(path: Path) -> tuple[Pair, ...]:
    """The rows `{src, question, answers, positives, hard_negatives}` of a JSONL file, errors as in `read_titles`."""
    return tuple(_each(path, _pair, "an object with src, question, answers, positives and hard_negatives"))


def _each(path: Path, make: Callable[[dict[str, Any]], Row], wanted: str) -> list[Row]:
    rows: list[Row] = []
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
            for line in lines:
                number += 1
                if line.strip():
                    rows.append(make(json.loads(line)))
    except FileNotFoundError:
        raise UserError(f"There is no training data file {path}; give the directory that holds it.") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read after line {number}: {error}.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"Line {number} of {path} is malformed ({error}); each line must be {wanted}.") from error
    if not rows:
        raise UserError(f"{path} holds no rows; each line must be {wanted}.")
    return rows


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a string")
    return value


def _passage(row: dict[str, Any]) -> Passage:
    return Passage(_text(row["title"]), _text(row["text"]))


def _pair(row: dict[str, Any]) -> Pair:
    positives = tuple(map(_passage, row["positives"]))
    if not positives:
        raise ValueError("no positives")
    if isinstance(row["answers"], str):
        raise TypeError("answers is a string, not a list")
    answers = tuple(map(_text, row["answers"]))
    hard_negatives = tuple(map(_passage, row["hard_negatives"]))
    return Pair(str(row["src"]), _text(row["question"]), answers, positives, hard_negatives)
