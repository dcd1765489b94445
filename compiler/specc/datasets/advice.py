"""Findings about a dataset and its job: facts, each with an edit or an advice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from specc.checks.boxes import raised
from specc.datasets.gate.findings import Finding
from specc.datasets.gate.integrity import integrity_of
from specc.datasets.gate.leaks import leaks_of
from specc.datasets.gate.held_out import held_out_of
from specc.datasets.levels import Objects, enlarged, fitting, is_legal, padding
from specc.datasets.gate.looked import Looked
from specc.datasets.survey import Labels
from specc.heads.object_detection import REACH

PADDED = 0.2  # least share of the input that a better shape must save
LESS = 0.05
NARROW = 0.01  # report narrow objects above this share
RARE = 100  # report categories this many times as frequent as the rarest
LARGEST = 4  # suggest at most this many times the area of the input


def findings_of(looked: Looked) -> list[Finding]:
    """Returns all findings, the most severe first."""
    rules = (integrity_of, leaks_of, held_out_of, _padded)
    found = [finding for rule in rules for finding in rule(looked)]
    for index, head in enumerate(looked.emitted.job.heads):
        labels = looked.labels[head.name]
        found += [
            *_classes(looked, index, head, labels),
            *_depths(head, labels),
            *_objects(looked, index, head),
        ]
    return sorted(found, key=lambda finding: finding.code[:2])


def _padded(looked: Looked) -> Iterator[Finding]:
    data, divisor = looked.emitted.job.data, looked.emitted.summary.divisor
    if not looked.samples:
        return
    lost = padding(looked.samples, data.resolution)
    better = fitting(looked.samples, data.resolution, divisor)
    kept = padding(looked.samples, tuple(better))
    edit = ("/data/resolution", better)
    if lost > PADDED and kept < lost - LESS and is_legal(looked.values, [edit]):
        message = f"{lost:.0%} of the input is padding, of {_size(better)} {kept:.0%}"
        help = "choose the shape of the images"
        yield Finding("D302", "padding", message, help, edits=(edit,))


def _classes(
    looked: Looked, index: int, head: Any, labels: Labels
) -> Iterator[Finding]:
    names = getattr(head, "categories", None) or getattr(head, "labels", None) or ()
    counts = labels.counts["training"]
    missing = [name for name in names if not counts[name]]
    if not looked.reading.training or not counts:
        return
    if missing:
        occur = "occurs" if len(missing) == 1 else "occur"
        message = f"{len(missing)} of {len(names)} categories never {occur} in training"
        help = "add images of them; or take them out of the dataset and of the job"
        files = tuple(missing)
        yield Finding("D208", "absent", message, help, len(files), files=files)
    found = [counts[name] for name in names if counts[name]]
    if found and max(found) > RARE * min(found):
        rarest = min((name for name in names if counts[name]), key=counts.get)
        message = (
            f"`{max(names, key=lambda n: counts[n])}` occurs"
            f" {max(found) / min(found):,.0f} times as often as `{rarest}`"
        )
        help = "add images of what is rare; look at the metrics of each category"
        yield Finding("D303", "unbalanced", message, help)


def _depths(head: Any, labels: Labels) -> Iterator[Finding]:
    """Depths in the farther half of the range alone: those of another code are."""
    depths = labels.numbers["training"] if labels.unit == "maps" else []
    if not depths or min(depths) <= sum(head.range) / 2:
        return
    nearest, farthest = head.range
    message = (
        f"no depth is nearer than {min(depths):.4g}, of a range from {nearest:g} to"
        f" {farthest:g}"
    )
    help = (
        "convert maps of millimeters or meters: 0 is unknown, 1 the farthest, 255 or"
        " 65535 the nearest depth"
    )
    yield Finding("D209", "depth", message, help)


def _objects(looked: Looked, index: int, head: Any) -> Iterator[Finding]:
    objects = looked.objects(head)
    if objects is None or not objects.boxes:
        return
    yield from _narrow(looked, index, objects)
    yield from _large(looked, index, objects)
    yield from _levels(looked, index, objects)
    limit = getattr(head, "max_detections", objects.most)
    if objects.most > limit:
        message = f"an image has {objects.most} objects, `max_detections` is {limit}"
        edit = (f"/model/heads/{index}/max_detections", min(1000, 2 * objects.most))
        yield Finding("D212", "crowded", message, "let as many be found", edits=(edit,))


def _narrow(looked: Looked, index: int, objects: Objects) -> Iterator[Finding]:
    """Yields a finding if objects are narrower than a cell of the lowest level."""
    stride, count = objects.levels[0].stride, len(objects.boxes)
    if objects.narrow <= NARROW * count:
        return
    share, are = objects.narrow / count, "is" if objects.narrow == 1 else "are"
    message = (
        f"{objects.narrow} of {count} objects ({share:.0%}) {are} narrower than a cell"
        f" of level {objects.levels[0].level}, {stride} pixels of the input"
    )
    if objects.unreached:
        own = ("has", "its") if objects.unreached == 1 else ("have", "their")
        message += f"; {objects.unreached} {own[0]} no center of a cell in {own[1]} box"
    small = objects.shorter[int(NARROW * count)]
    resolution = looked.emitted.job.data.resolution
    larger = enlarged(resolution, stride / small, looked.emitted.summary.divisor)
    bottom = _lower(looked, index)
    if larger[0] * larger[1] <= LARGEST * resolution[0] * resolution[1]:
        edits = (("/data/resolution", larger),)
    elif is_legal(looked.values, bottom):
        edits = tuple(bottom)
    else:
        edits = (("/data/resolution", [2 * side for side in resolution]),)
    if is_legal(looked.values, list(edits)):
        yield Finding(
            "D210",
            "small",
            message,
            "give them more pixels or finer cells",
            edits=edits,
        )


def _large(looked: Looked, index: int, objects: Objects) -> Iterator[Finding]:
    """The longest side of a box counts in strides of the highest level: see W205."""
    top = objects.levels[-1]
    beyond = [side for side in objects.longer if side > REACH * top.stride]
    if not beyond:
        return
    are = "is" if len(beyond) == 1 else "are"
    message = (
        f"{len(beyond)} of {len(objects.boxes)} objects {are} longer than"
        f" {REACH * top.stride} pixels of the input, as far as boxes of level"
        f" {top.level} reach"
    )
    job = looked.emitted.job
    edits = raised(job, index, max(job.data.resolution))
    if is_legal(looked.values, edits):
        yield Finding(
            "D211", "large", message, "let a level more find them", edits=tuple(edits)
        )
    else:
        help = "lower the resolution, or set BINS in model.py higher"
        yield Finding("D211", "large", message, help)


def _lower(looked: Looked, index: int) -> list[tuple[str, Any]]:
    """Returns edits to a finer level for a head, and for a neck with a given level."""
    head = looked.emitted.job.heads[index]
    edits = [(f"/model/heads/{index}/bottom_level", head.bottom_level - 1)]
    if ((looked.values["model"].get("neck") or {}).get("bottom_level")) is not None:
        edits.append(("/model/neck/bottom_level", head.bottom_level - 1))
    return edits


def _levels(looked: Looked, index: int, objects: Objects) -> Iterator[Finding]:
    """Levels at the top that own next to nothing cost time, unless W205 asks for
    them. The neck goes on to read all levels of the backbone."""
    job = looked.emitted.job
    count, side = len(objects.boxes), max(job.data.resolution)
    used = [
        level.level
        for below, level in zip((None, *objects.levels), objects.levels)
        if level.owned > NARROW * count or below and REACH * below.stride < side
    ]
    top = objects.levels[-1].level
    if not used or used[-1] >= top:
        return
    rest = sum(level.owned for level in objects.levels if level.level > used[-1])
    idle = f"levels {used[-1] + 1}..{top} own"
    if used[-1] + 1 == top:
        idle = f"level {top} owns"
    message = f"{idle} {rest} of {count} objects"
    least, deepest = max(used[-1], objects.levels[0].level), job.backbone.top_level
    edits = [(f"/model/heads/{index}/top_level", least)]
    given = ((looked.values["model"].get("neck") or {}).get("top_level")) is not None
    if job.neck and (given or least < deepest):
        edits.append(("/model/neck/top_level", max(least, deepest)))
    if is_legal(looked.values, edits):
        yield Finding("D304", "idle", message, "leave them out", edits=tuple(edits))


def _size(resolution: list[int]) -> str:
    return f"{resolution[0]}x{resolution[1]}"
