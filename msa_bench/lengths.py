"""Memory lengths as people write them: `16K`, `1M`, `100M` are binary, as in RULER, and a bare integer is tokens.

>>> parse_length("100M")
104857600
>>> format_length(16384)
'16K'
"""

from __future__ import annotations

import re

from msa_bench.errors import UserError

_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def parse_length(text: str) -> int:
    """Tokens meant by `text`; a `UserError` for anything but a positive whole number with an optional K, M or G."""
    match = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if match is None:
        raise UserError(f"{text!r} is not a length; write tokens as 16K, 1M, 100M or a whole number such as 4096.")
    tokens = int(match[1]) * _UNITS[match[2]]
    if tokens == 0:
        raise UserError("A length of 0 tokens holds nothing; the smallest useful memory is about 1K.")
    return tokens


def format_length(tokens: int) -> str:
    """The shortest exact way to write `tokens`: `format_length(1048576) == "1M"`, `format_length(1000) == "1000"`."""
    for unit in ("G", "M", "K"):
        if tokens and tokens % _UNITS[unit] == 0:
            return f"{tokens // _UNITS[unit]}{unit}"
    return str(tokens)
