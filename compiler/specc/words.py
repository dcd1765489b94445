"""Parts of messages: values, places and lists in words."""

from __future__ import annotations

import json
from difflib import get_close_matches
from typing import Any

from specc.diagnostics import Path


def name_of(value: Any) -> str:
    """Returns the type of a JSON value in words, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    names = {int: "an integer", float: "a number", str: "a string", list: "a list"}
    return names.get(type(value), "an object")


def clip(text: str, most: int = 40) -> str:
    """Returns text for a message, cut to ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def quoted(value: Any) -> str:
    """Returns a value of the job as JSON; long texts and containers are shortened."""
    if isinstance(value, (dict, list)):
        return name_of(value)
    if isinstance(value, str):
        return json.dumps(clip(value), ensure_ascii=False)
    return json.dumps(value)


def label(path: Path) -> str:
    """Returns the name of a value in a message: `top_level`, `resolution[0]`."""
    indices = []
    while path and isinstance(path[-1], int):
        indices.append(f"[{path[-1]}]")
        path = path[:-1]
    return f"`{clip(str(path[-1]))}{''.join(reversed(indices))}`" if path else "the job"


def did_you_mean(word: str, known: list[str], mark: str = "`") -> str:
    """Returns a hint where a known word is similar to `word`, else an empty text."""
    close = close_to(word, known)
    return f"did you mean {mark}{close}{mark}?" if close else ""


def close_to(word: str, known: list[str]) -> str:
    """Returns the known word that is similar to `word`, or an empty text."""
    close = get_close_matches(word.lower(), known, n=1) if len(word) <= 64 else []
    return close[0] if close else ""


def listed(words: list[str], last: str = "and") -> str:
    """Returns words as a list in a sentence: `a, b and c`."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if words[1:] else words[0]


def number_of(count: int, noun: str) -> str:
    """Returns a number and what it counts: `1 image`, `1,200 categories`."""
    return f"{count:,} {noun if count == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith("y"):
        return f"{noun[:-1]}ies"
    return f"{noun}{'es' if noun.endswith('x') else 's'}"


def figure(value: float) -> str:
    """Returns a number to four digits, a large one in full: 0.5199, 265,461."""
    large = 9999.5 <= abs(value) < 1e15
    return f"{value:,.0f}" if large else f"{value:.4g}"
