"""The reach of fields: the words of a render that other values of a field change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import networkx as nx

from specc.build import analyze
from specc.checks.levels import check
from specc.checks.values import inconsistencies
from specc.diagnostics import JobError
from specc.emit.render import Rendering
from specc.graph.cost import Summary, summarize
from specc.graph.levels import build_graph
from specc.job import Job
from specc.language.load import Node, Source
from specc.language.validate import fits, validate
from specc.origins.fields import Option, options_of
from specc.origins.marks import Filler, free_mark
from specc.origins.pieces import ALL, paths_of, pieces_of
from specc.origins.reads import Path, value_at
from specc.origins.sources import Sources
from specc.origins.steps import Steps
from specc.origins.values import home_of, others_of
from specc.origins.words import Changed
from specc.plan.contract import plan_contract
from specc.plan.extras import CONTRACT, Extras
from specc.plan.page import directly, plan
from specc.resolve import resolved

MISSING = object()
CONTRACTS = (CONTRACT, "state_dict.json")  # files that follow from the plan of tests
TESTED = (*CONTRACTS, "requirements.txt")  # files that differ where there are tests


@dataclass
class Effect:
    """The changes that other values of a field make: words of the present texts, by
    file, and files to which they add lines. `is_free` tells whether another value alone gives a
    valid job; it is only known where all files were looked at."""

    changed: dict[str, Changed] = field(default_factory=dict)
    adds: set[str] = field(default_factory=set)
    is_free: bool = False


class Reach:
    """A job, rendered without black, and what its fields change in the render."""

    def __init__(self, data: bytes, extras: Extras):
        """Raises JobError with all errors of the job."""
        self.job, graph, findings = analyze(data)
        if errors := [finding for finding in findings if finding.is_error]:
            raise JobError(errors)
        self.given, self.extras = json.loads(data), extras
        self.fill = Filler(free_mark(data.decode() + json.dumps(self.given)))
        self.steps = Steps(self.job, extras)
        summary = self.steps.summary
        self.graphs = [(self.steps.graph_key(self.job), graph, summary)]
        self.rendering = Rendering(plan(self.job, graph, extras, summary), self.fill)
        self.files = frozenset(paths_of(self.rendering))
        self.sources = Sources(self.rendering, self.fill)
        self.behind: dict[frozenset[str], frozenset[Path]] = {}

    @cached_property
    def options(self) -> dict[str, Option]:
        return options_of(self.job, self.given)

    def effect(self, option: Option) -> Effect:
        """Returns what other values of a field change in all files."""
        found = Effect()
        for given, job, make in self._others(option):
            rendering = make(True)
            if rendering is None or not self._is_valid(given, job):
                continue
            found.is_free = True
            for path in {*paths_of(rendering), *self.files}:
                if path not in self.files:
                    found.adds.add(path)
                    continue
                pieces = pieces_of(rendering, path, ALL)
                change, adds = self.sources.split(path).changed(pieces, ALL)
                change = self._due(path, change, job)
                if change.words or change.gaps:
                    known = found.changed.get(path, Changed())
                    found.changed[path] = known | change
                if adds:
                    found.adds.add(path)
        # A set has another order in each process: an answer has the folder's.
        paths = filter(found.changed.get, paths_of(self.rendering))
        found.changed = {path: found.changed[path] for path in paths}
        return found

    def effect_on(
        self,
        option: Option,
        path: str,
        lines: set[int],
        reached: Callable[[Changed], set[int]],
        enough: int,
    ) -> set[int]:
        """Returns the recorded lines that other values of a field change, as `reached`
        finds them in changes of the rendered lines, until there are enough."""
        split, found = self.sources.split(path), set()
        kinds = split.kinds_at(lines)
        behind = [self._behind(path, line) for line in lines]
        for given, job, make in self._others(option):
            if not any(map(partial(self._differs, job), behind)):
                continue
            rendering = make(path in CONTRACTS)
            if rendering is None:
                continue
            change, _ = split.changed(pieces_of(rendering, path, kinds), kinds)
            new = reached(self._due(path, change, job)) - found
            if new and self._is_valid(given, job):
                found |= new
            if len(found) == enough:
                break
        return found

    def _due(self, path: str, change: Changed, job: Job) -> Changed:
        """Returns the changes in lines that follow from what another job changes."""
        split = self.sources.split(path)
        lines = {split.words[word].line for word in change.words | change.gaps}
        due = {x for x in lines if self._differs(job, self._behind(path, x))}
        return Changed(
            frozenset(word for word in change.words if split.words[word].line in due),
            frozenset(word for word in change.gaps if split.words[word].line in due),
        )

    def _behind(self, path: str, line: int) -> frozenset[Path] | None:
        """Returns the fields that a line may follow from; None where these are all."""
        names = self.sources.names(path, line)
        if names is not None and names not in self.behind:
            self.behind[names] = self.steps.behind(names)
        return None if names is None else self.behind[names]

    def _differs(self, job: Job, paths: frozenset[Path] | None) -> bool:
        """Returns whether another job has other values at some paths."""
        if paths is None:
            return True
        return any(value_at(job, x) != value_at(self.job, x) for x in paths)

    def _others(
        self, option: Option
    ) -> Iterator[tuple[dict, Job, Callable[[bool], Rendering | None]]]:
        """Yields jobs with another value of a field, and the functions that render
        them. Some may be wrong still."""
        for given in others_of(option, self.given, self.job):
            home = home_of(given, option)
            value = home.get(option.path[-1])
            pair = (home, option.home) if option.decides else (value, option.schema)
            if fits(*pair):
                job = resolved(given)
                if job != self.job:
                    yield given, job, partial(self._rendered, given, job)

    def _rendered(self, given: dict, job: Job, tested: bool) -> Rendering | None:
        """Returns the texts of another job, its tests only where they are asked for;
        None where the job is wrong."""
        if inconsistencies(job, given):
            return None
        try:
            graph, summary = self._graph(job)
            step = directly if tested else self._untested
            page = plan(job, graph, self.extras, summary, step)
            changed = _changed(self.rendering.plan.context(), page.context())
        except Exception:
            if self._is_valid(given, job):
                raise
            return None  # only a job that passes all checks has a plan
        return Rendering(page, partial(_again, self.fill, changed))

    def _untested(self, function: Callable, *arguments: Any) -> Any:
        """Runs a step of the plan, but not that of the tests, which takes long."""
        if function is plan_contract:
            return self.rendering.plan.contract
        return function(*arguments)

    def _graph(self, job: Job) -> tuple[nx.DiGraph, Summary]:
        """Returns the graph of a job, which many jobs share."""
        wanted = self.steps.graph_key(job)
        for key, graph, summary in self.graphs:
            if key == wanted:
                return graph, summary
        graph = build_graph(job)
        self.graphs.append((wanted, graph, summarize(job, graph)))
        return self.graphs[-1][1:]

    def _is_valid(self, given: dict, job: Job) -> bool:
        if validate(Source("", given, Node(0, 0))):
            return False
        findings = check(job, build_graph(job))
        return not any(finding.is_error for finding in findings)


def _changed(old: dict, new: dict) -> set[str]:
    """Returns the variables of the plan that have another value."""
    return {
        name
        for name in {**old, **new}
        if old.get(name, MISSING) != new.get(name, MISSING)
    }


def _again(
    fill: Filler, changed: set[str], path: str, context: dict, **more: object
) -> str:
    return fill.again(path, context, changed, more)
