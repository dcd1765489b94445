"""Values of a panoptic head that contradict each other: E351."""

from __future__ import annotations

from specc.diagnostics import Diagnostic, Edit, Path, likely, put
from specc.job import Head, Job
from specc.words import close_to, did_you_mean


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
                        edit=_meant(("model", "heads", index, "things", number), head),
                    )
                )
    return findings


def _meant(path: Path, head: Head) -> Edit | None:
    """Returns the edit that writes the category that a thing is like."""
    close = close_to(head.things[path[-1]], head.categories)
    return likely(put(path, close)) if close else None
