"""Charts of curves as inline SVG, for pages that need no network."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

Points = Sequence[tuple[float, float]]  # (x, y), by x

WIDTH, HEIGHT = 520, 260  # units of the drawing's own
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 34  # margins
DECADES = 1000  # values that differ by more than this factor have a log scale
TICKS = 5  # about as many marks as an axis has
# Colors that people with any sight can tell apart (Okabe and Ito), then dashes.
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")
DASHES = ("", "6 3", "2 3", "8 3 2 3")

_CURVE = Markup(
    '<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.8"'
    ' stroke-dasharray="{dash}"><title>{name}</title></polyline>'
)
_DOT = Markup('<circle cx="{x:.1f}" cy="{y:.1f}" r="{size}" fill="{color}"/>')
_CELL = Markup(
    '<rect x="{0:.1f}" y="{1:.1f}" width="{2:.1f}" height="{3:.1f}" fill="{4}"'
    ' fill-opacity="{5:.2f}"/>'
)
_LINE = Markup('<line x1="{0:.1f}" y1="{1:.1f}" x2="{2:.1f}" y2="{3:.1f}" {4}/>')
_TEXT = Markup('<text x="{0:.1f}" y="{1:.1f}" text-anchor="{2}">{3}</text>')
_KEY = Markup(
    '<span class="key"><svg width="22" height="8"><line x1="0" y1="4" x2="22" y2="4"'
    ' stroke="{color}" stroke-width="2.5" stroke-dasharray="{dash}"/></svg>'
    "{name}</span>"
)


class Axis(NamedTuple):
    """A range of values, where they are on the drawing, and the values to mark."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    marks: list[float]

    def place(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            value, low, high = (math.log10(x) for x in (value, low, high))
        return self.start + (self.end - self.start) * (value - low) / (high - low)


def chart(
    title: str,
    series: Mapping[str, Points],
    *,
    x_title: str = "iteration",
    log: bool = False,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
) -> Markup:
    """Returns a figure of named curves; empty where no curve has a point. All texts are
    escaped. With `log`, values that are not above 0 are left out."""
    kept = {name: _finite(points, log) for name, points in series.items()}
    kept = {name: points for name, points in kept.items() if points}
    if not kept:
        return Markup("")
    xs = [x for points in kept.values() for x, _ in points]
    ys = [y for points in kept.values() for _, y in points]
    across = axis(*(x_range or (min(xs), max(xs))), LEFT, WIDTH - RIGHT)
    up = axis(*(y_range or (min(ys), max(ys))), HEIGHT - BOTTOM, TOP, log)
    parts = [*_frame(across, up, x_title)]
    keys = []
    # A name has the color of its place, also where another has no points: charts of
    # the same names beside each other agree.
    for number, name in enumerate(series):
        if name not in kept:
            continue
        points = kept[name]
        color = COLORS[number % len(COLORS)]
        dash = DASHES[number // len(COLORS) % len(DASHES)]
        parts += _curve(name, points, (across, up), color, dash)
        keys.append(_KEY.format(color=color, dash=dash, name=name))
    return _figure(title, keys if len(series) > 1 else [], parts)


def scatter(title: str, points: Points, x_title: str) -> Markup:
    """Returns a figure of points, x and y on the same scale, and of the diagonal on
    which both are equal; empty without a point."""
    points = _finite(points, log=False)
    if not points:
        return Markup("")
    values = [value for point in points for value in point]
    axes = _alike(min(values), max(values))
    dots = [
        _DOT.format(x=axes[0].place(x), y=axes[1].place(y), size=2, color=COLORS[0])
        for x, y in points
    ]
    return _figure(title, [], [*_frame(*axes, x_title), *dots, _diagonal(*axes)])


def density(
    title: str, ends: Sequence[float], shares: Sequence[Sequence[float]], x_title: str
) -> Markup:
    """Returns a figure of shares by bins of x, then of y, between the same ends: the
    larger a share, the darker its cell; and of the diagonal."""
    axes = _alike(ends[0], ends[-1])
    xs, ys = ([axis.place(end) for end in ends] for axis in axes)
    most = max(map(max, shares))
    cells = [
        _CELL.format(
            *(xs[i], ys[j + 1], xs[i + 1] - xs[i], ys[j] - ys[j + 1]),
            *(COLORS[0], max(0.05, share / most)),
        )
        for i, column in enumerate(shares)
        for j, share in enumerate(column)
        if share
    ]
    return _figure(title, [], [*_frame(*axes, x_title), *cells, _diagonal(*axes)])


def _alike(low: float, high: float) -> tuple[Axis, Axis]:
    """Returns the axes of x and y for the same values."""
    log = low > 0 and high > DECADES * low
    across = axis(low, high, LEFT, WIDTH - RIGHT, log)
    return across, axis(low, high, HEIGHT - BOTTOM, TOP, log)


def _diagonal(across: Axis, up: Axis) -> Markup:
    ends = [(across.place(x), up.place(x)) for x in (across.low, across.high)]
    how = Markup('stroke="{}" stroke-dasharray="{}"').format(COLORS[-1], DASHES[1])
    return _LINE.format(*ends[0], *ends[1], how)


def _figure(title: str, keys: list[Markup], parts: list[Markup]) -> Markup:
    drawing = Markup(
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(WIDTH, HEIGHT, title, Markup("").join(parts))
    caption = Markup("<figcaption><b>{}</b> {}</figcaption>").format(
        title, Markup(" ").join(keys)
    )
    return Markup('<figure class="chart">{}{}</figure>').format(caption, drawing)


def axis(low: float, high: float, start: float, end: float, log: bool = False) -> Axis:
    """Returns an axis with round marks, a little longer than the values need."""
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        last = max(last, first + 1)
        step = math.ceil((last - first) / TICKS)
        marks = [10.0**power for power in range(first, last + 1, step)]
        return Axis(
            low=10.0**first,
            high=10.0**last,
            start=start,
            end=end,
            log=True,
            marks=marks,
        )
    if low == high:
        around = (abs(low) or 1) / 2
        low, high = low - around if low else 0, high + around
    rough = (high - low) / TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(x * unit for x in (1, 2, 5, 10) if x * unit >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    marks = [number * step for number in range(first, last + 1)]
    return Axis(low=low, high=high, start=start, end=end, log=False, marks=marks)


def _finite(points: Points, log: bool) -> Points:
    return [
        (x, y)
        for x, y in points
        if math.isfinite(x) and math.isfinite(y) and (y > 0 or not log)
    ]


def _frame(across: Axis, up: Axis, x_title: str) -> list[Markup]:
    parts = []
    for mark in up.marks:
        y = up.place(mark)
        parts.append(_LINE.format(LEFT, y, WIDTH - RIGHT, y, Markup('class="grid"')))
        parts.append(_TEXT.format(LEFT - 6, y + 4, "end", f"{mark:.6g}"))
    for mark in across.marks:
        x = across.place(mark)
        parts.append(_LINE.format(x, TOP, x, HEIGHT - BOTTOM, Markup('class="grid"')))
        anchor = "end" if x > WIDTH - RIGHT - 8 else "middle"  # none is cut off
        parts.append(_TEXT.format(x, HEIGHT - BOTTOM + 15, anchor, f"{mark:.6g}"))
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(_TEXT.format(middle, HEIGHT - 3, "middle", x_title))
    return parts


def _curve(
    name: str, points: Points, axes: tuple[Axis, Axis], color: str, dash: str
) -> list[Markup]:
    across, up = axes
    places = [(across.place(x), up.place(y)) for x, y in points]
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [_CURVE.format(points=text, color=color, dash=dash, name=name)]
    if len(places) <= 40:  # more of them would hide the curve
        parts += [_DOT.format(x=x, y=y, size=2.4, color=color) for x, y in places]
    return parts
