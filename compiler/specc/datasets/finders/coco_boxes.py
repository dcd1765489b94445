"""Tells files whose boxes are written as corners from those of COCO's layout; and the
marks on objects that the readers do not read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specc.datasets.files import Unreadable

FEWEST = 4  # boxes; fewer may be corners by chance
BEYOND = 0.25  # least share of boxes that leave their images


def refuse_corners(path: Path, images: list[dict], items: list[dict]) -> None:
    """Raises Unreadable where boxes leave their images by width and height, and lie in
    them, all of them, as left, top, right and bottom."""
    sizes = {str(x.get("id")): (x.get("width"), x.get("height")) for x in images}
    boxes = [(item, sizes.get(str(item.get("image_id")))) for item in items]
    boxes = [(x, size) for x, size in boxes if _has_numbers(x.get("bbox"), size)]
    beyond = [item for item, size in boxes if not _within(item["bbox"], size, True)]
    if len(boxes) < FEWEST or len(beyond) < BEYOND * len(boxes):
        return
    if all(_within(item["bbox"], size, False) for item, size in boxes):
        many = f"{len(beyond)} of {len(boxes)} boxes leave their images"
        example = f"{beyond[0]['bbox']} of annotation {beyond[0].get('id')}"
        why = "as right and bottom, for width and height, all lie in them"
        raise Unreadable(f"{path}: {many}, as {example}: {why}")


def _has_numbers(box: Any, size: tuple | None) -> bool:
    values = [*box, *size] if isinstance(box, list) and size else []
    return len(values) == 6 and all(type(x) in (int, float) for x in values)


def _within(box: list[float], size: tuple[float, float], by_size: bool) -> bool:
    """Returns whether a box lies in its image, but for a pixel; as corners it also has
    an area."""
    left, top, third, fourth = box
    if not by_size:
        third, fourth = third - left, fourth - top
        if third <= 0 or fourth <= 0:
            return False
    return left + third <= size[0] + 1 and top + fourth <= size[1] + 1


def unread_marks(items: list[dict]) -> list[str]:
    """Returns lines on marks of tools that the readers take no notice of: `rotation`,
    by which CVAT turns a box, and `ignore`, which some tools write for `iscrowd`."""
    lines = []
    turned = [item for item in items if _rotation(item)]
    if turned:
        example = f"{_rotation(turned[0]):g} of annotation {turned[0].get('id')}"
        what = f"{len(turned)} of {len(items)} boxes have a `rotation`, as {example}"
        lines.append(
            f"{what}: their `bbox` is read, which is not turned; export them as"
            " polygons where that matters"
        )
    ignored = ignored_in(items)
    if ignored:
        what = f"{len(ignored)} of {len(items)} annotations have `ignore` 1"
        lines.append(
            f"{what}, as annotation {ignored[0].get('id')}: they are learned as any"
            " other; write `iscrowd` 1, and they are ignored"
        )
    return lines


def ignored_in(items: list[dict]) -> list[dict]:
    """Returns the annotations with `ignore` 1 that no `iscrowd` leaves out already."""
    return [x for x in items if x.get("ignore") in (1, "1") and not x.get("iscrowd")]


def _rotation(item: dict) -> float:
    """Returns the degrees by which a tool shows the box turned; 0 without them."""
    attributes = item.get("attributes")
    value = attributes.get("rotation") if isinstance(attributes, dict) else None
    return value if type(value) in (int, float) else 0
