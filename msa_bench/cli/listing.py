"""`msa-bench tasks` and `msa-bench systems`: what is registered, here and by other packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from msa_bench import registry
from msa_bench.contracts import DataTask
from msa_bench.errors import UserError


def tasks() -> None:
    """List the registered tasks with their subtasks, the size of the paper's bank, and where their data are."""
    _print(("task", "what it is", "subtasks", "tokens", "source", "data"), registry.names(registry.TASKS), _task_cells)


def systems() -> None:
    """List the registered systems with what `run --ablate KEY=VALUE` can set in them."""
    _print(("system", "what it is", "ablations"), registry.names(registry.SYSTEMS), _system_cells)


def _task_cells(name: str) -> tuple[str, ...]:
    task = registry.make_task(name)
    cells = task.description, "\n".join(task.subtasks)
    if not isinstance(task, DataTask):
        return *cells, "", "", ""
    return *cells, f"{task.bank_tokens:,}" if task.bank_tokens else "", task.source, task.available()


def _system_cells(name: str) -> tuple[str, ...]:
    factory = registry.system_factory(name)
    description = getattr(factory, "description", None) or (factory.__doc__ or "").strip().split("\n\n")[0]
    switches = getattr(factory, "ablations", {})
    return " ".join(description.split()), "\n".join(f"{key}: {help}" for key, help in switches.items())


def _print(header: Sequence[str], names: Iterable[str], cells: Callable[[str], tuple[str, ...]]) -> None:
    table = Table(*header, box=box.SIMPLE_HEAD)
    for name in names:
        try:
            row = cells(name)
        except UserError as error:
            # One that cannot be loaded is no reason to hide the others.
            row = (str(error), *[""] * (len(header) - 2))
        table.add_row(*map(escape, (name, *row)))
    console = Console()
    if not console.is_terminal:
        whole = Measurement.get(console, console.options.update(max_width=1000), table)
        console.width = max(console.width, whole.maximum)
    console.print(table)
