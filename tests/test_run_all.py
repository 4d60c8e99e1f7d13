"""`run_all.sh` in a copy of its own, with a Python that only writes down what it is asked to do."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = ("bash", "cat", "cp", "dirname", "env", "mkdir", "mktemp", "mv", "rm", "sed", "tail")
PYTHON = """#!/usr/bin/env bash
case "$*" in
    -c*version_info*) exit "$OLD_PYTHON" ;;
    --version) echo "Python 3.12.0" ;;
    "-m pip --version") ;;
    *)
        echo "$*" >>"$CALLS"
        if [[ -n $BROKEN && "$*" == *"$BROKEN"* ]]; then echo "the server said no"; exit 7; fi
        ;;
esac
if [[ "$*" == "-m venv"* ]]; then mkdir -p "${@: -1}/bin" && cp "$0" "${@: -1}/bin/python"; fi
if [[ "$*" == *"-e ."* ]]; then cp "$0" "$(dirname "$0")/msa-bench"; fi
"""


class Checkout:
    """A checkout that holds what the script reads, in a directory whose name has spaces."""

    def __init__(self, place: Path) -> None:
        self.root, self.bin, self.calls_file = place / "a check out", place / "bin", place / "calls"
        for file in ("run_all.sh", "pyproject.toml", "constraints.txt", "configs/quick.yaml", "configs/ci.yaml"):
            (self.root / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, self.root / file)
        self.bin.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        (self.bin / "python3").write_text(PYTHON)
        (self.bin / "python3").chmod(0o755)

    def run(
        self, *arguments: str, broken: str = "", old_python: bool = False, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Call the script from another directory; `broken` is a part of the command line that shall fail."""
        environment = {
            "PATH": str(self.bin),
            "CALLS": str(self.calls_file),
            "TMPDIR": str(self.bin.parent),
            "BROKEN": broken,
            "OLD_PYTHON": str(int(old_python)),
        } | variables
        script = [str(self.bin / "bash"), str(self.root / "run_all.sh"), *arguments]
        return subprocess.run(script, cwd="/", env=environment, capture_output=True, text=True, check=False)

    def calls(self) -> list[str]:
        """What Python and msa-bench were asked to do since this was last asked."""
        calls = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        self.calls_file.unlink(missing_ok=True)
        return calls


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_without_arguments_it_sets_up_runs_the_quick_benchmark_and_says_where_the_figure_is(checkout: Checkout) -> None:
    done = checkout.run()
    assert done.returncode == 0, done.stderr
    assert checkout.calls() == [
        "-m venv --clear .venv",
        "-m pip install -c constraints.txt torch",
        "-m pip install -c constraints.txt -e .[dev]",
        "run --config configs/quick.yaml",
    ]
    assert f"{checkout.root}/results/runs/quick/accuracy.png" in done.stdout


def test_the_second_set_up_installs_nothing(checkout: Checkout) -> None:
    checkout.run("setup")
    checkout.calls()
    assert checkout.run("setup").returncode == 0
    assert checkout.calls() == []


def test_torch_can_come_from_an_index_of_its_own(checkout: Checkout) -> None:
    checkout.run("setup", MSA_BENCH_TORCH_INDEX="file:///some where")
    assert "-m pip install -c constraints.txt --extra-index-url file:///some where torch" in checkout.calls()


@pytest.mark.parametrize("file", ["pyproject.toml", "constraints.txt"])
def test_a_changed_requirement_is_installed_into_the_same_environment(checkout: Checkout, file: str) -> None:
    checkout.run("setup")
    checkout.calls()
    with (checkout.root / file).open("a") as requirements:
        requirements.write("# another\n")
    checkout.run("setup")
    assert [call.split(" -c")[0] for call in checkout.calls()] == ["-m pip install", "-m pip install"]


def test_a_moved_checkout_is_installed_again(checkout: Checkout) -> None:
    checkout.run("setup")
    checkout.calls()
    checkout.root = checkout.root.rename(checkout.root.with_name("moved"))
    checkout.run("setup")
    assert "-m pip install -c constraints.txt -e .[dev]" in checkout.calls()


@pytest.mark.parametrize(
    ("broken", "step"), [("torch", "install PyTorch"), ("-e .", "install packages"), ("venv", "create the environment")]
)
def test_a_failed_step_is_named_with_the_end_of_its_output(checkout: Checkout, broken: str, step: str) -> None:
    done = checkout.run("setup", broken=broken)
    assert done.returncode == 7
    assert f"step '{step}" in done.stderr
    assert "the server said no" in done.stderr


def test_a_failed_set_up_is_taken_up_again(checkout: Checkout) -> None:
    checkout.run("setup", broken="-e .")
    checkout.calls()
    assert checkout.run("setup").returncode == 0
    assert "-m pip install -c constraints.txt -e .[dev]" in checkout.calls()


def test_the_checks_stop_at_the_first_that_fails_and_name_it(checkout: Checkout) -> None:
    done = checkout.run("test", broken="mypy")
    assert done.returncode == 7
    assert "step 'check types' failed" in done.stderr
    assert not any("pytest" in call for call in checkout.calls())


def test_the_tests_find_the_default_backbone_fetched_and_the_fast_ones_do_without(checkout: Checkout) -> None:
    checkout.run("test")
    *checks, fetch, tests, _, _ = checkout.calls()[3:]
    assert [check.split()[1] for check in checks] == ["ruff", "ruff", "mypy"]
    assert "embedded.directory()" in fetch
    assert tests.startswith("-m pytest")
    checkout.run("test", "fast")
    (fast,) = checkout.calls()
    assert fast.endswith("-m not slow")


def test_the_gate_runs_anew_and_is_held_against_the_reference(checkout: Checkout) -> None:
    old = checkout.root / "results/runs/ci/samples.jsonl"
    old.parent.mkdir(parents=True)
    old.write_text("{}")
    assert checkout.run("gate").returncode == 0
    assert checkout.calls()[-2:] == [
        "run --config configs/ci.yaml",
        "gate results/runs/ci --reference results/reference/ci.json",
    ]
    assert not old.exists()
    done = checkout.run("test", broken="gate results")
    assert done.returncode == 7
    assert "step 'hold the run against results/reference/ci.json' failed" in done.stderr


def test_no_usable_python_is_said_in_one_sentence(checkout: Checkout) -> None:
    done = checkout.run(old_python=True)
    assert done.returncode == 2
    assert done.stderr == (
        "run_all.sh: no Python 3.11 or newer with venv and pip was found; install one and run this again.\n"
    )


def test_an_unknown_argument_is_refused_before_anything_is_installed(checkout: Checkout) -> None:
    done = checkout.run("tset")
    assert done.returncode == 2
    assert "'tset' is not known" in done.stderr
    assert checkout.calls() == []
