"""Finds datasets in COCO's layout: a JSON file, and its images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from specc.datasets.files import Unlike, Unreadable, entries, folders_in
from specc.datasets.found import Found, left_and_right, pair
from specc.datasets.parts import names_in, reader
from specc.heads import TASKS

KEYS = {"images", "annotations", "categories"}
NOT_COCO = ("metadata.json", "job.json", "resolved.json", "package.json")


def find(folder: Path) -> Iterator[Found]:
    """Yields the datasets of a folder, or of its subfolders. Raises Unreadable."""
    unlike: list[Unlike] = []
    places = (entries(place) for place in (folder, *folders_in(folder)))
    for files in [[folder]] if folder.is_file() else places:
        yield from _of_files(files, unlike)
    if unlike:
        raise unlike[0]


def _of_files(paths: list[Path], unlike: list[Unlike]) -> Iterator[Found]:
    """Yields the datasets in files of one folder: files for one task belong
    together."""
    files = [p for p in paths if p.suffix == ".json" and p.name not in NOT_COCO]
    contents = {path: _content(path, unlike) for path in files}
    contents = {path: content for path, content in contents.items() if content}
    for path, content in contents.items():
        _refuse_crowds(path, content)
    by_task: dict[str, dict[str, Path]] = {}
    refused: list[Unreadable] = []
    for path, content in contents.items():
        tasks = _tasks(content)
        for task in tasks:
            by_task.setdefault(task, {})[path.stem] = path
        if not tasks:
            count = len(_dicts(content["annotations"]))
            held = f"{count} annotations, none with a `bbox`"
            unlike.append(Unlike(f"{path}: {held} or a `segmentation`"))
    for task, named in by_task.items():
        train, *others = pair(list(named))
        if train is None and len(named) == 1:
            train, others = next(iter(named)), [None, None]
        if train is None:
            continue
        path, held_out, test = (named.get(name) for name in (train, *others))
        try:
            for one in filter(None, (path, held_out, test)):
                reader().check_coco(one, contents[one], TASKS[task].coco.fields)
            options = _options(path, task, contents[path])
        except Unreadable as error:
            refused.append(error)
            continue
        images = tuple(_images(path, contents[path], task))
        category = _category(contents[path]) if task == "keypoint_detection" else ""
        unused = _unused(path, contents) if held_out is None else ""
        where = task, path, held_out, options, images
        yield Found("coco", *where, category=category, unused=unused, test=test)
    if refused:
        raise refused[0]


def _unused(path: Path, contents: dict[Path, dict]) -> str:
    """Notes that a file looks like a set for validation; it has no annotations of this
    task."""
    name = pair([other.stem for other in contents if other != path])[1]
    files = {other.stem: other for other in contents}
    return f"{files[name]} has no such annotations" if name else ""


def _content(path: Path, unlike: list[Unlike]) -> dict | None:
    """Returns the content of a file of COCO; a file is noted if it only looks like
    one."""
    value = reader().read_json(path)
    if isinstance(value, list) and any("image_id" in x for x in _dicts(value[:1])):
        unlike.append(Unlike(f"{path}: a list of results, without images"))
    found = KEYS & value.keys() if isinstance(value, dict) else set()
    if len(found) == len(KEYS) - 1:
        (missing,) = KEYS - found
        unlike.append(Unlike(f"{path}: has no `{missing}`, as a COCO file has"))
    return value if found == KEYS else None


def _refuse_crowds(path: Path, content: dict) -> None:
    """Raises Unreadable where all annotations are crowds, which nothing learns."""
    items = _dicts(content["annotations"])
    parts = [x for item in items for x in _dicts(item.get("segments_info") or [item])]
    if parts and all(part.get("iscrowd") in (1, True) for part in parts):
        raise Unreadable(f"{path}: all {len(parts)} annotations have `iscrowd` 1")


def _tasks(content: dict) -> list[str]:
    """Returns the tasks that the annotations serve."""
    found = _dicts(content["annotations"])
    if any("segments_info" in item for item in found):
        return ["panoptic_segmentation"]
    tasks = []
    if any("bbox" in item for item in found):
        tasks.append("object_detection")
    if any(item.get("segmentation") for item in found):
        tasks.append("instance_segmentation")
    if found and any(c.get("keypoints") for c in _dicts(content["categories"])):
        tasks.append("keypoint_detection")
    return tasks


def _options(path: Path, task: str, content: dict) -> dict[str, Any]:
    """Returns the names of a head. Raises Unreadable where a name is none, or stands
    there twice."""
    categories = [c for c in _dicts(content["categories"]) if "name" in c]
    categories = [c for c in categories if not _is_root(c, content)]
    names = list(dict.fromkeys(str(item["name"]).strip() for item in categories))
    names_in(path, "categories", names)
    if task == "keypoint_detection":
        listed = [
            c["keypoints"] for c in categories if isinstance(c.get("keypoints"), list)
        ]
        points = [
            name for names in listed for name in names_in(path, "keypoints", names)
        ]
        points = list(dict.fromkeys(points))
        pairs = left_and_right(points)
        return {"keypoints": points} | ({"flip_pairs": pairs} if pairs else {})
    if task == "panoptic_segmentation":
        things = [
            str(c["name"]).strip() for c in categories if c.get("isthing") in (1, "1")
        ]
        colors = _colors(categories)
        return {"categories": names, "colors": colors, "things": things}
    return {"categories": names}


def _is_root(category: dict, content: dict) -> bool:
    """Returns whether a category is the root that Roboflow adds above all others, with
    which nothing is annotated."""
    if category.get("id") != 0 or len(_dicts(content["categories"])) == 1:
        return False
    parts = (x.get("segments_info") or [x] for x in _dicts(content["annotations"]))
    return all(x.get("category_id") != 0 for of_one in parts for x in _dicts(of_one))


def _category(content: dict) -> str:
    """Returns the name of the only category; "" where there are several."""
    names = [
        str(c["name"]).strip() for c in _dicts(content["categories"]) if "name" in c
    ]
    return names[0] if len(names) == 1 else ""


def _colors(categories: list[dict]) -> list[list[int]]:
    """Returns the colors of the file, or else colors of which no two are equal."""
    given = [category.get("color") for category in categories]
    legal = all(isinstance(c, list) and len(c) == 3 and any(c) for c in given)
    if legal and len({str(color) for color in given}) == len(given):
        return given
    mixed = [(index + 1) * 0x9E3779 % 2**24 for index in range(len(categories))]
    return [[color >> 16, color >> 8 & 255, color & 255] for color in mixed]


def _images(path: Path, content: dict, task: str) -> list[Path]:
    """Returns the images that an emitted reader finds: in a folder of the file's name,
    in `images`, or beside the file."""
    folder = getattr(reader(), TASKS[task].coco.images)(path)
    names = [item["file_name"] for item in content["images"]]
    try:
        found = [reader().below(folder, name, Path()) for name in names]
    except Unreadable as error:
        raise Unreadable(f"{path}: `file_name` of an image {error}") from None
    if found and not any(os.path.exists(image) for image in found[:20]):
        where = f"its images are not in {folder}, where a job looks"
        raise Unreadable(f"{path}: {where}: {names[0]!r:.100}")
    return found


def _dicts(value: object) -> list[dict]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
