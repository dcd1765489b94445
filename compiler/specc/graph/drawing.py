"""The level graph as a picture in SVG, which browsers show without a script."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import networkx as nx

from specc.graph.diagram import IMAGE, TRUNK, Place, arrows, boxes
from specc.graph.levels import prune
from specc.words import clip

WIDTH, HEIGHT = 124, 28  # size of the box of a level, in pixels; below too
PITCH, GAP = 52, 40  # from a level to the next; between two columns
AXIS, TOP, MARGIN = 124, 40, 12  # width of the words on levels; top of the first level
APART = 34  # from the middle of a box to each of two arrows, up and down
LETTERS = 16  # most letters of a name in its box
LINE = 'stroke="currentColor" style="fill:var(--background, Canvas)"'
ARROWHEAD = (
    '<marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7"'
    ' markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="currentColor"/>'
    "</marker>"
)


@dataclass(frozen=True)
class Box:
    """A box in pixels; that of a head is as tall as the levels that the head reads."""

    left: int
    top: int
    bottom: int
    label: str

    @property
    def right(self) -> int:
        return self.left + WIDTH

    @property
    def middle(self) -> int:
        return self.left + WIDTH // 2


def svg(graph: nx.DiGraph) -> str:
    """Returns a picture of the emitted model: a row for each level, a column for the
    image, the backbone, the neck and each head, and an arrow wherever one box reads
    another. It has the color of the text around it, and boxes the `--background`."""
    live = prune(graph)
    levels = sorted({level for _, level in boxes(live) if level})
    placed = _placed(live, levels[0])
    width = max(box.right for box in placed.values()) + MARGIN
    height = max(box.bottom for box in placed.values()) + MARGIN
    size = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">']
    lines += [f"<title>{escape(_title(live))}</title>", ARROWHEAD]
    for level in range(levels[0], levels[-1] + 1):
        words = f"level {level}, stride {2**level}"
        lines.append(_text(MARGIN, _top(level - levels[0]) + 18, words, "start"))
    for component in TRUNK:
        tops = [box for (name, _), box in placed.items() if name == component]
        for box in tops[:1]:
            name = clip(live.graph["names"][component], LETTERS)
            lines.append(_text(box.middle, TOP - 14, name))
    lines += _arrows(live, placed)
    for box in placed.values():
        rest = f'width="{WIDTH}" height="{box.bottom - box.top}" rx="4" {LINE}'
        lines.append(f'<rect x="{box.left}" y="{box.top}" {rest}/>')
        lines.append(_text(box.middle, (box.top + box.bottom) // 2 + 4, box.label))
    return "\n".join([*lines, "</svg>"]) + "\n"


def _title(live: nx.DiGraph) -> str:
    """Returns what the picture shows, for those who do not see it."""
    drawn = {component for component, _ in boxes(live)}
    names = [name for key, name in live.graph["names"].items() if key in drawn]
    return f"The level graph: {', '.join(names)}"


def _placed(live: nx.DiGraph, first: int) -> dict[Place, Box]:
    """Returns the boxes; `first` is the level of the first row."""
    columns: dict[str, int] = {}
    placed = {}
    for place, label in boxes(live).items():
        component, level = place
        column = columns.setdefault(component, len(columns))
        read = [level or first]
        if component not in TRUNK and place != IMAGE:
            read = [x[1] for x, target in arrows(live) if target == place]
        left = MARGIN + AXIS + column * (WIDTH + GAP)
        top, bottom = _top(min(read) - first), _top(max(read) - first) + HEIGHT
        placed[place] = Box(left, top, bottom, clip(label, LETTERS))
    return placed


def _arrows(live: nx.DiGraph, placed: dict[Place, Box]) -> list[str]:
    found, lines = arrows(live), []
    for (source, target), how in found.items():
        one, other = placed[source], placed[target]
        if source[0] != target[0]:
            level = one.top + HEIGHT // 2
            inside = other.top <= level <= other.bottom
            end = level if inside else other.top + HEIGHT // 2
            lines.append(_arrow(one.right, level, other.left, end))
            continue
        down, both = other.top > one.top, (target, source) in found
        x = one.middle + (APART if down else -APART) * both
        ends = (one.bottom, other.top) if down else (one.top, other.bottom)
        lines.append(_arrow(x, ends[0], x, ends[1]))
        if how:
            lines.append(_text(x + 5, sum(ends) // 2 + 4, how, "start", size=10))
    return lines


def _arrow(x: int, y: int, to_x: int, to_y: int) -> str:
    ends = f'x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}"'
    return f'<line {ends} {LINE} opacity="0.7" marker-end="url(#arrow)"/>'


def _text(x: int, y: int, text: str, anchor: str = "middle", size: int = 12) -> str:
    style = f'font-family="sans-serif" font-size="{size}" fill="currentColor"'
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" {style}>{escape(text)}</text>'


def _top(row: int) -> int:
    return TOP + row * PITCH
