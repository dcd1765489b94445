"""Finds the files that are not code: the schema, the templates, the explain pages.

An installed specc carries them in its own package (`data/`); in a checkout, and so in
an editable install, they stand beside `compiler/`.
"""

from __future__ import annotations

import shlex
from pathlib import Path

DISTRIBUTION = "specc-torch"  # name for pip; the import and the command are `specc`
PACKAGE = Path(__file__).parent
_HOMES = (PACKAGE / "data", PACKAGE, PACKAGE.parent.parent)


def read_text(path: str) -> str:
    """Returns the text of a resource such as `schema/job.schema.json`."""
    return _find(path).read_text(encoding="utf-8")


def names(folder: str) -> list[str]:
    """Returns all files below a resource folder, as sorted paths relative to the
    folder."""
    home = _find(folder)
    # An installer compiles the Python files among the templates into __pycache__.
    found = (path for path in home.rglob("*") if path.parent.name != "__pycache__")
    files = (path for path in found if path.is_file())
    return sorted(path.relative_to(home).as_posix() for path in files)


def template_folder() -> Path:
    """The folder that the template loader reads."""
    return _find("templates")


def install(extra: str) -> str:
    """Returns the command that brings the packages of an extra: by its name, or into
    the environment of a checkout from which specc runs."""
    checkout = PACKAGE.parent.parent
    if (checkout / "pyproject.toml").is_file() and not (PACKAGE / "data").exists():
        return f"pip install -e {shlex.quote(f'{checkout}[{extra}]')}"
    return f"pip install {shlex.quote(f'{DISTRIBUTION}[{extra}]')}"


def _find(path: str) -> Path:
    for home in _HOMES:
        if (home / path).exists():
            return home / path
    raise FileNotFoundError(f"specc's installation lacks `{path}`: install it again")
