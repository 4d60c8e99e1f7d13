"""`msa-bench tasks` and `msa-bench systems`: what is registered, here and by other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from msa_bench import registry
from msa_bench.errors import UserError


def tasks() -> None:
    """List the registered tasks with their subtasks."""
    _print(("task", "what it is", "subtasks"), registry.names(registry.TASKS), _task_cells)


def systems() -> None:
    """List the registered systems with what `run --ablate KEY=VALUE` can set in them."""
    _print(("system", "what it is", "ablations"), registry.names(registry.SYSTEMS), _system_cells)


def _task_cells(name: str) -> tuple[str, str]:
    task = registry.make_task(name)
    return task.description, "\n".join(task.subtasks)


def _system_cells(name: str) -> tuple[str, str]:
    factory = registry.system_factory(name)
    description = getattr(factory, "description", None) or (factory.__doc__ or "").strip().split("\n\n")[0]
    switches = getattr(factory, "ablations", {})
    return " ".join(description.split()), "\n".join(f"{key}: {help}" for key, help in switches.items())


def _print(header: Sequence[str], names: Iterable[str], cells: Callable[[str], tuple[str, str]]) -> None:
    table = Table(*header, box=box.SIMPLE_HEAD)
    for name in names:
        try:
            row = cells(name)
        except UserError as error:
            # One that cannot be loaded is no reason to hide the others.
            row = (str(error), "")
        table.add_row(*map(escape, (name, *row)))
    Console().print(table)
