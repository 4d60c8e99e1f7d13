"""A run directory on disk: written atomically, flushed per sample, locked, and sound again after a kill.

run.json        what was run, on what, with what (`provenance`, `runner`)
samples.jsonl   one line per system, variant, question and repeat
judgements.jsonl  the judge's grades of every answer, where a judge was asked
summary.json    the scores with their intervals
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from msa_bench.errors import UserError
from msa_bench.evaluation.files import RECORD, SAMPLES, read_object

LOCK = ".lock"


class RunDirectory:
    """The one writer of a run directory; a context manager that holds its lock.

    `samples` are the lines on disk. Opening drops a last line that a kill left unfinished.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.samples: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        with ExitStack() as files:
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                lock = _opened(self.path / LOCK, files)
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lines = _opened(self.path / SAMPLES, files)
            except BlockingIOError as error:
                raise UserError(
                    f"Another process is writing {self.path}; wait for it to end or choose another --out."
                ) from error
            except OSError as error:
                raise cannot_write(self.path, error) from error
            self.samples = self._repaired()
            self._files = files.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        if not self.samples and not (self.path / RECORD).exists():
            self._leave_no_trace()
        self._files.close()

    def record(self) -> dict[str, Any] | None:
        """The `run.json` of a run begun earlier, if there is one."""
        file = self.path / RECORD
        if file.exists():
            return read_json(file)
        if self.samples:
            raise UserError(f"{self.path} holds answers but no {RECORD} to say of what; choose another --out.")
        return None

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Replace the file `name` with `content` as JSON, all of it or nothing."""
        write_json(self.path / name, content)

    def write_lines(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Replace the file `name` with one JSON object per line, all of it or nothing."""
        part = self.path / f".{name}.part"
        part.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        part.replace(self.path / name)

    def lines(self, name: str) -> list[dict[str, Any]]:
        """The lines of a file that `write_lines` made; none if there is no such file."""
        file = self.path / name
        return list(parse_samples(file.read_bytes(), file)) if file.exists() else []

    def append(self, line: Mapping[str, Any]) -> None:
        """Add one sample; it is on the disk when this returns, and the file is as before if it does not fit."""
        data = json.dumps(line, ensure_ascii=False, allow_nan=False).encode("utf-8", "backslashreplace") + b"\n"
        size = os.fstat(self._lines).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(self._lines, data[written:])
            os.fsync(self._lines)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._lines, size)
            raise
        self.samples.append(dict(line))

    def _leave_no_trace(self) -> None:
        """Take back what opening made: a run that failed before it began leaves nothing half-written."""
        with suppress(OSError):
            (self.path / SAMPLES).unlink()
            (self.path / LOCK).unlink()
            self.path.rmdir()

    def _repaired(self) -> list[dict[str, Any]]:
        whole = (self.path / SAMPLES).read_bytes()
        kept = whole[: whole.rfind(b"\n") + 1]
        if len(kept) < len(whole):
            os.ftruncate(self._lines, len(kept))
        return list(parse_samples(kept, self.path / SAMPLES))


def _opened(file: Path, files: ExitStack) -> int:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    files.callback(os.close, descriptor)
    return descriptor


def parse_samples(data: bytes, file: Path) -> Iterator[dict[str, Any]]:
    """The samples in the content of `file`; a `UserError` names the line that is none."""
    for number, line in enumerate(data.splitlines(), start=1):
        try:
            sample = json.loads(line)
        except ValueError as error:
            raise UserError(f"Line {number} of {file} is not a sample; delete it and run again.") from error
        if not isinstance(sample, dict) or "sample_id" not in sample:
            raise UserError(f"Line {number} of {file} is not a sample; delete it and run again.")
        yield sample


def read_json(file: Path) -> dict[str, Any]:
    """The JSON object in a `file` of the run directory that is asked for; a `UserError` if there is none."""
    return read_object(file, advice="choose another --out or remove it")


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write `content` so that `file` is the old or the new one at any moment, also after a power cut."""
    part = file.with_name(f".{file.name}.part")
    try:
        with part.open("w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=1, ensure_ascii=False, allow_nan=False)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def is_disk_full(error: OSError) -> bool:
    """Whether `error` says that the device or the user's quota is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def cannot_write(directory: Path, error: OSError) -> UserError:
    """The sentence for a run directory that cannot be made or written."""
    reason = "there is no space left" if is_disk_full(error) else (error.strerror or "unknown reason").lower()
    return UserError(f"The run directory {directory} cannot be written: {reason}; choose another --out.")


@contextmanager
def full_disk_explained(directory: Path) -> Iterator[None]:
    """Turn running out of space while writing `directory` into a sentence that says what is kept."""
    try:
        yield
    except OSError as error:
        if not is_disk_full(error):
            raise
        place = Path(error.filename).parent if isinstance(error.filename, str) else directory
        samples = directory / SAMPLES
        kept = samples.read_bytes().count(b"\n") if samples.exists() else 0
        raise UserError(
            f"No space is left for {place}; the {kept} answers in {samples} are kept, so free some space and "
            "run the same command to continue."
        ) from error
