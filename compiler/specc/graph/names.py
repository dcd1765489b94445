"""The tensors whose rows have names: those of categories, keypoints, tokens and so
on."""

from __future__ import annotations

from dataclasses import replace

from specc.graph.cost import Summary, summarize
from specc.graph.levels import build_graph
from specc.job import Head, Job

NAMES = ("categories", "labels", "keypoints", "tokens", "identities", "things")
NAMELESS = "\0"  # a name that no job has


def named_options(head: Head) -> list[str]:
    """Returns the options of a head that list names."""
    return [name for name in NAMES if isinstance(getattr(head, name, None), tuple)]


def dependents(job: Job, summary: Summary, head: Head, option: str) -> list[str]:
    """Returns the keys of tensors that have a row for each of the names of an option:
    those whose shape one name more would change."""
    more = replace(head, **{option: (*getattr(head, option), NAMELESS)})
    heads = tuple(more if one is head else one for one in job.heads)
    other = replace(job, heads=heads)
    state = summarize(other, build_graph(other)).state
    return [key for key, shape in summary.state.items() if state.get(key) != shape]
