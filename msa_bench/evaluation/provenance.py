"""What a result depends on besides its settings: versions, hardware, code, and how much memory it took."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

import msa_bench

PACKAGES = (
    *("torch", "transformers", "tokenizers", "safetensors", "numpy", "scipy"),
    *("rank-bm25", "bm25s", "sentence-transformers", "igraph", "datasets", "triton"),
)


def now() -> str:
    """The time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def environment() -> dict[str, Any]:
    """Versions, hardware and code state of this process, as JSON values."""
    return {"versions": versions(), "hardware": hardware(), "git": git_state()}


def versions() -> dict[str, str]:
    """Versions of Python, this package and the packages that can change a number."""
    found = {"python": platform.python_version(), "msa_bench": msa_bench.__version__}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """CPU model, cores this process may use, memory in bytes, and the GPUs where PyTorch sees any."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
        "system": platform.platform(terse=True),
        "gpus": _gpus(),
    }


def git_state() -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout the package runs from; None if it is installed from elsewhere."""
    root = Path(msa_bench.__file__).resolve().parent.parent
    top = _git(root, "rev-parse", "--show-toplevel")
    # A package installed into an environment inside somebody else's checkout is not that checkout's code.
    if top is None or Path(top).resolve() != root:
        return None
    return {
        "commit": _git(root, "rev-parse", "HEAD"),
        "dirty": bool(_git(root, "status", "--porcelain", "--untracked-files=no")),
    }


def peak_memory() -> dict[str, int]:
    """The most memory this process has held so far: `rss_bytes`, and `gpu_bytes` where PyTorch used a GPU."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    torch = _torch_with_gpu()
    if torch is not None:
        peak["gpu_bytes"] = max(torch.cuda.max_memory_allocated(place) for place in range(torch.cuda.device_count()))
    return peak


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpus() -> list[dict[str, Any]]:
    torch = _torch_with_gpu()
    if torch is None:
        return []
    found = (torch.cuda.get_device_properties(place) for place in range(torch.cuda.device_count()))
    return [{"name": gpu.name, "memory_bytes": gpu.total_memory} for gpu in found]


def _torch_with_gpu() -> Any:
    """PyTorch if a system has loaded it and it sees a GPU; asking must not load it."""
    torch: Any = sys.modules.get("torch")
    return torch if torch is not None and torch.cuda.is_available() else None


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
