"""What a kind of neck brings to all passes."""

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
    title: str  # in words
    build: Callable[..., dict[int, Node]]  # from the backbone's nodes to the neck's
    plan: Callable[[Job, Summary], dict[str, Any]]  # what only its template says
