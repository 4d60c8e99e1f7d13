"""An original data set in the hub's layout, read by the `datasets` library from a directory, without a network.

An original has no bank of its own: the passages that came with its questions, each of them once, make one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from msa_bench.errors import UserError
from msa_bench.places import cache_root
from tasks.qa.data import QAData, RawQuestion, content_sha256, passage_text

_READERS = {".parquet": "parquet", ".json": "json", ".jsonl": "json"}


@dataclass(frozen=True, slots=True)
class OriginalRow:
    """One question of an original: its answers, and its passages with whether each is gold."""

    id: str
    question: str
    answers: tuple[str, ...]
    passages: tuple[tuple[str, bool], ...]


@dataclass(frozen=True)
class Original:
    """A data set on the hub: the files of its evaluation split, by pattern, and how a row of them reads.

    `revision` is the commit the files are taken from. Where it is None the newest is taken once, and fetching again
    keeps to that one; either way the commit and the hash of every file are written beside them.
    """

    repository: str
    files: str
    read: Callable[[Mapping[str, Any]], OriginalRow | None]
    revision: str | None = None

    def found(self, directory: Path) -> list[Path]:
        """The files of the split in `directory`, sorted."""
        paths = (path for path in directory.rglob("*") if path.suffix in _READERS and path.is_file())
        return sorted(path for path in paths if fnmatch(path.relative_to(directory).as_posix(), self.files))


def read_original(directory: Path, original: Original) -> QAData:
    """The questions of the split in `directory` over all their passages; a `UserError` says what is wrong with it."""
    files = original.found(directory)
    rows = _rows(files)
    try:
        read = [row for row in map(original.read, rows) if row is not None]
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise UserError(
            f"{files[0]} is not laid out as {original.repository} is: {type(error).__name__} {error}."
        ) from error
    places: dict[str, int] = {}
    for row in read:
        for text, _ in row.passages:
            places.setdefault(text, len(places))
    questions = list(_questions(read, places))
    if not questions:
        raise UserError(f"The files {original.files} in {directory} hold no question with a passage.")
    passages = list(places)
    return QAData(passages, questions, f"{original.repository}, {original.files}", content_sha256(passages, questions))


def _questions(rows: Iterable[OriginalRow], places: Mapping[str, int]) -> Iterator[RawQuestion]:
    seen: set[str] = set()
    for row in rows:
        gold = tuple(dict.fromkeys(places[text] for text, is_gold in row.passages if is_gold))
        if row.id not in seen and row.question.strip() and (gold or row.answers):
            seen.add(row.id)
            yield RawQuestion(row.id, row.question.strip(), row.answers, gold)


def _rows(files: list[Path]) -> Iterable[Mapping[str, Any]]:
    try:
        import datasets
    except ImportError as error:
        raise UserError("A set in the hub's layout is read by the package datasets: pip install datasets.") from error
    datasets.disable_progress_bars()
    try:
        loaded: Iterable[Mapping[str, Any]] = datasets.load_dataset(
            _READERS[files[0].suffix],
            data_files=[str(file) for file in files],
            split="train",
            cache_dir=str(cache_root() / "datasets"),
        )
    # The library raises what its readers raise, of many kinds and without a common one.
    except Exception as error:
        raise UserError(f"{files[0]} cannot be read as a data set: {' '.join(str(error).split())[:200]}.") from error
    return loaded


def with_supporting_facts(row: Mapping[str, Any]) -> OriginalRow:
    """A row of HotpotQA, and of sets laid out like it: paragraphs in sentences, gold ones named by title."""
    gold = set(row["supporting_facts"]["title"])
    context = zip(row["context"]["title"], row["context"]["sentences"], strict=True)
    passages = tuple((passage_text(title, "".join(sentences)), title in gold) for title, sentences in context)
    return OriginalRow(str(row["id"]), row["question"], (row["answer"],), _filled(passages))


def _filled(passages: Iterable[tuple[str, bool]]) -> tuple[tuple[str, bool], ...]:
    return tuple((text, gold) for text, gold in passages if text.strip())
