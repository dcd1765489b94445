"""The emitted readers' functions for names, lists and paths, for looking at datasets: a
dataset is found as emitted code reads it."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from specc.datasets.files import MOST_VALUES, Unreadable, opened
from specc.emit.imports import with_imports
from specc.emit.names import defined
from specc.emit.render import filled
from specc.plan.dataset import noted
from specc.plan.tables import Writing

FILES = ("files", "names", "tables")
LIMITS = f"MOST_VALUES = {MOST_VALUES}"


@functools.cache
def reader(writing: Writing = Writing()) -> SimpleNamespace:
    """Returns the functions by name, those of tables that are written so; where an
    emitted reader would end, they raise Unreadable."""
    known = {
        "writing": writing.plain(),
        "noted": noted(False),
        "rooted": True,
        "by_ending": True,
        "keeps_samples": False,
    }
    texts = [filled(f"heads/{name}/dataset.py", known) for name in FILES]
    text = "\n\n".join(['"""Parts."""', LIMITS, *texts])
    space: dict[str, Any] = {"__name__": "names"}
    exec(compile(with_imports("names.py", text, {}), "names.py", "exec"), space)
    parts = {name: space[name] for name in defined(text)}
    return SimpleNamespace(
        **{
            name: _refusing(part) if callable(part) else part
            for name, part in parts.items()
        }
    )


def names_in(path: Path, key: str, names: list) -> list[str]:
    """Returns the names that a file lists, in order. Raises Unreadable where a name is
    empty, null or listed twice, or a list or mapping: a job could not have such names.
    """
    for name in names:
        if isinstance(name, (dict, list)):
            raise Unreadable(
                f"{path}: `{key}` has {name!r:.100}: write a name, as text"
            )
    found = ["" if name is None else str(name).strip() for name in names]
    for name, count in Counter(found).items():
        if count > 1 or not name:
            what = (
                f"{name!r:.100} {count} times" if count > 1 else "a name without text"
            )
            raise Unreadable(f"{path}: `{key}` has {what}")
    return found


def images_in(folder: Path) -> list[Path]:
    """Returns the images of a folder without subfolders; none if there is no folder."""
    return next(reader().images_below(folder, Counter()), (folder, []))[1]


def is_turned(path: Path) -> bool:
    """Whether an image is shown turned or mirrored, as the emitted readers see it."""
    try:
        with opened(path) as image:
            return reader().orientation_of(image) > 1
    except Exception:  # decoders raise many kinds of errors on broken files
        return False


def _refusing(part: Callable) -> Callable:
    @functools.wraps(part)
    def call(*given: Any) -> Any:
        try:
            return part(*given)
        except (SystemExit, ValueError) as error:
            raise Unreadable(" ".join(str(error).split())) from None

    return call
