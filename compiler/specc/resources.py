"""Finds the files that are not code: the schema, the templates, the explain pages.

An installed specc carries them in its own package (`data/`); in a checkout, and so in an
editable install, they stand beside `compiler/`.
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent
_HOMES = (PACKAGE / "data", PACKAGE, PACKAGE.parent.parent)


def read_text(path: str) -> str:
    """The text of a resource such as `schema/job.schema.json`."""
    return _find(path).read_text(encoding="utf-8")


def names(folder: str) -> list[str]:
    """All files below a resource folder, as sorted paths relative to it."""
    home = _find(folder)
    # An installer compiles the Python among the templates, and leaves that beside it.
    found = (path for path in home.rglob("*") if path.parent.name != "__pycache__")
    files = (path for path in found if path.is_file())
    return sorted(path.relative_to(home).as_posix() for path in files)


def template_folder() -> Path:
    """The folder that the template loader reads."""
    return _find("templates")


def _find(path: str) -> Path:
    for home in _HOMES:
        if (home / path).exists():
            return home / path
    raise FileNotFoundError(f"specc's installation lacks `{path}`: install it again")
