"""Tasks and systems by name, found through entry points and imported only when asked for.

A package that declares

    [project.entry-points."msa_bench.tasks"]
    my-task = "my_package.module:MyTask"

is found without a change here. What an entry point names is called: a task with nothing, a system with a
`SystemRequest`.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any, cast

from msa_bench.contracts import System, SystemRequest, Task
from msa_bench.errors import UserError, unknown

TASKS = "msa_bench.tasks"
SYSTEMS = "msa_bench.systems"


def names(group: str) -> list[str]:
    """The registered names of a group, sorted."""
    return sorted({point.name for point in entry_points(group=group)})


def make_task(name: str) -> Task:
    """The task registered as `name`; a `UserError` with the nearest names if there is none."""
    return cast(Task, _load(TASKS, "task", name)())


def system_factory(name: str) -> Any:
    """What makes the system registered as `name`; it may carry an `ablations` mapping of switches and their help."""
    return _load(SYSTEMS, "system", name)


def make_system(name: str, request: SystemRequest) -> System:
    """The system registered as `name`, made for `request`."""
    return cast(System, system_factory(name)(request))


def _load(group: str, kind: str, name: str) -> Any:
    found: list[EntryPoint] = [point for point in entry_points(group=group) if point.name == name]
    if not found:
        raise unknown(kind, name, names(group))
    try:
        return found[0].load()
    except ImportError as error:
        raise UserError(f"The {kind} {name!r} needs a package that is not installed: {error}.") from error
    except AttributeError as error:
        raise UserError(f"The {kind} {name!r} is registered as {found[0].value}, which does not exist.") from error
