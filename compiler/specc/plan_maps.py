"""Maps in the emitted code: their names, shapes and types."""

from __future__ import annotations


def span(levels: tuple[int, ...]) -> str:
    """Levels in words of a comment: 3..5, or 5."""
    return f"{levels[0]}..{levels[-1]}" if len(levels) > 1 else str(levels[0])


def named_span(levels: tuple[int, ...]) -> str:
    """Levels in words of a sentence: levels 3..5, or level 5."""
    return f"level{'s' * (len(levels) > 1)} {span(levels)}"


def shape(channels: int | str, level: int) -> str:
    return f"(B, {channels}, H/{2**level}, W/{2**level})"


def star(names: tuple[str, ...]) -> str:
    """What unpacks several maps into arguments, and leaves a single one alone."""
    return "*" if len(names) > 1 else ""


def maps_type(names: tuple[str, ...]) -> str:
    if len(names) == 1:
        return "Tensor"
    if len(names) > 3:
        return "tuple[Tensor, ...]"
    return f"tuple[{', '.join(['Tensor'] * len(names))}]"
