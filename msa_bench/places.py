"""Where things are kept that are made or fetched once."""

from __future__ import annotations

import os
from pathlib import Path


def cache_root() -> Path:
    """Where models, data sets, banks and the judge's replies are kept: `MSA_BENCH_CACHE`, or `~/.cache/msa-bench`."""
    return Path(os.environ.get("MSA_BENCH_CACHE") or Path.home() / ".cache" / "msa-bench")
