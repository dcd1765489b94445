"""Ways from the names of images, as other machines wrote them, to files of this one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PureWindowsPath
from typing import Any
from urllib.parse import unquote

from specc.plan.tables import FILE_NAMES

KNOWN = {"PureWindowsPath": PureWindowsPath, "unquote": unquote}


@dataclass(frozen=True)
class Way:
    """The options of a job's layout on the names of images."""

    prefix: str | None = None
    file_names: str | None = None

    def plain(self, name: str) -> str:
        """Returns the path of an image, as the emitted readers make it of its name."""
        return _function(self.file_names)(name).removeprefix(self.prefix or "")

    def layout(self) -> dict[str, Any]:
        """Returns the options of a job's layout that are given."""
        named = {"prefix": self.prefix, "file_names": self.file_names}
        return {key: value for key, value in named.items() if value}


@functools.cache
def _function(form: str | None) -> Callable[[str], str]:
    """Returns the emitted expression of a value of `file_names` as a function."""
    return eval(f"lambda name: {FILE_NAMES[form]}", dict(KNOWN))
