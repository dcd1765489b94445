"""Summaries of graphs whose figures are computed when they are asked for: few of them
decide what a job changes in a file."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import networkx as nx

from specc.graph.cost import FIGURES, Summary
from specc.graph.levels import prune
from specc.job import Job


def on_demand(job: Job, graph: nx.DiGraph) -> Summary:
    """Returns the summary of the graph, as `summarize` does."""
    summary = object.__new__(_OnDemand)
    vars(summary).update(_job=job, _graph=graph)
    return summary


class _OnDemand(Summary):
    def __getattr__(self, name: str) -> Any:
        """Computes a figure that is not there yet."""
        if name not in FIGURES:
            raise AttributeError(name)
        own = vars(self)
        own[name] = FIGURES[name](own["_job"], own["_graph"], self._live)
        return own[name]

    @cached_property
    def _live(self) -> nx.DiGraph:
        return prune(vars(self)["_graph"])
