"""A figure's SVG as a part of the page: no ids in common with other figures, the page's colours, words for it."""

from __future__ import annotations

import re
from html import escape

from msa_bench.reporting.plots import COLOURS
from msa_bench.reporting.report.figures.drawing import GRID, INK, MUTED, PAPER, Drawing

# The stylesheet defines each of these for light and for dark.
_VARIABLES = {INK: "--ink", MUTED: "--muted", GRID: "--line", PAPER: "--paper"} | {
    colour.lower(): f"--series-{place}" for place, colour in enumerate(COLOURS) if colour != "#000000"
}


def inline_svg(drawing: Drawing) -> str:
    """The `<svg>` element of `drawing`, named by its title and its content in words."""
    text = drawing.svg[drawing.svg.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    name = drawing.name
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'((?:xlink:)?href="#|url\(#)', rf"\g<1>{name}-", text)
    for colour, variable in _VARIABLES.items():
        text = re.sub(rf"(stroke|fill): {colour}\b", rf"\1: var({variable})", text)
    width, height = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', text).groups()  # type: ignore[union-attr]
    text = text.replace(f'width="{width}pt" height="{height}pt"', "", 1)
    words = f"<title>{escape(drawing.title)}</title><desc>{escape(drawing.says)}</desc>"
    opening, rest = text.split(">", 1)
    return f'{opening} role="img" style="max-width: {float(width) * 1.6:.0f}px">{words}{rest}'
