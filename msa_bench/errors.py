"""The one exception a user is meant to read, and the near-miss hint that goes into it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(Exception):
    """Bad input or an impossible request, said in one sentence: what, where, and what would be right.

    The command line prints the sentence and exits with status 2; anything else that escapes is a bug.
    """


def first_line(error: Exception) -> str:
    """What another library's error says, cut to its first line; the kind of error where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """The error for a name that is not in `known`, with the nearest names or, failing that, all of them."""
    choices = sorted(known)
    near = get_close_matches(name.lower(), choices, n=2, cutoff=0.5)
    if near:
        hint = f"did you mean {' or '.join(near)}?"
    elif choices:
        hint = f"known: {', '.join(choices)}."
    else:
        hint = "none is registered."
    return UserError(f"There is no {kind} named {name!r}; {hint}")
