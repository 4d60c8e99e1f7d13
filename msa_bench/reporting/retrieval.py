"""The table of a retrieval measurement."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

SHOWN = ("recall@5", "recall@10")


def print_retrieval(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the table and, below it, what each index says of its costs; a pipe or file gets the full width."""
    table = retrieval_table(rows)
    if not console.is_terminal:
        wide = console.options.update(max_width=1000)
        console.width = max(console.width, Measurement.get(console, wide, table).maximum)
    console.print(table)
    for row in rows:
        notes = "; ".join(row["index"]["notes"])
        if notes:
            console.print(Text(f"{row['task']}, {row['system']}: {notes}.", style="dim"), soft_wrap=True)


def retrieval_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """A row per task and system: recall with its 95% interval, and what index and search cost."""
    header = ("task", "system", *SHOWN, "questions", "passages", "index s", "passages/s", "index MB", "search ms")
    table = Table(*header, box=box.SIMPLE_HEAD)
    for row in rows:
        index = row["index"]
        rate = index["documents"] / index["seconds"] if index["seconds"] else 0.0
        table.add_row(
            row["task"],
            row["system"],
            *(interval(row["scores"][score]) for score in SHOWN),
            f"{row['questions']:,}",
            f"{index['documents']:,}",
            f"{index['seconds']:.1f}",
            f"{rate:,.0f}",
            f"{index['bytes'] / 1e6:.1f}",
            f"{1000 * row['query_seconds']:.1f}",
        )
    return table


def interval(score: Mapping[str, Any]) -> str:
    """`0.66 [0.58, 0.74]`, or the mean alone where the data give no interval."""
    if score["low"] is None:
        return f"{score['mean']:.3f}"
    return f"{score['mean']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
