"""The fields behind the variables of a plan: those that the steps which make them
read, directly or through the graph and earlier steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import networkx as nx

from specc.graph.cost import Summary, summarize
from specc.graph.levels import build_graph
from specc.job import Job
from specc.origins.reads import Path, Reads, alike, value_at
from specc.plan.contract.contract import plan_contract, predicting, smallest
from specc.plan.extras import Extras
from specc.plan.page import Plan, plan

SUMMARIES = (smallest, predicting)  # steps that follow from the graph's fields alone
OF_TESTS = (*SUMMARIES, plan_contract)
CONSTANTS = "constants of "  # name of the constants of a module, before its path


@dataclass(eq=False)
class Step:
    """The fields that a step has read itself, and earlier steps whose results it was
    given, each with what was read of the result; None: all of it.

    `places` has the arguments that are no job, with what was read of them; `arguments`
    and `result` are those of the job itself, which keep no count.
    """

    own: Reads = field(default_factory=Reads)
    inputs: list[tuple[Reads | None, Step]] = field(default_factory=list)
    places: list[tuple[int, Reads | None]] = field(default_factory=list)
    arguments: tuple = ()
    result: Any = None

    def paths(self) -> set[Path]:
        """Returns the paths of all fields behind the step."""
        found = set(self.own.paths)
        for read, step in self.inputs:
            if read is None or read.paths:
                found |= step.paths()
        return found


class Other(Protocol):
    """Another job. Its graph and its summary are those of the first job where both
    jobs have the same ones, and are made when they are asked for. `results` are those
    of the steps that were run for it."""

    job: Job
    results: dict[Step, Any]
    graph: nx.DiGraph
    summary: Summary

    def differs(self, paths: Iterable[Path]) -> bool:
        """Returns whether the job has other values at some paths."""


class Steps:
    """A plan of a job, made such that each step keeps count of what it reads.

    `plan` is the same plan of the job itself, whose values keep no count.
    """

    def __init__(self, job: Job, graph: nx.DiGraph, extras: Extras):
        self.job, self.own_graph, self.extras = job, graph, extras
        self.direct, self.graph = Reads(), Step()
        watched = self.graph.own.of(job)
        seen = build_graph(watched)
        self.summary = summarize(watched, seen)
        self.made: list[tuple[Any, Step]] = []  # results, which stay alive
        self.by_name: dict[str, Step] = {}
        self.page = plan(self.direct.of(job), seen, extras, self.summary, self._run)
        self.makers: dict[str, list[Step]] = {}  # variable -> steps that may make it
        named = {CONSTANTS + path: x for path, x in self.page.constants.items()}
        named |= {x.name: getattr(self.page, x.name) for x in fields(self.page)}
        for name, value in named.items():
            # One value without content, such as None, may stand for several results.
            self.makers[name] = [step for made, step in self.made if made is value]
            self.by_name |= {name: step for step in self.makers[name]}
        self.variables = self.by_name.keys() | self.makers.keys()
        self.kept: list[Step] = []  # the steps of the second plan, as far as it is made
        self.plan = plan(job, graph, extras, self.summary, self._keep)
        self.fed = {step for _, one in self.made for _, step in one.inputs}
        self.summaries: dict[tuple, Summary] = {}
        self.wanted: dict[frozenset[str], set[Step]] = {}

    def _run(self, function: Callable, *arguments: Any) -> Any:
        """Runs a step, and notes the reads behind what it returns."""
        step, given = Step(), []
        for place, value in enumerate(arguments):
            read = Reads()
            if isinstance(value, Job):
                given.append(step.own.of(self.job))
            elif isinstance(value, nx.DiGraph):
                step.inputs.append((None, self.graph))
                step.places.append((place, None))
                given.append(value)
            else:
                sources = [x for made, x in self.made if made is value]
                if isinstance(value, Summary):
                    sources = [self.graph]
                watched = read.of(value)
                whole = watched is value  # no object whose reads could be counted
                step.inputs += [(None if whole else read, x) for x in sources]
                step.places.append((place, None if whole else read))
                given.append(watched)
        result = function(*given)
        self.made.append((result, step))
        if isinstance(result, dict):
            self.by_name |= dict.fromkeys(result, step)
        return result

    def _keep(self, function: Callable, *arguments: Any) -> Any:
        step = self.made[len(self.kept)][1]
        step.arguments, step.result = arguments, function(*arguments)
        self.kept.append(step)
        return step.result

    def plan_of(self, other: Other, names: frozenset[str] | None, tested: bool) -> Plan:
        """Returns the plan of another job, as far as it makes the variables of these
        names; None: all of them. The others are those of this job, as is the plan of
        the tests, which takes long, where not `tested`."""
        known, wanted = iter(self.kept), self._wanted(names)

        def step(function: Callable, *arguments: Any) -> Any:
            own = next(known)
            if own not in wanted or (function in OF_TESTS and not tested):
                return own.result
            if own not in other.results:
                other.results[own] = self._again(own, function, arguments, other)
            return other.results[own]

        return plan(other.job, self.own_graph, self.extras, self.summary, step)

    def _again(
        self, own: Step, function: Callable, arguments: tuple, other: Other
    ) -> Any:
        """Returns the result of a step for another job."""
        arguments = tuple(self._of_other(value, other) for value in arguments)
        if not self._is_due(own, arguments, other):
            return own.result
        if function in SUMMARIES:
            made = self._summary(function, *arguments)
        else:
            made = function(*arguments)
        # Steps that follow from an equal result need not run again.
        return own.result if own in self.fed and made == own.result else made

    def _of_other(self, value: Any, other: Other) -> Any:
        """Returns the value of another job that stands for a value of this one."""
        if value is self.own_graph:
            return other.graph
        return other.summary if value is self.summary else value

    def _is_due(self, step: Step, arguments: tuple, other: Other) -> bool:
        """Returns whether a step may return anything else for other arguments."""
        return other.differs(step.own.paths) or any(
            arguments[place] is not step.arguments[place]
            and not alike(step.arguments[place], arguments[place], read)
            for place, read in step.places
        )

    def _wanted(self, names: frozenset[str] | None) -> set[Step]:
        """Returns the steps that make variables, with those whose results they are
        given."""
        if names is None:
            return set(self.kept)
        if names not in self.wanted:
            found: set[Step] = set()
            more = {step for name in names for step in self._makers(name)}
            while more:
                found |= more
                more = {x for step in more for _, x in step.inputs} - found
            self.wanted[names] = found
        return self.wanted[names]

    def _makers(self, name: str) -> list[Step]:
        if name in self.makers:
            return self.makers[name]
        return [self.by_name[name]] if name in self.by_name else []

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
