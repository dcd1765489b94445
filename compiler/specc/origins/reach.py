"""The reach of fields: the words of a render that other values of a field change."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial

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
from specc.origins.pieces import ALL, Split, pieces_of
from specc.origins.reads import Reads
from specc.origins.values import home_of, others_of
from specc.origins.words import Changed
from specc.plan.extras import Extras
from specc.plan.page import plan
from specc.resolve import job_of

MISSING = object()


@dataclass
class Effect:
    """What other values of a field change: words of the present texts, by file, and
    files to which they add lines. `is_free` tells whether another value alone gives a
    valid job; it is only known where all files were looked at."""

    changed: dict[str, Changed] = field(default_factory=dict)
    adds: set[str] = field(default_factory=set)
    is_free: bool = False


class Reach:
    """A job, rendered without black, and what its fields change in the render."""

    def __init__(self, data: bytes, extras: Extras):
        """Raises JobError with all errors of the job."""
        self.job, self.graph, findings = analyze(data)
        if errors := [finding for finding in findings if finding.is_error]:
            raise JobError(errors)
        self.given, self.extras = json.loads(data), extras
        self.fill = Filler(free_mark(data.decode() + json.dumps(self.given)))
        self.reads = Reads()
        watched = self.reads.of(self.job)
        summary = summarize(watched, build_graph(watched))
        self.graphs = [(self.reads.key(self.job), self.graph, summary)]
        page = plan(self.job, self.graph, extras, summary)
        self.rendering = Rendering(page, self.fill)
        self.files = self.rendering.files
        self.splits: dict[str, Split] = {}

    @cached_property
    def options(self) -> dict[str, Option]:
        return options_of(self.job, self.given)

    def split(self, path: str) -> Split:
        """Returns a file with its words and pieces."""
        if path not in self.splits:
            self.splits[path] = Split(self.rendering, path)
        return self.splits[path]

    def effect(self, option: Option) -> Effect:
        """Returns what other values of a field change in all files."""
        found = Effect()
        for given, job, rendering in self._others(option):
            if not self._is_valid(given, job):
                continue
            found.is_free = True
            emitted = {*rendering.modules, *rendering.texts, *self.files}
            for path in emitted:
                if path not in self.files:
                    found.adds.add(path)
                    continue
                pieces = pieces_of(rendering, path, ALL)
                change, adds = self.split(path).changed(pieces, ALL)
                if change.words or change.gaps:
                    known = found.changed.get(path, Changed())
                    found.changed[path] = known | change
                if adds:
                    found.adds.add(path)
        return found

    def effect_on(
        self,
        option: Option,
        path: str,
        kinds: tuple[str, ...],
        reached: Callable[[Changed], set[int]],
        enough: int,
    ) -> set[int]:
        """Returns the lines of a file that other values of a field change, as `reached`
        finds them in pieces of these kinds, until there are enough."""
        lines: set[int] = set()
        for given, job, rendering in self._others(option):
            pieces = pieces_of(rendering, path, kinds)
            change, _ = self.split(path).changed(pieces, kinds)
            found = reached(change)
            if found - lines and self._is_valid(given, job):
                lines |= found
            if len(lines) == enough:
                break
        return lines

    def _others(self, option: Option) -> Iterator[tuple[dict, Job, Rendering]]:
        """Yields jobs with another value of a field. Those of another graph are valid;
        the others may be wrong still."""
        for given in others_of(option, self.given, self.job):
            if not fits(home_of(given, option), option.home):
                continue
            job = job_of(given)
            if job == self.job or inconsistencies(job, given):
                continue
            known = self._graph(job)
            if known is None:
                continue
            page = plan(job, known[0], self.extras, known[1])
            changed = _changed(self.rendering.plan.context(), page.context())
            yield given, job, Rendering(page, partial(_again, self.fill, changed))

    def _graph(self, job: Job) -> tuple[nx.DiGraph, Summary] | None:
        """Returns the graph of a job, which many jobs share; None where it is wrong."""
        wanted = self.reads.key(job)
        for key, graph, summary in self.graphs:
            if key == wanted:
                return graph, summary
        graph = build_graph(job)
        if any(finding.is_error for finding in check(job, graph)):
            return None
        self.graphs.append((wanted, graph, summarize(job, graph)))
        return self.graphs[-1][1:]

    def _is_valid(self, given: dict, job: Job) -> bool:
        graph, _ = self._graph(job) or (None, None)
        if graph is None or validate(Source("", given, Node(0, 0))):
            return False
        return not any(finding.is_error for finding in check(job, graph))


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
