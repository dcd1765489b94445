"""Numbers that may stand for a missing one, as -999 or -1 do in the tables of some
tools."""

from __future__ import annotations

from collections import Counter

FEWEST = 5  # different other numbers; of fewer, an end may be a class as the others are
FAR = 2  # least distance from the other numbers, in their spans


def sentinels(numbers: list[float]) -> list[float]:
    """Returns the lowest and the highest of some numbers where they occur more than
    once and may mean that nothing is known: they are far from all others, or the only
    one below 0."""
    counts, found = Counter(numbers), []
    for end, beside in ((0, 1), (-1, -2)):
        order = sorted(counts)
        if len(order) <= FEWEST:
            break
        value, others = order[end], order[1:] if end == 0 else order[:-1]
        far = abs(order[beside] - value) > FAR * (others[-1] - others[0])
        negative = end == 0 and value < 0 <= others[0] and value == int(value)
        if 1 < counts[value] <= len(numbers) / 2 and (far or negative):
            found.append(value)
            del counts[value]
    return found


def told(column: str, numbers: list[float], texts: list[str], taken: bool) -> list[str]:
    """Returns lines on the sentinels of a column of numbers, which these texts write;
    `taken` tells whether the layout has a text for missing numbers already."""
    lines = []
    found = sentinels(numbers)
    rest = [x for x in numbers if x not in found]
    for value in found:
        text, count = texts[numbers.index(value)], numbers.count(value)
        what = (
            f"`{column}` is {text} in {count} rows, else {min(rest):g} to {max(rest):g}"
        )
        how = (
            "empty these cells"
            if taken or lines
            else f'add "missing": "{text}" to `layout`'
        )
        lines.append(
            f"{what}: if that means that nothing is known, {how}, which leaves the rows"
            " out, and set `range` to that of the others"
        )
    return lines
