"""What `msa-bench compare` prints: differences in points with intervals, and the answers that changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from msa_bench.lengths import format_length

CHARACTERS = 160


def print_comparison(result: Mapping[str, Any], console: Console, flips: int) -> None:
    """Print the table of `compare_runs`, and below it at most `flips` changed answers of each comparison."""
    table = comparison_table(result)
    if not console.is_terminal:
        wide = console.options.update(max_width=1000)
        console.width = max(console.width, Measurement.get(console, wide, table).maximum)
    console.print(table)
    for line in comparison_notes(result):
        console.print(Text(line, style="dim"), soft_wrap=True)
    for one in result["comparisons"]:
        for line in flip_lines(one, flips):
            console.print(Text(line), soft_wrap=True)


def comparison_table(result: Mapping[str, Any]) -> Table:
    """A row for each comparison and subtask: both means, the difference in points, p, and how many changed."""
    title = f"{result['score']}, second minus first"
    if len(result["runs"]) == 1:
        first, second = (result["runs"][0][side] for side in ("first", "second"))
        title = f"{first['task']}: {result['score']}, {second['directory']} minus {first['directory']}"
    table = Table(title=title, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, name in enumerate(("system", "part", "first", "second", "points", "95%", "p", "Holm", "n", "+", "-")):
        table.add_column(name, justify="left" if place < 2 else "right", no_wrap=True)
    for one in result["comparisons"]:
        parts = [("overall", one["overall"]), *((_part_name(part), part) for part in one["parts"])]
        for place, (name, part) in enumerate(parts):
            low, high = points(part["low"], result), points(part["high"], result)
            table.add_row(
                pair_name(one) if place == 0 else "",
                name,
                f"{part['first']:.3f}",
                f"{part['second']:.3f}",
                f"{points(part['difference'], result):+.1f}",
                f"{low:+.1f} to {high:+.1f}",
                f"{part['p']:.4f}",
                f"{part['p_holm']:.4f}",
                str(part["n"]),
                str(part["gained"]),
                str(part["lost"]),
                end_section=place == len(parts) - 1,
            )
    return table


def comparison_notes(result: Mapping[str, Any]) -> list[str]:
    """What the table's numbers are, and what to know before one reads them."""
    lines = [
        f"points: hundredths of the score's range (0 to {result['span']:g}), positive where the second gains; "
        "+ and -: questions gained and lost",
        f"{result['method']} ({result['tests']} in all); overall: the mean over all questions",
    ]
    for run in (pair[side] for pair in result["runs"] for side in ("first", "second")):
        if run["status"] != "finished":
            lines.append(f"{run['directory']} is {run['status']}, not finished: what it has not answered is left out")
    for one in result["comparisons"]:
        left = [
            f"{count} only in the {side}"
            for count, side in zip(one["unpaired"], ("first", "second"), strict=True)
            if count
        ]
        if left:
            lines.append(f"{pair_name(one)}: answers without a partner, left out: {', '.join(left)}")
    return lines


def flip_lines(one: Mapping[str, Any], most: int) -> list[str]:
    """The answers of a comparison that changed, those lost first: question, expected, both answers."""
    changed = sorted(one["flips"], key=lambda flip: flip["change"] != "lost")
    if not changed:
        return [f"{pair_name(one)}: no score changed"]
    lines = [f"{pair_name(one)}: {len(changed)} scores changed"]
    for flip in changed[:most]:
        first, second = flip["first"], flip["second"]
        lines += [
            f"  {flip['change']} {flip['sample_id']} ({first['score']:g} to {second['score']:g})",
            f"    question  {_short(flip['question'])}",
            f"    expected  {_short(' | '.join(map(str, flip['gold'])))}",
            f"    first     {_short(first['answer'])}",
            f"    second    {_short(second['answer'])}",
        ]
    if len(changed) > most:
        lines.append(f"  and {len(changed) - most} more; --flips {len(changed)} or --json shows them")
    return lines


def pair_name(one: Mapping[str, Any]) -> str:
    """`msa`, or `rag-bm25 k=5 minus msa` for two different systems."""
    first, second = str(one["first"]), str(one["second"])
    return first if first == second else f"{second} minus {first}"


def points(value: float, result: Mapping[str, Any]) -> float:
    """A difference in hundredths of the score's range."""
    return float(100 * value / result["span"])


def _part_name(part: Mapping[str, Any]) -> str:
    if part["subtask"]:
        return f"  {part['subtask']}"
    length = part["length_tokens"]
    return str(part["task"]) + ("" if length is None else f" {format_length(length)}")


def _short(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= CHARACTERS else line[: CHARACTERS - 3] + "..."
