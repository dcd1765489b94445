"""Reads a predictions.json of predict.py: images, and the finds of one head."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from specc.datasets.files import Unreadable, read_text
from specc.diagnostics import fail
from specc.words import did_you_mean, listed

SIZE = ("width", "height")  # keys of an image that are no heads
OBJECTS, CATEGORY, LABELS, NUMBER, TEXT = (
    "objects",
    "category",
    "labels",
    "value",
    "text",
)
Point = tuple[float, float]


@dataclass(frozen=True)
class Thing:
    """An object: its category, score and box (left, top, right, bottom); and what the
    head tells besides."""

    category: str
    score: float
    box: tuple[float, float, float, float]
    corners: tuple[Point, ...] = ()  # four, of a quadrilateral alone
    mask: tuple[str, int] | None = None  # file beside predictions.json, and its page
    keypoints: dict[str, Point | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Predicted:
    """An image by its path, and what the head found in it: objects, or one value."""

    path: Path
    width: int
    height: int
    things: tuple[Thing, ...] = ()
    value: Any = None  # category, labels, number or text
    score: float = 1.0


@dataclass(frozen=True)
class Predictions:
    """All predictions of one head; `kind` says of which form they are."""

    head: str
    kind: str
    images: tuple[Predicted, ...]

    def names(self) -> list[str]:
        """Returns the categories or labels that occur, sorted."""
        found = {thing.category for image in self.images for thing in image.things}
        for image in self.images:
            if self.kind == CATEGORY:
                found.add(image.value)
            elif self.kind == LABELS:
                found |= {*image.value}
        return sorted(found)


def read_predictions(path: Path, wanted: str | None) -> Predictions:
    """Returns the predictions of the wanted head, or of the only one that labeling
    tools can hold. Raises JobError E451."""
    content = _content(path)
    heads = _heads(path, content)
    if wanted is not None and wanted not in heads:
        help = did_you_mean(wanted, list(heads)) or f"name one of {listed(list(heads))}"
        fail("E451", f"`{path}` has no head `{wanted}`", help=help)
    kinds = {name: _kind(values) for name, values in heads.items()}
    usable = [name for name in ([wanted] if wanted else heads) if kinds[name]]
    if not usable:
        names = listed([f"`{name}`" for name in ([wanted] if wanted else heads)])
        message = f"`{path}` holds nothing that annotations can say: {names} gives maps"
        help = "predict.py writes maps as files that datasets hold, beside it"
        fail("E451", f"{message}, vectors or pictures", help=help)
    if len(usable) > 1:
        names = " or --head ".join(usable)
        message = f"`{path}` has several heads: {listed(usable)}"
        fail("E451", message, help=f"add --head {names}")
    (head,) = usable
    images = []
    for name, facts in content.items():
        try:
            images.append(_image(name, facts, head, kinds[head]))
        except (LookupError, TypeError, ValueError, AttributeError):
            _refuse(path, f"what `{name}` has of `{head}` cannot be read")
    return Predictions(head, kinds[head], tuple(images))


def _content(path: Path) -> dict[str, dict[str, Any]]:
    """Raises JobError E451."""
    try:
        content = json.loads(read_text(path))
    except Unreadable as error:
        fail("E451", str(error), help="name a predictions.json that predict.py wrote")
    except (ValueError, RecursionError):
        _refuse(path, "it is no JSON")
    images = content.values() if isinstance(content, dict) else [None]
    if not all(isinstance(one, dict) and {*SIZE} <= {*one} for one in images):
        _refuse(path, "it is no object of images with width and height")
    if not content:
        _refuse(path, "no image is in it")
    return content


def _refuse(path: Path, why: str) -> NoReturn:
    help = "name a predictions.json that predict.py wrote"
    fail("E451", f"`{path}` is no file of predictions: {why}", help=help)


def _heads(path: Path, content: dict[str, dict[str, Any]]) -> dict[str, list]:
    """Returns what each head found in the images that have it. Raises JobError E451."""
    heads: dict[str, list] = {}
    for facts in content.values():
        for name, value in facts.items():
            if name not in SIZE:
                heads.setdefault(name, []).append(value)
    if not heads:
        _refuse(path, "no prediction is in it")
    return heads


def _kind(values: list) -> str:
    """Returns the form of a head's predictions; "" of what labeling tools do not
    hold."""
    if all(isinstance(value, list) for value in values):
        items = [item for value in values for item in value]
        known = ({"bbox"}, {"quadrilateral"}, {"keypoints"})
        is_known = all(
            isinstance(x, dict) and any(k <= {*x} for k in known) for x in items
        )
        return OBJECTS if is_known else ""
    if not all(isinstance(value, dict) for value in values):
        return ""
    for kind in (CATEGORY, LABELS, NUMBER, TEXT):
        if all(kind in value for value in values):
            return kind
    return ""


def _image(name: str, facts: dict[str, Any], head: str, kind: str) -> Predicted:
    found = facts.get(head, [] if kind == OBJECTS else None)
    size = Path(name), int(facts["width"]), int(facts["height"])
    if kind == OBJECTS:
        return Predicted(*size, things=tuple(_thing(item, head) for item in found))
    value, score = found[kind], float(found.get("score", 1.0))
    if kind == LABELS:
        value = tuple(map(str, value))
    return Predicted(*size, value=value, score=score)


def _thing(item: dict[str, Any], head: str) -> Thing:
    """Returns an object; one of keypoints has the name of its head as the category."""
    corners = tuple(map(_point, item.get("quadrilateral", ())))
    points = {
        name: None if place is None else _point(place)
        for name, place in item.get("keypoints", {}).items()
    }
    if "bbox" in item:
        left, top, right, bottom = map(float, item["bbox"])
        box = left, top, right, bottom
    else:
        box = _around([*corners, *filter(None, points.values())])
    if not all(math.isfinite(side) for side in box):
        raise ValueError
    mask = (str(item["mask"]), int(item["page"])) if "page" in item else None
    category = str(item.get("category", head))
    return Thing(category, float(item["score"]), box, corners, mask, points)


def _point(place: Any) -> Point:
    x, y = map(float, place)
    return x, y


def _around(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """Returns the box of points; ValueError without any."""
    xs, ys = zip(*points)
    return min(xs), min(ys), max(xs), max(ys)
