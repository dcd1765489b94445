"""Rules of heads that learn from normal images alone, and train no trunk: E372 to
E374."""

from __future__ import annotations

from specc.diagnostics import Diagnostic, certain, drop, likely, put
from specc.heads import TASKS
from specc.job import Job, source_of
from specc.language.schema import head


def anomalies_are_validated(job: Job, given: dict) -> list[Diagnostic]:
    """E372: there is a set for validation, as none of the training images is
    anomalous."""
    return [
        Diagnostic(
            "E372",
            f"head `{one.name}` trains on normal images alone, and validation holds out"
            " some of them",
            ("model", "heads", index, "task"),
            note="without anomalous images no metric can be measured",
            help="name a set with images of both kinds in /data/validation",
        )
        for index, one in enumerate(job.heads)
        if TASKS[one.task].on_normal_images and source_of(job, one).validation is None
    ]


def neck_is_trained(job: Job, given: dict) -> list[Diagnostic]:
    """E373: a neck has a head that trains it."""
    if job.neck is None:
        return []
    if not all(head(one.task).get("x-trains-no-trunk") for one in job.heads):
        return []
    return [
        Diagnostic(
            "E373",
            f"no head trains the neck `{job.neck.kind}`, and its weights are drawn at"
            " random",
            ("model", "neck"),
            note=f"{job.heads[0].task} leaves the levels that it reads as they are",
            help='set /model/neck to {"kind": "none"}',
            edit=likely(put(("model", "neck"), {"kind": "none"})),
        )
    ]


def backbone_is_trained(job: Job, given: dict) -> list[Diagnostic]:
    """E374: levels of the backbone that are not frozen have a head that trains
    them."""
    path = ("model", "backbone", "frozen_levels")
    asked = (given["model"].get("backbone") or {}).get("frozen_levels")
    # Resolve freezes all levels of a backbone that no head trains.
    if asked is None or asked == job.backbone.frozen_levels:
        return []
    return [
        Diagnostic(
            "E374",
            f"`frozen_levels` is {asked}, and no head trains backbone"
            f" `{job.backbone.name}`",
            path,
            note=f"{job.heads[0].task} leaves the levels that it reads as they are",
            help="leave it out: all levels keep their weights",
            edit=certain(drop(path)),
        )
    ]
