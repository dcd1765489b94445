"""The form of an emitted folder: chosen by flags of `specc build`, then kept by it."""

from __future__ import annotations

from dataclasses import dataclass

CONTRACT = "test_contract.py"
INIT = "__init__.py"
RUNTIME = "runtime.py"


@dataclass(frozen=True)
class Extras:
    """The form of a folder: ``tests`` asks for a contract; ``package`` is the
    folder's name if the folder is a package with relative imports, empty if scripts
    run by path."""

    tests: bool = False
    package: str = ""


PLAIN = Extras()
