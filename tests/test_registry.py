from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import toys
from conftest import write_distribution

from msa_bench import registry
from msa_bench.contracts import SystemRequest
from msa_bench.errors import UserError


def test_tasks_and_systems_of_another_package_are_found(toys_registered: Path) -> None:
    assert "toy" in registry.names(registry.TASKS)
    assert {"toy-echo", "toy-ranked", "msa"} <= set(registry.names(registry.SYSTEMS))
    assert registry.make_task("toy").description == toys.ToyTask.description
    system = registry.make_system("toy-echo", SystemRequest("m", ablations={"voice": "loud"}))
    assert system.describe()["ablations"] == {"voice": "loud"}


def test_an_unknown_name_suggests_the_nearest(toys_registered: Path) -> None:
    with pytest.raises(UserError, match="no system named 'toy-eco'; did you mean toy-echo"):
        registry.system_factory("toy-eco")
    with pytest.raises(UserError, match="no task named 'niha'; did you mean niah"):
        registry.make_task("niha")


def test_a_system_whose_package_is_missing_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_distribution(tmp_path, "broken", "[msa_bench.systems]\nbroken = no_such_package_at_all:System\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(UserError, match="no_such_package_at_all"):
        registry.system_factory("broken")


def test_jax_that_a_library_imports_is_kept_off_the_gpus() -> None:
    said = "import os, msa_bench; print(os.environ['JAX_PLATFORMS'])"
    without = {name: value for name, value in os.environ.items() if name != "JAX_PLATFORMS"}
    for given, kept in ({}, "cpu"), ({"JAX_PLATFORMS": "cuda"}, "cuda"):
        done = subprocess.run([sys.executable, "-c", said], env=without | given, capture_output=True, text=True)
        assert done.stdout.strip() == kept
