"""The one place where a pickle is read: plain containers, texts and numbers, and nothing else.

A pickle is a program, and what it can do beyond building plain values it does by naming something to import and
calling it. Naming anything is refused here, before it is imported, so nothing in the file can run
(https://docs.python.org/3/library/pickle.html#restricting-globals).
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, NoReturn

from msa_bench.errors import UserError


class _RefusedError(Exception):
    """The pickle asked for something that is no plain value."""


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str, /) -> NoReturn:
        raise _RefusedError(f"{module}.{name}")

    def persistent_load(self, pid: Any, /) -> NoReturn:
        raise _RefusedError("an object outside the file")


def read_plain_pickle(path: Path) -> Any:
    """The value pickled in `path`; a `UserError` for a file that is none, or that is more than plain values."""
    try:
        with path.open("rb") as file:
            return _PlainUnpickler(file).load()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}).") from error
    except _RefusedError as refused:
        raise UserError(
            f"{path} is refused: it asks for {refused}, and a data set may hold only lists, dictionaries, texts and "
            "numbers; nothing in it was run."
        ) from refused
    # A damaged pickle can fail in any way that a program can.
    except Exception as error:
        raise UserError(f"{path} is no whole pickle ({type(error).__name__}); fetch it again.") from error
