"""Jobs that differ from one by another value of one field, rendered as far as they
differ."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from typing import Any

import networkx as nx

from specc.build import analyze
from specc.checks.levels import check
from specc.checks.values import inconsistencies
from specc.diagnostics import JobError
from specc.emit.parts import Part, asked_by
from specc.emit.render import LABEL_COLUMNS, SAMPLES, Fill, Rendering
from specc.graph.cost import Summary
from specc.graph.levels import build_graph
from specc.job import Job
from specc.language.load import Node, Source
from specc.language.validate import fits, validate
from specc.origins.fields import Option
from specc.origins.marks import MISSING, Filler, free_mark
from specc.origins.pieces import PAGE, TEXT, Cut, Piece
from specc.origins.reads import Path, Reads, value_at
from specc.origins.sources import FILES
from specc.origins.steps import CONSTANTS, Step, Steps
from specc.origins.summaries import on_demand
from specc.origins.values import home_of, others_of
from specc.plan.extras import Extras
from specc.plan.page import Plan
from specc.resolve import resolved

COLUMNS = frozenset(("heads", "label_types", "partial"))  # decide on samples.py


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
        self.rendering = _First(self.steps.plan, self.fill)
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
        self.graphs.append((wanted, graph, on_demand(job, graph)))
        return self.graphs[-1][1:]

    def names_of(self, path: str, kinds: Iterable[str]) -> frozenset[str] | None:
        """Returns the variables that pieces of these kinds of a file follow from; None
        where these may be all."""
        if path not in self.fill.names:
            return None
        pages, more = [path], FILES
        if path == SAMPLES or not {PAGE, TEXT}.issuperset(kinds):
            texts, more = self.rendering.texts, FILES | COLUMNS
            pages = [one for one in self.fill.names if one not in texts]
        constants = {CONSTANTS + one for one in pages}
        return more.union(constants, *(self.fill.names[one] for one in pages))

    @cached_property
    def values(self) -> dict[str, object]:
        """The variables of the plan."""
        return values_of(self.rendering.plan)

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
        self.results: dict[Step, Any] = {}  # step of the plan -> result

    @property
    def graph(self) -> nx.DiGraph:
        return self._graph[0]

    @property
    def summary(self) -> Summary:
        return self._graph[1]

    @cached_property
    def _graph(self) -> tuple[nx.DiGraph, Summary]:
        return self.base.graph_of(self.job)

    def differs(self, paths: Iterable[Path] | None) -> bool:
        """Returns whether the job has other values at some paths; None: all paths."""
        return paths is None or any(map(self._differs_at, paths))

    def _differs_at(self, path: Path) -> bool:
        if path not in self.known:
            old, new = value_at(self.base.job, path), value_at(self.job, path)
            self.known[path] = old != new
        return self.known[path]

    def touches(self, names: frozenset[str] | None, tested: bool) -> bool:
        """Returns whether variables, or those that decide which files there are, may
        have other values; None: all variables."""
        if names is None:
            return True
        names |= FILES
        try:
            page = self.base.steps.plan_of(self, names, tested)
        except Exception:  # the job may be wrong
            return True
        values, fill = values_of(page), self.base.fill
        for name in names & _changed(self.base.values, values):
            read = [path for path, known in fill.names.items() if name in known]
            if not read or any(
                not fill.is_alike(x, name, values.get(name, MISSING)) for x in read
            ):
                return True
        return False

    def pieces(
        self, path: str, kinds: tuple[str, ...], tested: bool
    ) -> dict[Piece, str] | None:
        """Returns the pieces of some kinds of a file, of the tests only if `tested`;
        None where the job is wrong."""
        if inconsistencies(self.job, self.given):
            return None
        names, seen = self.base.names_of(path, kinds), set()
        if names is not None:
            try:
                found = self._cut(names, seen, tested).pieces(path, kinds)
            except Exception:  # a template may need what is not among the names
                found = None
            if found is not None and not (seen & self.base.steps.variables) - names:
                return found
        cut = self.cut(tested)
        return cut and cut.pieces(path, kinds)

    def cut(self, tested: bool) -> Cut | None:
        """Returns the texts, those of the tests only if `tested`; None where the job is
        wrong."""
        if inconsistencies(self.job, self.given):
            return None
        try:
            return self._cut(None, set(), tested)
        except Exception:
            if self.is_valid:
                raise
            return None  # only a job that passes all checks has a plan

    def _cut(self, names: frozenset[str] | None, seen: set[str], tested: bool) -> Cut:
        """Returns texts that are right where they follow from variables of these names
        alone; `seen` is given the names that they follow from."""
        base = self.base
        page = base.steps.plan_of(self, names, tested)
        changed = _changed(base.values, values_of(page))
        fill = partial(_again, base.fill, changed, seen)
        return Cut(_Again(page, fill, base))

    @cached_property
    def is_valid(self) -> bool:
        if validate(Source("", self.given, Node(0, 0))):
            return False
        if not self.differs(self.base.checked):
            return True
        findings = check(self.job, self.graph)
        return not any(finding.is_error for finding in findings)


class _First(Rendering):
    """The rendering of the first job, with the fields that its columns follow from."""

    fill: Filler

    def columns(self, variables: dict[str, Any]) -> Any:
        own = {name: variables[name] for name in COLUMNS}
        self.fill.names[LABEL_COLUMNS] = set(COLUMNS)
        return super().columns(self.fill.watched(LABEL_COLUMNS, own))


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


def values_of(page: Plan) -> dict[str, object]:
    """Returns the variables of a plan, and the constants of each module."""
    constants = {CONSTANTS + path: x for path, x in page.constants.items()}
    return page.context() | constants


def _changed(old: dict, new: dict) -> set[str]:
    """Returns the variables of the plan that have another value."""
    pairs = {name: (old.get(name, MISSING), new.get(name, MISSING)) for name in old}
    pairs |= {name: (MISSING, new[name]) for name in new.keys() - old.keys()}
    return {name for name, (a, b) in pairs.items() if a is not b and a != b}


def _again(
    fill: Filler,
    changed: set[str],
    seen: set[str],
    path: str,
    context: dict,
    **more: object,
) -> str:
    return fill.again(path, context, changed, seen, more)
