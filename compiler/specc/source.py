"""Python source of leaf expressions and literals, which templates put after a `=`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

COLUMNS = 88  # most columns of a line of emitted code


@dataclass(frozen=True)
class Line:
    """One assignment: the template writes the name, `=` and the source."""

    name: str
    source: str
    note: str = ""  # trailing comment, with the two spaces before it
    above: str = ""  # comment on the line above, with its line end
    shape: str = ""  # shape of the module's output


def constant(name: str, value: Any, note: str = "") -> Line:
    """Returns a module's constant. A tuple for several names has no brackets."""
    source = literal(value)
    if "," in name:
        source = source[1:-1]
    if not note:
        return Line(name, source)
    if len(f"{name} = {source}  # {note}") <= COLUMNS:
        return Line(name, source, f"  # {note}")
    # A trailing comment beyond the last column makes black break a value that fits.
    return Line(name, source, above=f"# {note}\n")


def extra_level(level: int, inputs: int, outputs: int) -> Line:
    """Returns the layer that makes a level above those of a backbone's family."""
    conv = f"nn.Conv2d({inputs}, {outputs}, 3, stride=2, padding=1, bias=False)"
    rest = f"nn.BatchNorm2d({outputs}), nn.ReLU(inplace=True)"
    return Line(f"down{level}", f"nn.Sequential({conv}, {rest})")


def mapping(items: Iterable[tuple[str, str]]) -> str:
    """Returns the source of a dictionary from literal keys to expressions."""
    return "{" + ", ".join(f"{literal(key)}: {value}" for key, value in items) + "}"


def literal(value: Any) -> str:
    """Returns a value as Python source: repr, but 1e-5 for 1e-05, and lists as tuples.

    Raises TypeError for a value without a literal, so that no repr of an object is
    emitted.
    """
    if isinstance(value, (tuple, list)):
        inner = ", ".join(literal(item) for item in value)
        comma = "," if len(value) == 1 else ""
        return f"({inner}{comma})"
    if isinstance(value, dict):
        return mapping((key, literal(item)) for key, item in value.items())
    if isinstance(value, float):
        return repr(value).replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
    if value is None or isinstance(value, (str, bool, int)):
        return repr(value)
    raise TypeError(f"no literal for {type(value).__name__}")


def parameter(name: str, expressions: Iterable[str]) -> str:
    """Returns the name of a parameter, `_` where none of the expressions reads it."""
    read = any(re.search(rf"\b{name}\b", expression) for expression in expressions)
    return name if read else "_"


# ---- Maps: their names, shapes and types ----


def span(levels: tuple[int, ...]) -> str:
    """Returns levels as a comment writes them: 3..5, or 5."""
    return f"{levels[0]}..{levels[-1]}" if len(levels) > 1 else str(levels[0])


def named_span(levels: tuple[int, ...]) -> str:
    """Returns levels as a sentence writes them: levels 3..5, or level 5."""
    return f"level{'s' * (len(levels) > 1)} {span(levels)}"


def shape(channels: int | str, level: int) -> str:
    return f"(B, {channels}, H/{2**level}, W/{2**level})"


def star(names: tuple[str, ...]) -> str:
    """Returns `*`, which unpacks several maps into arguments; "" for a single map."""
    return "*" if len(names) > 1 else ""


def maps_type(names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return "Tensor"
    if len(names) > 3:
        return "tuple[Tensor, ...]"
    return f"tuple[{', '.join(['Tensor'] * len(names))}]"
