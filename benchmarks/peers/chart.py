"""The results as a picture: CPU time of a request, a panel for each work, a bar for each server."""

import statistics
from collections.abc import Iterator, Sequence
from html import escape

from benchmarks.peers.results import Results
from benchmarks.peers.subjects import GATEWAY
from benchmarks.peers.work import WORKS, Work

WIDTH, NAMES, FIGURES, MARGIN = 860, 190, 70, 20
BAR, GAP, TITLE = 16, 6, 34
STYLE = """
    text { font: 12px sans-serif; fill: #222 }
    .title { font-weight: bold; font-size: 14px }
    .small { font-size: 11px; fill: #555 }
    .gateway { fill: #5b9bd5 } .peer { fill: #c3cad2 }
    .range { stroke: #222; stroke-width: 1 }
"""


def svg(results: Results, captions: Sequence[str]) -> str:
    height = panel_height(results)
    bottom = TITLE + len(WORKS) * height
    full = bottom + 16 * len(captions) + MARGIN
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {full}" role="img">',
        "<title>CPU time of one request, by server</title>",
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{full}" fill="#fff"/>',
        text(MARGIN, 22, "CPU milliseconds of one request: median, least and most of the rounds"),
    ]
    for place, work in enumerate(WORKS):
        lines += panel(results, work, TITLE + place * height)
    for place, caption in enumerate(captions):
        lines.append(text(MARGIN, bottom + 16 * (place + 1), caption, "small"))
    return "\n".join((*lines, "</svg>\n"))


def panel_height(results: Results) -> int:
    return TITLE + len(results.names()) * (BAR + GAP)


def panel(results: Results, work: Work, top: int) -> Iterator[str]:
    """Each has a scale of its own."""
    scale = (WIDTH - NAMES - FIGURES - MARGIN) / max(
        value for name in results.names() for value in results.cpu_ms(name, work)
    )
    yield text(MARGIN, top + 24, str(work), "title")
    for place, name in enumerate(results.names()):
        y = top + TITLE + place * (BAR + GAP)
        yield from bar(name, results.cpu_ms(name, work), y, scale)


def bar(name: str, values: Sequence[float], y: int, scale: float) -> Iterator[str]:
    median, least, most = statistics.median(values), min(values), max(values)
    kind = "gateway" if name.startswith(GATEWAY) else "peer"
    middle = y + BAR / 2
    width, begin, end = median * scale, NAMES + least * scale, NAMES + most * scale
    yield text(MARGIN, y + 12, name)
    yield f'<rect class="{kind}" x="{NAMES}" y="{y}" width="{width:.1f}" height="{BAR}"/>'
    yield f'<path class="range" d="M{begin:.1f},{middle:g}H{end:.1f}"/>'
    yield text(round(max(end, NAMES + width)) + 6, y + 12, f"{median:.2f}")


def text(x: int, y: int, content: str, kind: str = "") -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text{style} x="{x}" y="{y}">{escape(content)}</text>'
