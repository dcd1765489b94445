"""The form of an emitted folder: chosen by flags of `specc build`, then kept by it."""

from __future__ import annotations

from dataclasses import dataclass

CONTRACT = "test_contract.py"
INIT = "__init__.py"


@dataclass(frozen=True)
class Extras:
    """``tests`` asks for a contract. ``package`` is the folder's name where the folder
    is a package, with relative imports; empty where its scripts run by their paths."""

    tests: bool = False
    package: str = ""


PLAIN = Extras()
