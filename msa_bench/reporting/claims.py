"""The paper's claims as a table for somebody who has not read it, on a terminal or in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

HEADER = ("claim", "the paper", "here", "model", "length", "n", "verdict and why")
_SIGNS = {"at_least": "at least ", "at_most": "at most ", "exponent_at_most": "at most ", "about": "about "}
_STYLES = {"reproduced": "green", "partly": "yellow", "not reproduced": "red", "not measured": "dim"}


def print_claims(result: Mapping[str, Any], console: Console) -> None:
    """Print the table, the counts of the verdicts, and the commands of what was not measured."""
    if not console.is_terminal:
        console.width = max(console.width, 160)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_lines=True)
    for place, name in enumerate(HEADER):
        table.add_column(name, justify="right" if name == "n" else "left", ratio=(4, 2, 3, 2, 2, 1, 5)[place])
    for entry in result["claims"]:
        *cells, verdict, why = claim_cells(entry)
        table.add_row(*map(Text, cells), Text(verdict, style=_STYLES[verdict]) + Text(f": {why}", style="default"))
    console.print(table)
    for line in claim_notes(result):
        console.print(Text(line, style="dim"), soft_wrap=True)
    console.print(Text("How each is measured:"))
    for entry in result["claims"]:
        console.print(Text(f"  {entry['id']}: {entry['command']}"), soft_wrap=True)


def claims_markdown(result: Mapping[str, Any]) -> str:
    """The same as a Markdown document."""
    lines = ["| claim | the paper | here | model | length | n | verdict | why | command |", "|---" * 9 + "|"]
    for entry in result["claims"]:
        *cells, verdict, why = claim_cells(entry)
        shown = [*cells, f"**{verdict}**", why, f"`{entry['command']}`"]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in shown) + " |")
    return "\n".join([*lines, "", *(f"- {line}" for line in claim_notes(result)), ""])


def claim_cells(entry: Mapping[str, Any]) -> list[str]:
    """The cells of a claim: what it says, the paper's value, ours, model, length, samples, verdict, why."""
    ours = entry["ours"]
    if ours is None:
        measured = "-"
    else:
        measured = _value(ours["mean"], entry["unit"])
        if ours["low"] is not None:
            measured += f" [{_value(ours['low'], entry['unit'])}, {_value(ours['high'], entry['unit'])}]"
    return [
        entry["says"],
        _SIGNS[entry["direction"]] + _value(entry["paper"], entry["unit"]),
        measured,
        *(str(entry[key] or "-") for key in ("model", "length", "samples")),
        entry["verdict"],
        entry["why"],
    ]


def claim_notes(result: Mapping[str, Any]) -> Iterator[str]:
    """The verdicts counted, what they mean, and which runs they rest on."""
    verdicts = [entry["verdict"] for entry in result["claims"]]
    yield ", ".join(f"{verdicts.count(one)} {one}" for one in _STYLES if one in verdicts)
    yield (
        "reproduced: under the paper's conditions; partly: under others, or a smaller effect; in brackets the 95% "
        "interval; n: questions, of each run where two are compared"
    )
    yield f"read: {', '.join(result['sources'])}"
    yield from (f"left out: {one}" for one in result["skipped"])


def _value(value: float, unit: str) -> str:
    if unit == "share":
        return f"{100 * value:.1f}%"
    if unit == "points":
        return f"{100 * value:.1f} points"
    if unit in ("GB", "GPUs"):
        return f"{value:.0f} {unit}"
    return f"{value:.3f}" if unit == "accuracy" else f"{value:.2f}"
