"""What the machine decides: what is installed, and what the environment switches on or off."""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec

from msa_bench.errors import UserError


def switched(variable: str, default: bool) -> bool:
    """Whether the environment's `variable` says 1, or 0; `default` where it says nothing."""
    chosen = os.environ.get(variable, "")
    if chosen not in ("", "0", "1"):
        raise UserError(f"{variable} is {chosen!r}; it is 0 or 1, or left out.")
    return default if chosen == "" else chosen == "1"


@cache
def has_triton() -> bool:
    """Whether kernels can be compiled here."""
    return find_spec("triton") is not None
