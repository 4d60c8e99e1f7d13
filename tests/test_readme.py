"""The README's promises that can be run."""

from __future__ import annotations

import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
import typer
from conftest import Command, write_distribution

from msa_bench.cli import app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return found


def test_the_example_task_and_system_run_as_another_package_would_bring_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    (tmp_path / "zoo.py").write_text(block("python"))
    groups = tomllib.loads(block("toml"))["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in groups[group].items()) for group in groups
    ]
    write_distribution(tmp_path, "zoo", "".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "zoo", raising=False)
    (written,) = re.findall(r"`msa-bench (run --task animals [^`]*)`", README)
    status, out, error = command(*written.split(), "--json")
    assert status == 0, error
    (row,) = json.loads(out)["rows"]
    assert row["overall"]["string_match_all"]["mean"] == pytest.approx(1 / 3)


def test_the_readme_has_every_command_and_no_other() -> None:
    commands = typer.main.get_command(app)
    assert set(re.findall(r"`msa-bench ([a-z]+)\b", README)) == set(getattr(commands, "commands", {}))


def test_every_link_into_the_repository_leads_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text(encoding="utf-8")):
            assert link.startswith("https://") or (ROOT / link).exists(), f"{name} links to {link}"


def test_the_table_of_files_is_what_a_run_leaves(command: Command) -> None:
    status, _, error = command("run", "--task", "toy", "--system", "toy-echo", "--samples", "1", "--out", "run")
    assert status == 0, error
    table = README.split("## A run directory")[1].split("\n\n")[1]
    told = set(re.findall(r"`([a-z]+\.[a-z]+)`", "".join(line.split("|")[1] for line in table.splitlines())))
    assert told == {file.name for file in Path("run").iterdir() if not file.name.startswith(".")}
