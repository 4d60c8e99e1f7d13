"""A folder of documents as passages: text, Markdown, JSONL and PDF files, each passage with where it stands."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from hashlib import file_digest, sha256
from pathlib import Path

from msa_bench.errors import UserError

_TEXT = (".txt", ".text", ".md", ".markdown", ".rst")
SUFFIXES = (*_TEXT, ".jsonl", ".pdf")


def document_files(source: Path) -> list[Path]:
    """The files to read of a file or folder, sorted; a `UserError` if there is none."""
    if source.is_file():
        if source.suffix.lower() not in SUFFIXES:
            raise UserError(f"{source} is no document that can be read; give {', '.join(SUFFIXES)}.")
        return [source]
    if not source.is_dir():
        raise UserError(f"{source} does not exist; give a file or a folder of documents.")
    found = sorted(path for path in source.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise UserError(f"The folder {source} holds no document ({', '.join(SUFFIXES)}).")
    return found


def files_sha256(source: Path, files: list[Path]) -> str:
    """A hash of the names and contents of `files`."""
    digest = sha256()
    for path in files:
        try:
            with path.open("rb") as file:
                digest.update(repr((_name(source, path), file_digest(file, "sha256").hexdigest())).encode())
        except OSError as error:
            raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    return digest.hexdigest()


def read_files(source: Path, files: list[Path], split: Callable[[str], list[str]]) -> Iterator[tuple[str, str]]:
    """Where it stands and text of every passage, in order; `split` cuts what is too long for one."""
    for path in files:
        name = _name(source, path)
        for place, text in _parts(path):
            for piece in split(text.strip()):
                if piece.strip():
                    yield (f"{name}, {place}" if place else name), piece


def _parts(path: Path) -> Iterator[tuple[str, str]]:
    """The parts of one file: its place in the file where it has several, and its text."""
    if path.suffix.lower() == ".pdf":
        yield from _pages(path)
        return
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text; save it as plain text in UTF-8.") from error
    if path.suffix.lower() == ".jsonl":
        yield from _rows(path, text)
    else:
        yield "", text


def _rows(path: Path, text: str) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"Line {number} of {path} is not JSON: {error}.") from error
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            raise UserError(f"Line {number} of {path} is no JSON object with a text.")
        title = row.get("title")
        yield f"line {number}", f"{title}\n{row['text']}" if isinstance(title, str) and title else row["text"]


def _pages(path: Path) -> Iterator[tuple[str, str]]:
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise UserError(f"{path} is a PDF, which takes the package pypdf: pip install pypdf.") from error
    try:
        for number, page in enumerate(PdfReader(path).pages, start=1):
            yield f"page {number}", page.extract_text()
    # A damaged PDF can fail in the reader in any way.
    except Exception as error:
        raise UserError(f"{path} cannot be read as a PDF: {' '.join(str(error).split())[:120]}.") from error


def _name(source: Path, path: Path) -> str:
    return path.relative_to(source).as_posix() if source.is_dir() else path.name
