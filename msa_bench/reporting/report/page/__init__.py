"""The page of a report: one HTML file with tables, figures and every sample, which needs no server and no network.

`page.html`, `page.css` and `page.js` beside this module are put together here. The samples go in compressed, in
blocks that the page's script unpacks when they are shown; nothing of theirs is ever read as markup.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from msa_bench.reporting.report.figures.drawing import Drawing
from msa_bench.reporting.report.grid import Table
from msa_bench.reporting.report.page.blocks import Block, blocks
from msa_bench.reporting.report.page.inline import inline_svg
from msa_bench.reporting.report.pooling import Cell


@dataclass(frozen=True)
class Content:
    """What a page shows, in its order."""

    title: str
    summary: str
    remarks: Sequence[str]
    drawings: Sequence[Drawing]
    tables: Sequence[Table]
    layouts: Sequence[Table]
    runs: Table
    cells: Sequence[Cell]


def write_page(content: Content, file: Path) -> None:
    """Write the page; only its own style and script may act in it, whatever stands in an answer."""
    style, script = (_part(name) for name in ("page.css", "page.js"))
    sources = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_part("page.html"))
    packed: list[Block] = list(blocks(content.cells))
    html = template.render(
        content=content,
        figures=[(drawing, inline_svg(drawing)) for drawing in content.drawings],
        blocks=packed,
        samples=sum(len(cell.lines) for cell in content.cells),
        style=style,
        script=script,
        script_hash=sources,
    )
    file.write_text(html, encoding="utf-8", errors="replace")


def _part(name: str) -> str:
    return (files(__name__) / name).read_text(encoding="utf-8")
