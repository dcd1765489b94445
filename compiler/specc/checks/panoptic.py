"""Values of a panoptic head that contradict each other: E351."""

from __future__ import annotations

from specc.diagnostics import Diagnostic
from specc.job import Job
from specc.words import did_you_mean


def things_are_categories(job: Job, given: dict) -> list[Diagnostic]:
    """E351: every thing is a category."""
    findings = []
    for index, head in enumerate(job.heads):
        for number, thing in enumerate(getattr(head, "things", ())):
            if thing not in head.categories:
                hint = did_you_mean(thing, head.categories)
                findings.append(
                    Diagnostic(
                        "E351",
                        f"thing `{thing}` of head `{head.name}` is none of its categories",
                        ("model", "heads", index, "things", number),
                        hint
                        or "add it to the categories, or take it out of the things",
                    )
                )
    return findings
