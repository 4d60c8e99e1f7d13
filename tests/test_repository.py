"""What holds for the repository as a whole: the arrows between its parts, its sizes, its safety, its metadata."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points, packages_distributions, version
from pathlib import Path

import pytest

import msa_bench

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PARTS = ("msa_bench", "tasks", "baselines")
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file
    for part in PARTS
    for file in sorted((ROOT / part).rglob("*.py"))
}
TREES = {name: ast.parse(file.read_text(encoding="utf-8")) for name, file in MODULES.items()}

# Who must not import whom, each by the beginning of its name; where a package is its own exception it says so.
CONCRETE = ("tasks", "baselines", "msa_bench.system")
OUTER = ("msa_bench.evaluation", "msa_bench.reporting", "msa_bench.cli")
MEASURING = tuple(
    name
    for name in MODULES
    if name.startswith("msa_bench.evaluation.")
    and name.rpartition(".")[2] not in ("files", "judge", "grades", "samples", "statistics")
)
FORBIDDEN = {
    "tasks": OUTER,
    "baselines": OUTER,
    "msa_bench.system": OUTER,
    "msa_bench.contracts": PARTS,
    "msa_bench.model": (*CONCRETE, *OUTER, "msa_bench.memory", "msa_bench.generation"),
    "msa_bench.memory": (*CONCRETE, *OUTER, "msa_bench.generation"),
    "msa_bench.generation": (*CONCRETE, *OUTER),
    "msa_bench.training": ("msa_bench.reporting", "msa_bench.cli"),
    "msa_bench.ask": (*OUTER, "baselines", "msa_bench.system", "msa_bench.model", "msa_bench.memory", "torch"),
    "msa_bench.parity": (*CONCRETE, *OUTER),
    "msa_bench.performance": (*CONCRETE, "msa_bench.reporting", "msa_bench.cli"),
    "msa_bench.prose": (*CONCRETE, *OUTER, "msa_bench.model", "torch"),
    "msa_bench.evaluation": (*CONCRETE, "msa_bench.reporting", "msa_bench.cli", "msa_bench.registry"),
    "msa_bench.sweeps": (*CONCRETE, "msa_bench.reporting", "msa_bench.cli", "msa_bench.registry", "torch"),
    # Of evaluation, reports may use what reads stored scores and makes intervals of them, and nothing that measures.
    "msa_bench.reporting": (*CONCRETE, *MEASURING, "msa_bench.cli", "msa_bench.model", "torch"),
}


def names(requirements: Iterable[str]) -> set[str]:
    """The packages of requirement lines, in the index's spelling."""
    return {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in requirements}


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def imported(node: ast.AST) -> Iterator[str]:
    """Full names of what one import statement brings; `from a import b` may mean the module `a.b`."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.module, "imports are absolute"
        assert not node.level, "imports are absolute"
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(module: str) -> set[str]:
    return {name for node in ast.walk(TREES[module]) for name in imported(node)}


def imports_on_loading(module: str) -> set[str]:
    """What importing `module` imports: nothing inside a function or for the type checker alone."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for statement in body:
            if isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.dump(statement.test):
                continue
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
                yield statement
                yield from statements([part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.stmt)])

    return {name for statement in statements(TREES[module].body) for name in imported(statement)}


@pytest.mark.parametrize("importer", FORBIDDEN)
def test_the_arrows_between_the_parts_hold(importer: str) -> None:
    modules = [name for name in MODULES if within(name, importer)]
    assert modules, f"{importer} is gone; keep the table of arrows up to date"
    wrong = {
        f"{module} imports {name}"
        for module in modules
        for name in imports(module)
        if any(within(name, package) for package in FORBIDDEN[importer])
    }
    assert not wrong


def test_nothing_imports_the_command_line() -> None:
    outside = [name for name in MODULES if not within(name, "msa_bench.cli")]
    assert not [name for name in outside if any(within(used, "msa_bench.cli") for used in imports(name))]


def test_the_runner_and_the_command_line_start_without_torch() -> None:
    def loaded(module: str, seen: set[str]) -> set[str]:
        for name in imports_on_loading(module):
            if name not in seen:
                seen.add(name)
                # A package is imported before the modules in it.
                for parent in [name, *(name.rsplit(".", i)[0] for i in range(1, name.count(".") + 1))]:
                    if parent in MODULES:
                        loaded(parent, seen)
        return seen

    for module in ("msa_bench.evaluation.runner", "msa_bench.evaluation.config", "msa_bench.cli"):
        assert not [name for name in loaded(module, set()) if within(name, "torch") or within(name, "transformers")]


def test_no_module_is_longer_than_300_lines() -> None:
    lengths = {name: len(file.read_text(encoding="utf-8").splitlines()) for name, file in MODULES.items()}
    assert not {name: lines for name, lines in lengths.items() if lines > 300}


def test_every_module_says_what_it_is_for() -> None:
    bare = [name for name, tree in TREES.items() if tree.body and not ast.get_docstring(tree)]
    assert not bare


def test_nothing_that_is_read_can_run_code() -> None:
    """No pickle but of plain values, no `eval`, no `torch.load`, no YAML beyond plain values."""
    unsafe = {"eval", "exec", "compile", "pickle.load", "pickle.loads"}
    unsafe |= {"torch.load", "yaml.unsafe_load", "yaml.full_load"}
    found = []
    for module, tree in TREES.items():
        found += [
            f"{module} imports {name}"
            for name in imports(module)
            & {"pickle", "dill", "marshal", "shelve"}
            - {
                # Its one reader refuses to import anything, and tests/tasks/test_authors.py tries what that leaves.
                "pickle" if module == "tasks.qa.plain_pickle" else ""
            }
        ]
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            loader = {ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "Loader"}
            if name in unsafe or (name == "yaml.load" and not loader & {"yaml.SafeLoader", "yaml.BaseLoader"}):
                found.append(f"{module}:{call.lineno} calls {name}")
    assert not found


def test_nothing_outside_the_checkout_is_named() -> None:
    """No path on somebody's own machine anywhere, and a way up out of the checkout only where CI starts."""
    own = re.compile(r"(?<![\w.}>/-])/(?:root|home|Users|work)/\w")
    up = re.compile(r"\.\./\w")
    files = [*ROOT.glob("*.*"), *(ROOT / "configs").rglob("*.yaml"), *(ROOT / "tests").rglob("*.py"), *MODULES.values()]
    texts = {file: file.read_text(encoding="utf-8") for file in files if file.is_file() and file.name != ".git"}
    assert not [str(file) for file, text in texts.items() if own.search(text)]
    assert not [str(file) for file, text in texts.items() if file.suffix != ".md" and up.search(text)]


def test_the_versions_agree() -> None:
    assert PROJECT["version"] == msa_bench.__version__ == version("msa-bench")


@pytest.mark.parametrize("group", PROJECT["entry-points"])
def test_every_declared_task_and_system_is_installed_and_loads(group: str) -> None:
    declared = PROJECT["entry-points"][group]
    installed = {point.name: point for point in entry_points(group=group) if point.value in declared.values()}
    assert installed.keys() == declared.keys(), "install again: pip install -e ."
    for point in installed.values():
        assert callable(point.load())


def test_every_package_that_is_imported_is_declared() -> None:
    declared = names(PROJECT["dependencies"]).union(*map(names, PROJECT["optional-dependencies"].values()))
    providers = packages_distributions()
    missing = set()
    for module in MODULES:
        for top in {name.split(".")[0] for name in imports(module)} - {*PARTS, *sys.stdlib_module_names}:
            if not declared & names(providers.get(top, [top])):
                missing.add(f"{module} imports {top}")
    assert not missing


def test_every_file_of_the_package_is_installed_with_it() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["msa_bench"]
    installed = {file for pattern in declared for file in (ROOT / "msa_bench").glob(pattern)}
    files = {file for file in (ROOT / "msa_bench").rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert files <= installed


def test_every_requirement_is_pinned_for_the_environment_run_all_makes() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    wanted = names(PROJECT["dependencies"] + PROJECT["optional-dependencies"]["dev"])
    assert not wanted - names(line for line in lines if not line.startswith("#"))
    assert not [line for line in lines if "+" in line and not line.startswith("#")], "an index has no local versions"
