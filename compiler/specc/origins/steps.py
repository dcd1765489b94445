"""The fields behind the variables of a plan: those that the steps which make them
read, directly or through the graph and earlier steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any

import networkx as nx

from specc.graph.cost import Summary, summarize
from specc.graph.levels import build_graph
from specc.job import Job
from specc.origins.reads import Path, Reads, value_at
from specc.plan.extras import Extras
from specc.plan.page import plan

CONSTANTS = "constants of "  # name of the constants of a module, before its path


@dataclass
class Step:
    """The fields that a step has read itself, and earlier steps whose results it was
    given, each with what was read of the result; None: all of it."""

    own: Reads = field(default_factory=Reads)
    inputs: list[tuple[Reads | None, Step]] = field(default_factory=list)

    def paths(self) -> set[Path]:
        """Returns the paths of all fields behind the step."""
        found = set(self.own.paths)
        for read, step in self.inputs:
            if read is None or read.paths:
                found |= step.paths()
        return found


class Steps:
    """A plan of a job, made such that each step keeps count of what it reads."""

    def __init__(self, job: Job, extras: Extras):
        self.job, self.direct, self.graph = job, Reads(), Step()
        watched = self.graph.own.of(job)
        graph = build_graph(watched)
        self.summary = summarize(watched, graph)
        self.made: list[tuple[Any, Step]] = []  # results, which stay alive
        self.by_name: dict[str, Step] = {}
        self.page = plan(self.direct.of(job), graph, extras, self.summary, self._run)
        named = {CONSTANTS + path: x for path, x in self.page.constants.items()}
        named |= {x.name: getattr(self.page, x.name) for x in fields(self.page)}
        for name, value in named.items():
            for made, step in self.made:
                if made is value:
                    self.by_name[name] = step

    def _run(self, function: Callable, *arguments: Any) -> Any:
        """Runs a step, and notes the reads behind what it returns."""
        step, given = Step(), []
        for value in arguments:
            read = Reads()
            if isinstance(value, Job):
                given.append(step.own.of(self.job))
            elif isinstance(value, nx.DiGraph):
                step.inputs.append((None, self.graph))
                given.append(value)
            else:
                sources = [x for made, x in self.made if made is value]
                if isinstance(value, Summary):
                    sources = [self.graph]
                watched = read.of(value)
                whole = watched is value  # no object whose reads could be counted
                step.inputs += [(None if whole else read, x) for x in sources]
                given.append(watched)
        result = function(*given)
        self.made.append((result, step))
        if isinstance(result, dict):
            self.by_name |= dict.fromkeys(result, step)
        return result

    def behind(self, names: Iterable[str]) -> frozenset[Path]:
        """Returns the paths of the fields behind variables."""
        steps = [self.by_name[name] for name in names if name in self.by_name]
        return frozenset(self.direct.paths).union(*(step.paths() for step in steps))

    def graph_key(self, job: Job) -> tuple:
        """Returns the values that the graph of a job follows from."""
        return tuple(value_at(job, path) for path in self.graph.own.paths)
