"""The keypoints that a data.yaml of YOLO tells of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specc.datasets.files import Unreadable
from specc.datasets.found import left_and_right
from specc.datasets.parts import names_in, reader


def keypoints(path: Path, entry: dict) -> dict[str, Any]:
    """Returns the options of keypoints: their names, by number where `kpt_names` has
    none, and the pairs of `flip_idx`. Raises Unreadable."""
    reader().pose_numbers(path, entry)  # refuses another shape
    count, _ = entry["kpt_shape"]
    given = entry.get("kpt_names")
    each = list(given.values() if isinstance(given, dict) else [given])
    if given is None:
        each = [[f"point_{number}" for number in range(count)]]
    known = []
    for names in each:
        if not isinstance(names, list) or len(names) != count:
            what = f"`kpt_names` does not list {count} names, as `kpt_shape` tells"
            raise Unreadable(f"{path}: {what}: {names!r:.100}")
        known.append(names_in(path, "kpt_names", names))
    names = list(dict.fromkeys(name for names in known for name in names))
    flip = entry.get("flip_idx")
    if flip is None:
        pairs = left_and_right(names)
        return {"keypoints": names} | ({"flip_pairs": pairs} if pairs else {})
    places = list(range(count))
    if not isinstance(flip, list) or sorted(flip, key=str) != sorted(places, key=str):
        raise Unreadable(
            f"{path}: `flip_idx` does not have each of 0 to {count - 1} once"
        )
    if [flip[flip[place]] for place in places] != places:
        raise Unreadable(f"{path}: `flip_idx` does not lead back from a mirror image")
    pairs = [
        [names[place], names[flip[place]]]
        for names in known
        for place in places
        if place < flip[place]
    ]
    unique = list({tuple(pair): pair for pair in pairs}.values())
    return {"keypoints": names, "flip_pairs": unique}


def unnamed(entry: dict, task: str) -> list[str]:
    """Notes what is made up, or not told apart, of keypoints."""
    if task != "keypoint_detection":
        return []
    notes = []
    if entry.get("kpt_names") is None:
        notes.append("keypoints have no `kpt_names`: they are numbered in their order")
    if len(entry["names"]) > 1:
        notes.append(f"{len(entry['names'])} categories, not told apart by keypoints")
    return notes
