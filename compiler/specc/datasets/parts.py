"""How the emitted readers take names, lists and paths, for whoever looks at a dataset:
their own functions, so that what is found here is what they read."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from specc.datasets.files import MOST_VALUES, Unreadable
from specc.emit.imports import with_imports
from specc.emit.names import defined
from specc.resources import read_text

FILES = ("templates/heads/files/dataset.py", "templates/heads/names/dataset.py")
LIMITS = f"MOST_VALUES, SOURCES, NOTES = {MOST_VALUES}, {{}}, []"


@functools.cache
def reader() -> SimpleNamespace:
    """The functions of the files by name; where an emitted reader would end, they raise
    Unreadable."""
    text = "\n\n".join(['"""Parts."""', LIMITS, *map(read_text, FILES)])
    known: dict[str, Any] = {"__name__": "names"}
    exec(compile(with_imports("names.py", text, {}), "names.py", "exec"), known)
    parts = {name: known[name] for name in defined(text)}
    return SimpleNamespace(
        **{
            name: _refusing(part) if callable(part) else part
            for name, part in parts.items()
        }
    )


def names_in(path: Path, key: str, names: list) -> list[str]:
    """The names that a file lists, in their order. Raises Unreadable where one is empty
    or null, or stands there twice: a job could not have them."""
    found = ["" if name is None else str(name).strip() for name in names]
    for name, count in Counter(found).items():
        if count > 1 or not name:
            what = (
                f"{name!r:.100} {count} times" if count > 1 else "a name without text"
            )
            raise Unreadable(f"{path}: `{key}` has {what}")
    return found


def images_in(folder: Path) -> list[Path]:
    """The images of a folder, not of those below it; none if there is no such folder."""
    return next(reader().images_below(folder, Counter()), (folder, []))[1]


def is_turned(path: Path) -> bool:
    """Whether an image is shown turned or mirrored, as the emitted readers see it."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return reader().orientation_of(image) > 1
    except Exception:  # a broken file can raise nearly anything
        return False


def _refusing(part: Callable) -> Callable:
    @functools.wraps(part)
    def call(*given: Any) -> Any:
        try:
            return part(*given)
        except (SystemExit, ValueError) as error:
            raise Unreadable(" ".join(str(error).split())) from None

    return call
