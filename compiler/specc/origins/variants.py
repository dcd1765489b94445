"""Jobs that differ from one by another value of one field, rendered as far as they
differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property, partial
from typing import Any

import networkx as nx

from specc.build import analyze
from specc.checks.levels import check
from specc.checks.values import inconsistencies
from specc.diagnostics import JobError
from specc.emit.parts import Part, asked_by
from specc.emit.render import Fill, Rendering
from specc.graph.cost import Summary, summarize
from specc.graph.levels import build_graph
from specc.job import Job
from specc.language.load import Node, Source
from specc.language.validate import fits, validate
from specc.origins.fields import Option
from specc.origins.marks import Filler, free_mark
from specc.origins.pieces import Cut
from specc.origins.reads import Path, Reads, value_at
from specc.origins.steps import Steps
from specc.origins.values import home_of, others_of
from specc.plan.extras import Extras
from specc.resolve import resolved

MISSING = object()


class Base:
    """A job, rendered with marks and without black."""

    def __init__(self, data: bytes, extras: Extras):
        """Raises JobError with all errors of the job."""
        self.job, graph, findings = analyze(data)
        if errors := [finding for finding in findings if finding.is_error]:
            raise JobError(errors)
        self.given = json.loads(data)
        self.fill = Filler(free_mark(data.decode() + json.dumps(self.given)))
        self.steps = Steps(self.job, graph, extras)
        self.graphs = [(self.steps.graph_key(self.job), graph, self.steps.summary)]
        self.rendering = Rendering(self.steps.plan, self.fill)
        self.cut = Cut(self.rendering)

    def others(self, option: Option) -> Iterator[Variant]:
        """Yields jobs with another value of a field. Some may be wrong still."""
        for given in others_of(option, self.given, self.job):
            home = home_of(given, option)
            value = home.get(option.path[-1])
            pair = (home, option.home) if option.decides else (value, option.schema)
            if fits(*pair):
                job = resolved(given)
                if job != self.job:
                    yield Variant(self, given, job)

    def graph_of(self, job: Job) -> tuple[nx.DiGraph, Summary]:
        """Returns the graph of a job, which many jobs share."""
        wanted = self.steps.graph_key(job)
        for key, graph, summary in self.graphs:
            if key == wanted:
                return graph, summary
        graph = build_graph(job)
        self.graphs.append((wanted, graph, summarize(job, graph)))
        return self.graphs[-1][1:]

    @cached_property
    def asked(self) -> frozenset[str]:
        """The names for which the pages need parts."""
        return asked_by(self.rendering.pages)

    @cached_property
    def checked(self) -> frozenset[Path]:
        """The fields that the checks of the levels read, directly or in the graph."""
        reads = Reads()
        check(reads.of(self.job), self.graphs[0][1])
        return frozenset((*reads.paths, *self.steps.graph.own.paths))

    @cached_property
    def shelf_texts(self) -> dict[str, str]:
        """The texts of the templates of parts, of which some part is emitted."""
        files = {part.file for part in self.rendering.parts}
        stems = (x.removesuffix(".jinja") for x in files if x.endswith(".jinja"))
        return {stem: self.fill.plain[stem] for stem in stems}


class Variant:
    """A job with another value of one field; it may be wrong."""

    def __init__(self, base: Base, given: dict, job: Job):
        self.base, self.given, self.job = base, given, job
        self.known: dict[Path, bool] = {}  # path -> whether its value is another

    def differs(self, paths: frozenset[Path] | None) -> bool:
        """Returns whether the job has other values at some paths; None: all paths."""
        return paths is None or any(map(self._differs_at, paths))

    def _differs_at(self, path: Path) -> bool:
        if path not in self.known:
            old, new = value_at(self.base.job, path), value_at(self.job, path)
            self.known[path] = old != new
        return self.known[path]

    def cut(self, tested: bool) -> Cut | None:
        """Returns the texts, those of the tests only if `tested`; None where the job is
        wrong."""
        if inconsistencies(self.job, self.given):
            return None
        base = self.base
        try:
            parts = (self.job, *base.graph_of(self.job), self.differs, tested)
            page = base.steps.plan_of(*parts)
            changed = _changed(base.rendering.variables, page.context())
        except Exception:
            if self.is_valid:
                raise
            return None  # only a job that passes all checks has a plan
        return Cut(_Again(page, partial(_again, base.fill, changed), base))

    @cached_property
    def is_valid(self) -> bool:
        if validate(Source("", self.given, Node(0, 0))):
            return False
        if not self.differs(self.base.checked):
            return True
        findings = check(self.job, self.base.graph_of(self.job)[0])
        return not any(finding.is_error for finding in findings)


class _Again(Rendering):
    """A rendering of another job. Its parts are those of the first one where the pages
    ask for the same names, and the templates of these parts give the same texts."""

    def __init__(self, plan: Any, fill: Fill, base: Base):
        super().__init__(plan, fill)
        self.base = base

    @cached_property
    def parts(self) -> list[Part]:
        texts = self.base.shelf_texts
        if asked_by(self.pages) == self.base.asked and all(
            self.fill(stem, self.variables) == text for stem, text in texts.items()
        ):
            return self.base.rendering.parts
        return super().parts


def _changed(old: dict, new: dict) -> set[str]:
    """Returns the variables of the plan that have another value."""
    pairs = {name: (old.get(name, MISSING), new.get(name, MISSING)) for name in old}
    pairs |= {name: (MISSING, new[name]) for name in new.keys() - old.keys()}
    return {name for name, (a, b) in pairs.items() if a is not b and a != b}


def _again(
    fill: Filler, changed: set[str], path: str, context: dict, **more: object
) -> str:
    return fill.again(path, context, changed, more)
