"""The plan of what is held out for validation where a job names a single dataset."""

from __future__ import annotations

import re
from typing import Any

from specc.heads import TASKS
from specc.job import Job, source_of
from specc.source import Line, constant, literal

IDENTITIES = 2  # of fewer, every answer is right: see recall in metric learning


def plan_split(job: Job) -> dict[str, Any]:
    """The words and expressions of templates/dataset/split_groups.py.jinja."""
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
    """Beside the share that is held out."""
    data, identities, lines = job.data, head_of_identities(job) is not None, []
    if data.group and not identities:
        note = "images whose paths match alike stay on one side"
        lines.append(constant("GROUP", data.group, note))
    if data.group or identities:
        fewest = IDENTITIES if identities else 1
        lines.append(
            constant("FEWEST_GROUPS", fewest, "at least: held out, and trained on")
        )
    return lines


def split_sections(job: Job) -> list[str]:
    if head_of_identities(job) is not None:
        return ["split_groups"]
    if job.data.group is not None:
        return ["split_groups", "group_of"]
    return ["held_out"]


def head_of_identities(job: Job):
    """The head for which identities are held out, not images; or None."""
    for head in job.heads:
        source = source_of(job, head)
        if TASKS[head.task].splits_by and source.validation is None:
            return head
    return None


def _found(group: str) -> str:
    """The expression of what a match has in common: its first group, if there is one."""
    return f"found[{min(1, re.compile(group).groups)}]"
