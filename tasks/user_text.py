"""A haystack of the user's own text: files are split once, and only where each document lies is kept."""

from __future__ import annotations

import mmap
import re
from array import array
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from msa_bench.errors import UserError
from tasks.planting import sentence_spans
from tasks.splitting import beginning

_SUFFIXES = (".md", ".markdown", ".rst", ".text", ".txt")
_BYTES_PER_TOKEN = 16


@dataclass(frozen=True, eq=False)
class UserText:
    """Documents cut from `paths` in order; after the last one the text starts again, as in RULER.

    Document d lies in file `files[d]` at bytes `starts[d]` to `starts[d] + sizes[d]`.
    """

    paths: tuple[Path, ...]
    contents: tuple[str, ...]
    files: array[int]
    starts: array[int]
    sizes: array[int]

    @property
    def recipe(self) -> str:
        return repr((self.contents, self.starts, self.sizes))

    def notes(self, documents: int) -> tuple[str, ...]:
        if documents <= len(self.starts):
            return ()
        return (f"The given text makes only {len(self.starts):,} of {documents:,} documents and is repeated.",)

    def __getitem__(self, place: int) -> str:
        document = place % len(self.starts)
        with self.paths[self.files[document]].open("rb") as file:
            file.seek(self.starts[document])
            return file.read(self.sizes[document]).decode().strip()


def split_files(
    source: Path, budget: int, at_least: int, doc_tokens: int, count_tokens: Callable[[str], int]
) -> UserText:
    """The text of a file, or of the text and Markdown files in a directory, in documents of at most `doc_tokens`.

    Documents end where sentences end, and only a sentence too long for one document is cut, between words. Splitting
    stops once there are more than `budget` tokens in `at_least` documents. What is no UTF-8 text is a `UserError`.
    """
    paths = _text_files(source)
    contents = tuple(map(_digest, paths))
    files, starts, sizes = array("I"), array("Q"), array("I")
    tokens = 0
    for number, path in enumerate(paths):
        for document in _documents(path, doc_tokens, count_tokens):
            files.append(number)
            starts.append(document.start)
            sizes.append(document.stop - document.start)
            tokens += document.tokens
            if tokens > budget and len(starts) > at_least:
                return UserText(paths, contents, files, starts, sizes)
    if not starts:
        raise UserError(f"The haystack {source} holds no text; give a text file or a directory of .txt or .md files.")
    return UserText(paths, contents, files, starts, sizes)


def _text_files(source: Path) -> tuple[Path, ...]:
    if source.is_dir():
        paths = sorted(path for path in source.rglob("*") if path.suffix.lower() in _SUFFIXES and path.is_file())
        if not paths:
            raise UserError(f"The haystack directory {source} holds no text file ({', '.join(_SUFFIXES)}).")
        return tuple(path.resolve() for path in paths)
    if not source.is_file():
        raise UserError(f"The haystack {source} does not exist; give a text file or a directory of text files.")
    return (source.resolve(),)


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"The haystack file {path} cannot be read ({error.strerror}).") from error


@dataclass(frozen=True, slots=True)
class _Piece:
    """Bytes `start` to `stop` of a file and their tokens."""

    start: int
    stop: int
    tokens: int


def _documents(path: Path, limit: int, count_tokens: Callable[[str], int]) -> Iterator[_Piece]:
    """The documents of one file, in order; at most `limit` tokens each."""
    if path.stat().st_size == 0:
        return
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            held: list[_Piece] = []
            for piece in _pieces(data, limit, count_tokens):
                if held and sum(part.tokens for part in held) + piece.tokens > limit:
                    document, held = _join(data, held, limit, count_tokens)
                    yield document
                held.append(piece)
            while held:
                document, held = _join(data, held, limit, count_tokens)
                yield document
    except UnicodeDecodeError as error:
        raise UserError(f"The haystack file {path} is not UTF-8 text; save it as plain text in UTF-8.") from error


def _join(
    data: mmap.mmap, pieces: list[_Piece], limit: int, count_tokens: Callable[[str], int]
) -> tuple[_Piece, list[_Piece]]:
    """A document of the first of `pieces`, as many as hold together in `limit` tokens, and the pieces left over."""
    for size in range(len(pieces), 0, -1):
        start, stop = pieces[0].start, pieces[size - 1].stop
        tokens = count_tokens(_text(data, start, stop).strip())
        if tokens <= limit:
            break
    return _Piece(start, stop, tokens), pieces[size:]


def _pieces(data: mmap.mmap, limit: int, count_tokens: Callable[[str], int]) -> Iterator[_Piece]:
    """The sentences of a file that are not blank, those of more than `limit` tokens cut between words."""
    window = max(limit, 1) * _BYTES_PER_TOKEN
    for start, end in sentence_spans(data):
        if start == 0 and data[:3] == BOM_UTF8:
            start = 3
        while start < end:
            stop = end if end - start <= window else _border(data, start, start + window)
            text = _text(data, start, stop)
            tokens = count_tokens(text.strip())
            if tokens > limit:
                text = beginning(text, limit, count_tokens)
                stop = start + len(text.encode())
                tokens = count_tokens(text.strip())
            if text.strip():
                yield _Piece(start, stop, tokens)
            start = stop


def _border(data: mmap.mmap, start: int, stop: int) -> int:
    """The last place between words, failing that between characters, of the bytes `start` to `stop`."""
    border = re.search(rb"\s\S*\Z", data[start:stop])
    if border and border.start() > 0:
        return start + border.start() + 1
    while data[stop] & 0xC0 == 0x80 and stop > start + 1:
        stop -= 1
    return stop


def _text(data: mmap.mmap, start: int, stop: int) -> str:
    text = data[start:stop].decode()
    if "\0" in text:
        raise UnicodeDecodeError("utf-8", b"\0", 0, 1, "a zero byte")
    return text
