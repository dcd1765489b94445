"""Rules on the part that is held out of a single dataset: E391..E394."""

from __future__ import annotations

import re
import warnings

from specc.diagnostics import Diagnostic, drop, likely
from specc.heads import TASKS, count_of
from specc.job import Job, source_of
from specc.words import number_of

GROUP = ("data", "group")
UNGROUPED = likely(drop(GROUP))
FEWEST = 4  # fewest identities: two to train on, two to validate on


def split_findings(job: Job, given: dict) -> list[Diagnostic]:
    """Returns all contradictions about the images that are held out."""
    findings = _pattern(job)
    if job.data.group is not None:
        findings += _two_rules(job) or _several_sets(job)
    return findings + _identities(job)


def _pattern(job: Job) -> list[Diagnostic]:
    """E391: the group is a regular expression."""
    if job.data.group is None:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about syntax
            re.compile(job.data.group)
    except (re.error, RecursionError, OverflowError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        message = f"`group` is no regular expression of Python: {reason}"
        help = 'write one, such as "([^/]+)_[0-9]+[.]", or remove it'
        return [Diagnostic("E391", message, GROUP, help=help, edit=UNGROUPED)]
    return []


def _two_rules(job: Job) -> list[Diagnostic]:
    """E392: groups are kept together where a set is split."""
    if job.data.validation is None:
        return []
    message = "both `validation` and `group` are given"
    note = "groups stay together where validation is split off the training set"
    help = "remove one of the two"
    return [
        Diagnostic("E392", message, GROUP, note=note, help=help, edit=UNGROUPED),
    ]


def _several_sets(job: Job) -> list[Diagnostic]:
    """E394: groups are those of one dataset."""
    for index, head in enumerate(job.heads):
        if source_of(job, head).train != job.data.train:
            message = f"`group` splits one dataset, head `{head.name}` has another"
            note = "an image could be held out while others of its group are trained on"
            help = "name validation sets, or remove `group`"
            return [
                Diagnostic("E394", message, GROUP, note=note, help=help, edit=UNGROUPED)
            ]
    return []


def _identities(job: Job) -> list[Diagnostic]:
    """E393, E394: metric learning is measured on identities that training never saw."""
    findings, note = [], "without a validation set, identities are held out, not images"
    for index, head in enumerate(job.heads):
        source, path = source_of(job, head), ("model", "heads", index)
        names = TASKS[head.task].splits_by
        if not names or source.validation is not None:
            continue
        own = path if head.data else ()
        where = "/" + "/".join(map(str, (*own, "data", "validation")))
        if (count := count_of(head, TASKS[head.task])) < FEWEST:
            identities = number_of(count, "identity")
            message = f"head `{head.name}` has {identities}, a split needs {FEWEST}"
            help = f"name a dataset of other identities in {where}"
            place = (*path, names)
            findings.append(Diagnostic("E393", message, place, note=note, help=help))
        help = f"name a validation set in {where}"
        if others := [other.name for other in job.heads if other is not head]:
            rules = (
                f"heads `{head.name}` and `{others[0]}` hold images out by other rules"
            )
            place = (*path, "task")
            return [*findings, Diagnostic("E394", rules, place, note=note, help=help)]
        if job.data.group is not None:
            message = f"`group` and head `{head.name}` both say what is held out"
            help = f"remove `group`, or {help}"
            findings.append(
                Diagnostic("E394", message, GROUP, note=note, help=help, edit=UNGROUPED)
            )
    return findings
