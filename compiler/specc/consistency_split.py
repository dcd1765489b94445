"""What is held out of a single dataset, and contradictions in it: E391..E394."""

from __future__ import annotations

import re
import warnings

from specc.diagnostics import Diagnostic
from specc.job import Job

GROUP = ("data", "group")
FEWEST = 4  # identities: two to train on, two among which one is found


def split_findings(job: Job, given: dict) -> list[Diagnostic]:
    """All contradictions about the images that are held out."""
    findings = _pattern(job)
    if job.data.validation is not None:
        return findings + _two_rules(job)
    return findings + _identities(job)


def _pattern(job: Job) -> list[Diagnostic]:
    """E391: the group is a regular expression."""
    if job.data.group is None:
        return []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what another Python may read otherwise
            re.compile(job.data.group)
    except (re.error, RecursionError, OverflowError) as error:
        reason = str(error).partition("\n")[0].rstrip(".")
        message = f"`group` is no regular expression of Python: {reason}"
        help = 'write one, such as "([^/]+)_[0-9]+[.]", or remove it'
        return [Diagnostic("E391", message, GROUP, help=help)]
    return []


def _two_rules(job: Job) -> list[Diagnostic]:
    """E392: groups are kept together where a set is split."""
    if job.data.group is None:
        return []
    message = "both `validation` and `group` are given"
    note = "groups stay together where validation is split off the training set"
    return [Diagnostic("E392", message, GROUP, note=note, help="remove one of the two")]


def _identities(job: Job) -> list[Diagnostic]:
    """E393, E394: metric learning is measured on identities that it never saw."""
    heads = [
        (index, head)
        for index, head in enumerate(job.heads)
        if head.task == "metric_learning"
    ]
    if not heads:
        return []
    findings, (_, first) = [], heads[0]
    note = "without a validation set, identities are held out, not images"
    if len(first.identities) < FEWEST:
        count = len(first.identities)
        message = f"head `{first.name}` has {count} identities, a split needs {FEWEST}"
        path = ("model", "heads", heads[0][0], "identities")
        help = "name a dataset of other identities in /data/validation"
        findings.append(Diagnostic("E393", message, path, note=note, help=help))
    for index, head in heads[1:]:
        message = f"heads `{first.name}` and `{head.name}` both hold out identities"
        path = ("model", "heads", index, "task")
        help = "name a validation set in /data/validation"
        findings.append(Diagnostic("E394", message, path, note=note, help=help))
    if job.data.group is not None:
        message = f"`group` and head `{first.name}` both say what is held out"
        help = "remove `group`, or name a validation set in /data/validation"
        findings.append(Diagnostic("E394", message, GROUP, note=note, help=help))
    return findings
