"""The fields behind the variables of a plan: those that the steps which make them
read, directly or through the graph and earlier steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import networkx as nx

from specc.graph.cost import Summary, summarize
from specc.graph.levels import build_graph
from specc.job import Job
from specc.origins.reads import Path, Reads, value_at
from specc.plan.contract.contract import plan_contract, predicting, smallest
from specc.plan.extras import Extras
from specc.plan.page import Plan, plan

SUMMARIES = (smallest, predicting)  # steps that follow from the graph's fields alone
OF_TESTS = (*SUMMARIES, plan_contract)
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
    """A plan of a job, made such that each step keeps count of what it reads.

    `plan` is the same plan of the job itself, whose values keep no count.
    """

    def __init__(self, job: Job, graph: nx.DiGraph, extras: Extras):
        self.job, self.extras = job, extras
        self.direct, self.graph = Reads(), Step()
        watched = self.graph.own.of(job)
        seen = build_graph(watched)
        self.summary = summarize(watched, seen)
        self.made: list[tuple[Any, Step]] = []  # results, which stay alive
        self.by_name: dict[str, Step] = {}
        self.page = plan(self.direct.of(job), seen, extras, self.summary, self._run)
        named = {CONSTANTS + path: x for path, x in self.page.constants.items()}
        named |= {x.name: getattr(self.page, x.name) for x in fields(self.page)}
        for name, value in named.items():
            for made, step in self.made:
                if made is value:
                    self.by_name[name] = step
        self.summaries: dict[tuple, Summary] = {}
        self.results: list[Any] = []
        self.plan = plan(job, graph, extras, self.summary, self._keep)
        self.read = [frozenset(step.paths()) for _, step in self.made]

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

    def _keep(self, function: Callable, *arguments: Any) -> Any:
        self.results.append(function(*arguments))
        return self.results[-1]

    def plan_of(
        self,
        job: Job,
        graph: nx.DiGraph,
        summary: Summary,
        differs: Callable[[frozenset[Path]], bool],
        tested: bool,
    ) -> Plan:
        """Returns the plan of another job. `differs` tells whether that job has other
        values at some paths: a step that read none of these returns what it did. Where
        not `tested`, the plan of the tests, which takes long, is that of this job."""
        known: Iterator = zip(self.read, self.results, strict=True)

        def step(function: Callable, *arguments: Any) -> Any:
            read, result = next(known)
            if not differs(read) or (function in OF_TESTS and not tested):
                return result
            if function in SUMMARIES:
                return self._summary(function, *arguments)
            return function(*arguments)

        return plan(job, graph, self.extras, summary, step)

    def _summary(self, function: Callable, job: Job, *more: Any) -> Summary:
        key = (function, *self.graph_key(job))
        if key not in self.summaries:
            self.summaries[key] = function(job, *more)
        return self.summaries[key]

    def behind(self, names: Iterable[str]) -> frozenset[Path]:
        """Returns the paths of the fields behind variables."""
        steps = [self.by_name[name] for name in names if name in self.by_name]
        return frozenset(self.direct.paths).union(*(step.paths() for step in steps))

    def graph_key(self, job: Job) -> tuple:
        """Returns the values that the graph of a job follows from."""
        return tuple(value_at(job, path) for path in self.graph.own.paths)
