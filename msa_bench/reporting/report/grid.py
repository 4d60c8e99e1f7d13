"""A table of a report and how it is written as Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Value:
    """What stands in one place of a table: `text`, in which a line break is one, and what to sort it by."""

    text: str
    sort: float | str | None = None

    @property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    @property
    def key(self) -> str:
        """What the page sorts by, as text."""
        return str(self.text if self.sort is None else self.sort)


@dataclass(frozen=True)
class Table:
    """A header, rows, and the notes below them. `flat` is what CSV gets where a place holds more than one value."""

    name: str
    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[Value]]
    notes: Sequence[str] = ()
    numeric: frozenset[int] = field(default_factory=frozenset)
    flat: Table | None = None


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write `table` as .md, .tex and .csv."""
    made = []
    for ending, text in (("md", as_markdown(table)), ("tex", as_latex(table)), ("csv", as_csv(table.flat or table))):
        file = folder / f"{table.name}.{ending}"
        # CSV brings line ends of its own.
        file.write_text(text, encoding="utf-8", newline="" if ending == "csv" else None)
        made.append(file)
    return made


def as_markdown(table: Table) -> str:
    """A GitHub table under its title, the notes below."""
    marks = ["---:" if place in table.numeric else "---" for place in range(len(table.header))]
    lines = [_pipes(table.header), _pipes(marks, escape=False)]
    lines += [_pipes([value.text for value in row]) for row in table.rows]
    return "\n".join([f"### {table.title}", "", *lines, *(f"\n{_markdown(note)}" for note in table.notes), ""])


def as_latex(table: Table) -> str:
    """A `table` environment; needs the package booktabs."""
    columns = "".join("r" if place in table.numeric else "l" for place in range(len(table.header)))
    rows = [[value.text for value in row] for row in table.rows]
    body = [" & ".join(map(_latex, row)) + r" \\" for row in (table.header, *rows)]
    notes = [rf"\par\footnotesize {_latex(note)}" for note in table.notes]
    lines = [
        r"% \usepackage{booktabs}", r"\begin{table}", r"\centering", rf"\caption{{{_latex(table.title)}}}",
        rf"\begin{{tabular}}{{{columns}}}", r"\toprule", body[0], r"\midrule", *body[1:], r"\bottomrule",
        r"\end{tabular}", *notes, r"\end{table}", "",
    ]  # fmt: skip
    return "\n".join(lines)


def as_csv(table: Table) -> str:
    """The rows as comma-separated values."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(table.header)
    writer.writerows([value.text.replace("\n", " ") for value in row] for row in table.rows)
    return text.getvalue()


def _pipes(cells: Sequence[str], escape: bool = True) -> str:
    return "| " + " | ".join(_markdown(cell) if escape else cell for cell in cells) + " |"


def _markdown(text: str) -> str:
    for mark in "\\`*_[]<>|":
        text = text.replace(mark, "\\" + mark)
    return text.replace("\n", "<br>")


_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "†": r"\dag{}", "–": "--",
}  # fmt: skip


def _latex(text: str) -> str:
    lines = ["".join(_LATEX.get(letter, letter) for letter in line) for line in text.split("\n")]
    return lines[0] if len(lines) == 1 else r"\shortstack{" + r" \\ ".join(lines) + "}"
