"""The record of a kind of neck: its functions in all passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from specc.job import Job, Neck

if TYPE_CHECKING:
    from specc.graph.cost import Summary
    from specc.scope import Node


@dataclass(frozen=True)
class Kind:
    neck: type[Neck]  # the dataclass of its options
    title: str  # name in texts
    build: Callable[..., dict[int, Node]]  # makes the neck's nodes of the backbone's
    plan: Callable[[Job, Summary], dict[str, Any]]  # variables of the kind's template
