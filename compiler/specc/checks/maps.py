"""Values of a head that contradict each other where its labels are maps: E331, E332."""

from __future__ import annotations

from collections.abc import Iterator

from specc.diagnostics import Diagnostic
from specc.job import Job

BLACK = (0, 0, 0)


def map_findings(job: Job, given: dict) -> list[Diagnostic]:
    """Returns all contradictions of the heads that learn from maps."""
    findings: list[Diagnostic] = []
    for index, head in enumerate(job.heads):
        path = ("model", "heads", index)
        if hasattr(head, "colors"):
            findings += _colors_of_categories(head, path)
            findings += _colors_told_apart(head, path)
    return findings


def _colors_of_categories(head, path: tuple) -> Iterator[Diagnostic]:
    """E331: each category has a color."""
    colors, names = len(head.colors), len(head.categories)
    if colors == names:
        return
    short = colors < names
    edit = f"add {names - colors}" if short else f"remove {colors - names}"
    yield Diagnostic(
        "E331",
        f"head `{head.name}` has {names} categories and {colors} colors",
        (*path, "colors"),
        f"{edit}: one for each category, in the order of the categories",
    )


def _colors_told_apart(head, path: tuple) -> Iterator[Diagnostic]:
    """E332: no two categories have one color, and none is black."""
    first: dict[tuple, int] = {}
    for index, color in enumerate(head.colors):
        other = first.setdefault(color, index)
        where = (*path, "colors", index)
        if color == BLACK:
            yield Diagnostic(
                "E332",
                f"color {index} of head `{head.name}` is black",
                where,
                "write another color, and paint the dataset's maps with it",
                "black marks pixels of which nothing is known: none would be learned",
            )
        elif other != index:
            yield Diagnostic(
                "E332",
                f"colors {other} and {index} of head `{head.name}` are both"
                f" {list(color)}",
                where,
                "write another color, the one that the dataset's maps have",
                "the color alone tells the category of a pixel",
            )
