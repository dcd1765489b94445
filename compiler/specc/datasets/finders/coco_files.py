"""Reads files of COCO's layout, and tells by their names of which set they are."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from specc.datasets.files import Unlike, Unreadable, folders_in
from specc.datasets.finders.coco_boxes import refuse_corners, unread_marks
from specc.datasets.found import TEST, TRAIN, VALIDATION, left_and_right
from specc.datasets.parts import names_in, reader
from specc.heads import TASKS

KEYS = {"images", "annotations", "categories"}
NOT_COCO = ("metadata.json", "job.json", "resolved.json", "package.json")
MANY = (
    30  # with more .json files in a folder, each may be of one image: a few are tried
)
TRIED = 3
FOLDERS = 50  # most folders of a folder that are looked in
ROLES = dict.fromkeys(TRAIN, "train") | dict.fromkeys(VALIDATION, "validation")
ROLES |= dict.fromkeys(TEST, "test")


@dataclass(frozen=True)
class CocoFile:
    """A file of COCO's layout, without its annotations: there may be millions."""

    path: Path
    role: str  # train, validation, test; "" where no name tells
    base: Path  # folder with the files of one dataset, or with their folders
    kind: str  # the rest of its name, which is equal in the files of one dataset
    names: tuple[str, ...] = ()  # names of images
    segments: tuple[str, ...] = ()  # names of PNGs
    ids: frozenset = frozenset()  # ids of the segments in the first PNG
    by_url: bool = (
        False  # images have a `coco_url` and no `file_name`, as those of LVIS
    )
    annotations: int = 0  # number of annotations, or of segments
    crowds: int = 0  # number of those with `iscrowd` 1
    twins: tuple[str, ...] = ()  # lines on annotated categories of one name
    marks: tuple[str, ...] = ()  # lines on marks of objects that are not read
    unnamed: bool = False  # whether it has keypoints that no category names
    category: str = ""  # name of the only category; "" where there are several
    options: dict[str, dict[str, Any]] = field(default_factory=dict)  # task -> options
    refused: dict[str, Unreadable] = field(default_factory=dict)  # task -> the fault

    @property
    def tasks(self) -> set[str]:
        return {*self.options, *self.refused}


def json_files(folder: Path) -> list[Path]:
    """Returns the .json files of a folder and of those in it, two levels down, which
    may be files of COCO's layout."""
    files = []
    places = [folder, *_shown(folder)]
    places += [inner for place in places[1:] for inner in _shown(place)]
    for place in places:
        found = json_files_in(place)
        if len(found) <= MANY or any(map(_may_be_coco, found[:TRIED])):
            files += found
    return files


def _shown(folder: Path) -> list[Path]:
    """Returns the first folders in a folder that are not hidden."""
    hidden = reader().HIDDEN
    return [x for x in folders_in(folder)[:FOLDERS] if not x.name.startswith(hidden)]


def json_files_in(folder: Path) -> list[Path]:
    """Returns the .json files in a folder that may be of COCO's layout."""
    try:
        names = sorted(x for x in os.listdir(folder) if x.lower().endswith(".json"))
    except (OSError, ValueError):
        return []
    hidden = reader().HIDDEN
    names = [x for x in names if x not in NOT_COCO and not x.startswith(hidden)]
    return [folder / name for name in names]


def words_of(path: Path) -> list[str]:
    """Returns the words in the name of a file and of its folder."""
    return re.findall("[a-z]+", f"{path.stem} {path.parent.name}".lower())


def _may_be_coco(path: Path) -> bool:
    try:
        return _is_coco(reader().read_json(path))
    except Unreadable:
        return False


def _is_coco(value: object) -> bool:
    return isinstance(value, dict) and value.keys() >= KEYS


def role_of(name: str) -> str:
    """Returns the role of the first word in a name that tells one; "" without."""
    words = re.split(r"[^a-z]+", name.lower())
    return next((ROLES[word] for word in words if word in ROLES), "")


def named(path: Path, top: Path) -> CocoFile:
    """Returns role, base and kind by the name of a file, or of a folder above it that
    is below `top`."""
    if role := role_of(path.stem):
        word = next(w for w in re.findall("[a-z]+", path.stem.lower()) if w in ROLES)
        kind = re.sub(f"(?i)[^a-z]*{word}", "", path.stem, count=1)
        return CocoFile(path, role, path.parent, kind.strip("_-. "))
    above = [folder for folder in path.parents if top in folder.parents]
    for folder in above:
        if role := role_of(folder.name):
            rest = path.relative_to(folder).with_suffix("").as_posix()
            return CocoFile(path, role, folder.parent, rest)
    return CocoFile(path, "", path.parent, path.stem)


def read(file: CocoFile) -> CocoFile:
    """Returns the same with what the file holds. Raises Unlike where it is none of
    COCO's, Unreadable where it is broken."""
    path = file.path
    content = reader().read_json(path)
    _refuse_others(path, content)
    by_url = _named_by_url(content)
    found = tasks_in(content)
    images, items = (_dicts(content[key]) for key in ("images", "annotations"))
    options, refused = {}, {}
    for task in found:
        try:
            reader().check_coco(path, content, TASKS[task].coco.fields)
            if task == "object_detection":
                refuse_corners(path, images, items)
            options[task] = _options(path, task, content)
        except Unreadable as error:
            refused[task] = error
    parts = [x for item in items for x in _dicts(item.get("segments_info") or [item])]
    segments = items if "panoptic_segmentation" in found else []
    return CocoFile(
        *(path, file.role, file.base, file.kind),
        names=tuple(str(image.get("file_name")) for image in images),
        segments=tuple(str(item.get("file_name")) for item in segments),
        ids=frozenset(
            part["id"]
            for item in segments[:1]
            for part in _dicts(item.get("segments_info"))
            if isinstance(part.get("id"), int)
        ),
        category=_category(content),
        by_url=by_url,
        annotations=len(parts),
        crowds=sum(part.get("iscrowd") in (1, True) for part in parts),
        options=options,
        refused=refused,
        twins=tuple(_twins(content, {str(x.get("category_id")) for x in parts})),
        marks=tuple(unread_marks(items)),
        unnamed="keypoint_detection" not in found
        and any(x.get("keypoints") for x in items),
    )


def _named_by_url(content: dict) -> bool:
    """Returns whether images have URLs and no names; these then become names."""
    images = _dicts(content["images"])
    by_url = bool(images) and all(
        "coco_url" in image and "file_name" not in image for image in images
    )
    for image in images if by_url else ():
        image["file_name"] = image["coco_url"]
    return by_url


def _refuse_others(path: Path, content: object) -> None:
    """Raises Unlike for other files than COCO's: of one that looks like it, with what
    it lacks."""
    if _is_coco(content):
        return
    if isinstance(content, list) and any("image_id" in x for x in _dicts(content[:1])):
        raise Unlike(f"{path}: a list of results, without images")
    found = KEYS & content.keys() if isinstance(content, dict) else set()
    if len(found) < len(KEYS) - 1:
        raise Unlike("")  # nothing of COCO's
    if any("caption" in item for item in _dicts(content.get("annotations"))[:1]):
        raise Unlike(f"{path}: captions, which no task learns")
    (missing,) = KEYS - found
    raise Unlike(f"{path}: has no `{missing}`, as a COCO file has")


def tasks_in(content: dict) -> list[str]:
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
    first = {_name(item): item for item in reversed(categories)}
    names = [*dict.fromkeys(map(_name, categories))]
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
        kinds = {(_name(c), c.get("isthing") in (1, "1")) for c in categories}
        both = sorted(x for x in names if {(x, True), (x, False)} <= kinds)
        if both:
            what = f"categories called `{both[0]}` are a thing and none"
            raise Unreadable(f"{path}: {what}: give them two names")
        things = [name for name in names if (name, True) in kinds]
        colors = _colors([first[name] for name in names])
        return {"categories": names, "colors": colors, "things": things}
    return {"categories": names}


def _name(category: dict) -> str:
    return str(category["name"]).strip()


def _twins(content: dict, used: set) -> Iterator[str]:
    """Yields a line on each name that several annotated categories have: the readers
    take these for one."""
    found: dict[str, list[str]] = {}
    for item in _dicts(content["categories"]):
        if "name" in item and str(item.get("id")) in used:
            above = item.get("supercategory")
            text = f"{item['id']}{f' of {above}' * bool(above)}"
            found.setdefault(_name(item), []).append(text)
    for name, ids in found.items():
        if len(ids) > 1:
            what = f"{len(ids)} categories are called `{name:.60}`, by `id`"
            yield f"{what} {', '.join(ids):.100}: taken for one, unless you rename them"


def _is_root(category: dict, content: dict) -> bool:
    """Returns whether a category is the root that Roboflow adds above all others, with
    which nothing is annotated."""
    if category.get("id") != 0 or len(_dicts(content["categories"])) == 1:
        return False
    parts = (x.get("segments_info") or [x] for x in _dicts(content["annotations"]))
    return all(x.get("category_id") != 0 for of_one in parts for x in _dicts(of_one))


def _category(content: dict) -> str:
    """Returns the name of the only category; "" where there are several."""
    names = [_name(c) for c in _dicts(content["categories"]) if "name" in c]
    return names[0] if len(names) == 1 else ""


def _colors(categories: list[dict]) -> list[list[int]]:
    """Returns the colors of the file, or else colors of which no two are equal."""
    given = [category.get("color") for category in categories]
    legal = all(isinstance(c, list) and len(c) == 3 and any(c) for c in given)
    if legal and len({str(color) for color in given}) == len(given):
        return given
    mixed = [(index + 1) * 0x9E3779 % 2**24 for index in range(len(categories))]
    return [[color >> 16, color >> 8 & 255, color & 255] for color in mixed]


def _dicts(value: object) -> list[dict]:
    items = value if isinstance(value, list) else []
    return [item for item in items if isinstance(item, dict)]
