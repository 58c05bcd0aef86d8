"""Draws a run as an SVG picture: server CPU time a request, a panel for each load and application.

WebSockets, whose requests are messages, have a picture of their own.

The picture is plain text with an element a line and rounded numbers, so that versions of it can be
compared.
"""

from __future__ import annotations

from html import escape

from benchmarks.catalogue import FLOOR, PYDANTIC, Page, application
from benchmarks.results import Cell, Run
from benchmarks.table import scenario

WIDTH = 760
LABEL = 150
RIGHT = 90
ROW = 24
TITLE = 34
GAP = 18
COLOURS = {
    FLOOR: "#9a9a9a",
    "constant": "#7d8f69",
    "hyperfastapi": "#0b7a75",
    "hyper-uvicorn": "#5fb3ad",
    "uvicorn": "#c06c2b",
    "uvicorn-asyncio": "#d9a066",
    "granian": "#6a5acd",
    "uvicorn-wsproto": "#d9a066",
    "picows": "#6a5acd",
    PYDANTIC: "#b5475c",
}
OTHER_COLOUR = "#555555"


def _panels(run: Run, page: Page) -> list[tuple[str, list[Cell]]]:
    """Return title and cells of each panel; loads whose figure is not CPU time have none."""
    panels = []
    for name in run.scenarios():
        about = scenario(name)
        if about.beside is not None or about.page is not page:
            continue
        cells = run.of_scenario(name)
        for app in dict.fromkeys(cell.application for cell in cells):
            title = f"{about.title}: {application(app).title}"
            panels.append((title, [cell for cell in cells if cell.application == app]))
    return panels


def _bar(cell: Cell, top: int, scale: float) -> list[str]:
    middle = top + ROW // 2
    label = f'<text x="{LABEL - 8}" y="{middle + 4}" class="name">{escape(cell.contender)}</text>'
    value = cell.of("cpu_us")
    if value is None:
        return [label, f'<text x="{LABEL}" y="{middle + 4}" class="none">not measured</text>']
    length = value.median * scale
    low, high = LABEL + value.least * scale, LABEL + value.most * scale
    colour = COLOURS.get(cell.contender, OTHER_COLOUR)
    return [
        label,
        f'<rect x="{LABEL}" y="{top + 4}" width="{length:.1f}" height="{ROW - 8}" '
        f'fill="{colour}"/>',
        f'<line x1="{low:.1f}" y1="{middle}" x2="{high:.1f}" y2="{middle}" class="range"/>',
        f'<text x="{max(LABEL + length, high) + 6:.1f}" y="{middle + 4}" class="value">'
        f"{value.median:.1f}</text>",
    ]


def draw(run: Run, page: Page = Page.MAIN) -> str:
    """Return the picture. Bars are medians, lines over them reach from the least to the most.

    Args:
        run: the figures.
        page: draw what that page shows of the run.
    """
    what = f"Server CPU time for each {'message' if page is Page.WEBSOCKETS else 'request'}"
    body: list[str] = []
    top = 56
    for title, cells in _panels(run, page):
        known = [value.most for cell in cells if (value := cell.of("cpu_us")) is not None]
        scale = (WIDTH - LABEL - RIGHT) / max(known, default=1.0)
        body.append(f'<text x="0" y="{top + 16}" class="title">{escape(title)}</text>')
        top += TITLE - 8
        for cell in cells:
            body += _bar(cell, top, scale)
            top += ROW
        top += GAP
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 0 {WIDTH + 24} {top}" '
        f'width="{WIDTH + 24}" height="{top}" role="img">',
        f"<title>{what}</title>",
        "<style>",
        "text { font: 13px sans-serif; fill: #222222; }",
        ".heading { font-size: 17px; font-weight: bold; }",
        ".title { font-weight: bold; }",
        ".name { text-anchor: end; }",
        ".none { fill: #999999; font-style: italic; }",
        ".range { stroke: #222222; stroke-width: 1.5; }",
        "</style>",
        f'<rect x="-12" y="0" width="{WIDTH + 24}" height="{top}" fill="#ffffff"/>',
        f'<text x="0" y="22" class="heading">{what}, microseconds</text>',
        '<text x="0" y="42">Shorter is better. Median of all rounds; the line over a bar is its'
        " range.</text>",
    ]
    return "\n".join([*head, *body, "</svg>"]) + "\n"
