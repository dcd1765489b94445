"""Values of a head that contradict each other where its labels are maps: E331 to
E335."""

from __future__ import annotations

from collections.abc import Iterator

from specc.diagnostics import Diagnostic, drop, likely
from specc.heads.conversions import dataset_task
from specc.job import Job, source_of
from specc.words import number_of, quoted

BLACK = (0, 0, 0)


def map_findings(job: Job, given: dict) -> list[Diagnostic]:
    """Returns all contradictions of the heads that learn from maps."""
    findings: list[Diagnostic] = []
    for index, head in enumerate(job.heads):
        path, form = ("model", "heads", index), source_of(job, head).format
        if hasattr(head, "colors"):
            findings += _colors_of_categories(head, path)
            findings += _colors_told_apart(head, path, form != "maps")
        if hasattr(head, "values"):
            given_colors = given["model"]["heads"][index].get("colors")
            findings += _categories_are_told(head, path, form, given_colors)
            findings += _ignored_apart(head, path)
        if form == "maps" and dataset_task(job, head) == "instance_segmentation":
            findings += _one_category(head, path)
    return findings


def _one_category(head, path: tuple) -> Iterator[Diagnostic]:
    """E335: maps of instance numbers tell no categories apart."""
    key = "categories" if hasattr(head, "categories") else "labels"
    if (count := len(getattr(head, key))) > 1:
        yield Diagnostic(
            "E335",
            f"head `{head.name}` has {count} {key}, maps of instance numbers tell none"
            " apart",
            (*path, key),
            "leave one, that of all instances",
        )


def _colors_of_categories(head, path: tuple) -> Iterator[Diagnostic]:
    """E331: each category has a color, and a value where there are values."""
    for key in ("colors", "values"):
        given = getattr(head, key, None)
        if given is None or len(given) == len(head.categories):
            continue
        colors, names = len(given), len(head.categories)
        edit = f"add {names - colors}" if colors < names else f"remove {colors - names}"
        yield Diagnostic(
            "E331",
            f"head `{head.name}` has {number_of(names, 'category')} and {colors} {key}",
            (*path, key),
            f"{edit}: one for each category, in the order of the categories",
        )


def _colors_told_apart(head, path: tuple, unknown: bool) -> Iterator[Diagnostic]:
    """E332: no two categories have one color or one value; none is black where black is
    `unknown`."""
    first: dict[tuple, int] = {}
    for index, color in enumerate(head.colors):
        other = first.setdefault(color, index)
        where = (*path, "colors", index)
        if unknown and color == BLACK:
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
    values = getattr(head, "values", None) or ()
    for index, value in enumerate(values):
        if (other := values.index(value)) != index:
            yield Diagnostic(
                "E332",
                f"values {other} and {index} of head `{head.name}` are both {value}",
                (*path, "values", index),
                "write another value, the one that the dataset's maps have",
                "the value alone tells the category of a pixel",
            )


def _categories_are_told(
    head, path: tuple, form: str, colors: list | None
) -> Iterator[Diagnostic]:
    """E333: the colors of maps are given, or, in the format maps, the values."""
    if colors or head.values or form not in ("native", "maps"):
        return
    key = "values" if form == "maps" else "colors"
    yield Diagnostic(
        "E333",
        f"head `{head.name}` does not say which {key} in the maps are its categories",
        (*path, "categories"),
        f"add `{key}`, one for each category"
        + ", or `colors` where the maps are painted" * (form == "maps"),
    )


def _ignored_apart(head, path: tuple) -> Iterator[Diagnostic]:
    """E334: what is ignored is of the kind of what tells categories, and tells none."""
    told = head.colors if head.values is None else head.values
    kind = "colors" if head.values is None else "values"
    for index, ignored in enumerate(head.ignored or ()):
        where = (*path, "ignored", index)
        shown = list(ignored) if isinstance(ignored, tuple) else ignored
        if isinstance(ignored, tuple) != (kind == "colors"):
            yield Diagnostic(
                "E334",
                f"{shown} in `ignored` of head `{head.name}` is none of the {kind}"
                " that tell its categories",
                where,
                "write red, green and blue" if kind == "colors" else "write a value",
            )
        elif ignored in told:
            name = head.categories[told.index(ignored) % len(head.categories)]
            yield Diagnostic(
                "E334",
                f"{shown} is ignored, and tells the category {quoted(name)} of head"
                f" `{head.name}`",
                where,
                "remove it here, or from the categories",
                edit=likely(drop(where)),
            )
