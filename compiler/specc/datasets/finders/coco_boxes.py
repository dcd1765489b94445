"""Tells files whose boxes are written as corners from those of COCO's layout."""

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
