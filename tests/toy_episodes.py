"""Files of real text as training reads them, and episodes drawn from a generator."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from random import Random

from msa_bench.training.episodes import Episode

ENOUGH = 60


def drawn(generate: Callable[[Random], Episode], count: int = ENOUGH) -> list[Episode]:
    """Many episodes of one kind."""
    rng = Random(5)
    return [generate(rng) for _ in range(count)]


def written(path: Path, rows: list[object]) -> Path:
    """A file of JSON lines, compressed if it is called so."""
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def pair(**changes: object) -> dict[str, object]:
    """A question with its passages, as in `qa_pairs.jsonl`."""
    row: dict[str, object] = {
        "src": "hotpot_train100",
        "question": "Who leads the club that Ana Ruiz joined?",
        "answers": ["Bo Lind"],
        "positives": [
            {"title": "Blue Club", "text": "The Blue Club is led by Bo Lind."},
            {"title": "Ana Ruiz (poet)", "text": "Ana Ruiz joined the Blue Club."},
        ],
        "hard_negatives": [{"title": "Red Club", "text": "The Red Club is led by Al Moss."}],
    }
    return row | changes


def named(episode: Episode) -> list[int]:
    """Places of the gold documents, in the order they are to be named."""
    return [place for round_ in episode.rounds for place in round_]
