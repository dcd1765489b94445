"""The plan of the split into training and validation, where a job names one dataset."""

from __future__ import annotations

import re
from typing import Any

from specc.heads import TASKS
from specc.job import Job, source_of
from specc.source import Line, constant, literal

IDENTITIES = 2  # fewest identities: with one, recall in metric learning is always 1


def plan_split(job: Job) -> dict[str, Any]:
    """Returns the variables of templates/dataset/split_groups.py.jinja."""
    head = head_of_identities(job)
    if head is not None:
        return {
            "kept_together": "the identities that are held out are never trained on",
            "group": f"sample.labels[{literal(head.name)}]",
            "groups_held_out": "Identities, drawn by a fixed seed,",
            "group_found": "",
        }
    return {
        "kept_together": "all images of a group are on one side",
        "group": "group_of(sample, root)",
        "groups_held_out": "Groups, drawn by a fixed seed,",
        "group_found": _found(job.data.group) if job.data.group else "",
    }


def split_constants(job: Job) -> list[Line]:
    """Returns the constants of the split, besides the share that is held out."""
    data, identities, lines = job.data, head_of_identities(job) is not None, []
    if data.group and not identities:
        note = "images whose paths match alike stay on one side"
        lines.append(constant("GROUP", data.group, note))
    if data.group or identities:
        fewest = IDENTITIES if identities else 1
        lines.append(
            constant("FEWEST_GROUPS", fewest, "least number held out, and trained on")
        )
    return lines


def split_sections(job: Job) -> list[str]:
    if head_of_identities(job) is not None:
        return ["split_groups"]
    if job.data.group is not None:
        return ["split_groups", "group_of"]
    return ["held_out"]


def head_of_identities(job: Job):
    """Returns the head for which identities are held out, not images; or None."""
    for head in job.heads:
        source = source_of(job, head)
        if TASKS[head.task].splits_by and source.validation is None:
            return head
    return None


def _found(group: str) -> str:
    """Returns the expression of a match's key: the first group, or the whole match."""
    return f"found[{min(1, re.compile(group).groups)}]"
