"""The annotations of the native layout, a class a task: each takes the records of all
images, and says what metadata.yaml and its annotations are to hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from specc.imports.instances import Instance
from specc.resolve import color_of

SEMANTIC = (  # formats whose masks are of categories, not of objects
    *("ade20k2017", "ade20k2020", "camvid", "cityscapes", "coco_stuff"),
    *("common_semantic_segmentation", "common_semantic_segmentation_with_subset_dirs"),
    *("icdar_text_segmentation", "kitti_segmentation", "mapillary_vistas"),
    *("mvtec_segmentation", "synthia_al", "synthia_rand", "synthia_sf"),
    "voc_segmentation",
)
FARTHEST_CODE, NEAREST_CODE = 1, 65535  # values of depth maps; 0 is unknown


@dataclass(frozen=True)
class Picture:
    """An image of the dataset, and what is annotated in it."""

    name: str  # name of the file in images/
    height: int
    width: int
    objects: list[Instance]
    labels: list[str]
    texts: list[str]
    depth: Path | None  # a file of numpy, in the unit of the dataset


@dataclass
class Sets:
    """The images of all sets, and the format that they were read from."""

    form: str
    labels: list[str]
    points: dict[str, list[str]]  # label -> names of its keypoints
    pictures: dict[str, list[Picture]]  # set -> images
    counts: Counter = field(
        default_factory=Counter
    )  # number of annotations left out, by their kind

    def all(self) -> list[Picture]:
        return [one for pictures in self.pictures.values() for one in pictures]

    def named(self, found: set[str]) -> list[str]:
        """Returns names in the order of the dataset."""
        known = [name for name in dict.fromkeys(self.labels) if name in found]
        return known + sorted(found - set(known))


@dataclass(frozen=True)
class Written:
    """The annotations of all sets for a task: the entry in metadata.yaml, and annotations
    by image, which maps do not have: their files are written already."""

    entry: dict[str, Any]
    annotations: dict[str, dict[str, Any]]  # set -> image -> annotation


def object_detection(sets: Sets) -> Written | None:
    return _objects(
        sets,
        "object detection",
        lambda one: one.box if sets.form in SEMANTIC else one.hull,
        lambda one: {"bbox": one.hull},
    )


def quadrilateral_detection(sets: Sets) -> Written | None:
    def corners(one: Instance) -> list[float] | None:
        if one.corners is not None:
            return one.corners
        single = one.outlines[0] if len(one.outlines) == 1 else {}
        points = single.get("points", ())
        return points if len(points) == 8 else None

    if not any(one.corners for picture in sets.all() for one in picture.objects):
        if not sets.form.startswith("icdar"):
            return None
    return _objects(
        sets,
        "quadrilateral detection",
        corners,
        lambda one: {"quadrilateral": np.reshape(corners(one), (4, 2)).tolist()},
    )


def _objects(sets: Sets, title: str, held, written) -> Written | None:
    """Returns annotations of objects for which `held` is not None; crowds are left
    out, and counted."""
    found, names = {}, set()
    for split, pictures in sets.pictures.items():
        found[split] = {}
        for picture in pictures:
            rows = [one for one in picture.objects if held(one) is not None]
            sets.counts[f"{title}: crowds"] += sum(one.crowd for one in rows)
            rows = [one for one in rows if not one.crowd]
            names |= {one.label for one in rows}
            found[split][picture.name] = [
                {"category": one.label} | written(one) for one in rows
            ]
    if not names:
        return None
    entry = {"task": title, "categories": sets.named(names)}
    return Written(entry, found)


def keypoint_detection(sets: Sets) -> Written | None:
    """Keypoints of all labels have one list of names; those of a label without names
    are numbered. An instance with another number of points than its names is left
    out."""
    posed = [one for picture in sets.all() for one in picture.objects if one.points]
    numbers = Counter((one.label, len(one.points) // 2) for one in posed)
    names = {}
    for (label, number), _ in numbers.most_common():
        numbered = [f"point_{place}" for place in range(number)]
        names.setdefault(label, sets.points.get(label) or numbered)
    every = list(dict.fromkeys(name for label in names for name in names[label]))
    if len(every) < 2:
        return None

    def fits(one: Instance) -> bool:
        return bool(one.points) and len(one.points) == 2 * len(names[one.label])

    found = {
        split: {
            picture.name: [
                dict.fromkeys(every) | _pose(one, names[one.label])
                for one in picture.objects
                if fits(one)
            ]
            for picture in pictures
        }
        for split, pictures in sets.pictures.items()
    }
    others = sum(not fits(one) for one in posed)
    sets.counts["keypoint detection: instances with another number of points"] += others
    return Written({"task": "keypoint detection", "keypoints": every}, found)


def _pose(one: Instance, names: list[str]) -> dict[str, list[float] | None]:
    places = np.reshape(one.points, (-1, 2)).tolist()
    seen = one.visibility or [2] * len(names)
    return {
        name: place if kind else None for name, place, kind in zip(names, places, seen)
    }


def multiclass_classification(sets: Sets) -> Written | None:
    if max((len(set(one.labels)) for one in sets.all()), default=0) != 1:
        return None
    found = {
        split: {one.name: (one.labels or [None])[0] for one in pictures}
        for split, pictures in sets.pictures.items()
    }
    names = {name for one in sets.all() for name in one.labels}
    if len(names) < 2:
        return None
    entry = {"task": "multiclass classification", "categories": sets.named(names)}
    return Written(entry, found)


def multilabel_classification(sets: Sets) -> Written | None:
    if max((len(set(one.labels)) for one in sets.all()), default=0) < 2:
        return None
    found = {
        split: {one.name: list(dict.fromkeys(one.labels)) for one in pictures}
        for split, pictures in sets.pictures.items()
    }
    names = {name for one in sets.all() for name in one.labels}
    entry = {"task": "multilabel classification", "labels": sets.named(names)}
    return Written(entry, found)


def scene_text_recognition(sets: Sets) -> Written | None:
    found = {
        split: {one.name: (one.texts or [None])[0] for one in pictures}
        for split, pictures in sets.pictures.items()
    }
    tokens = {token for one in sets.all() for text in one.texts for token in text}
    if not tokens:
        return None
    several = sum(len(one.texts) > 1 for one in sets.all())
    sets.counts["scene text recognition: images with several texts"] += several
    entry = {"task": "scene text recognition", "tokens": "".join(sorted(tokens))}
    return Written(entry, found)


# ---- Maps: files, written into a folder ----


def instance_segmentation(sets: Sets, folder: Path) -> Written | None:
    """Writes a page for each object, black but for its category's color."""
    if sets.form in SEMANTIC:
        return None
    names = sets.named(
        {o.label for one in sets.all() for o in one.objects if o.outlines}
    )
    if not names:
        return None
    colors = {name: color_of(number) for number, name in enumerate(names)}
    for split, picture in _each(sets):
        pages = []
        for one in picture.objects:
            if one.outlines and one.crowd:
                sets.counts["instance segmentation: crowds"] += 1
            elif one.outlines:
                mask = one.mask(picture.height, picture.width)
                if mask.any():
                    pages.append(mask[..., None] * np.uint8(colors[one.label]))
                else:
                    sets.counts["instance segmentation: masks without a pixel"] += 1
        pages = pages or [np.zeros((picture.height, picture.width, 3), np.uint8)]
        first, *others = map(Image.fromarray, pages)
        path = _place(folder, split, "masks", picture, ".tif")
        first.save(
            path, save_all=True, append_images=others, compression="tiff_deflate"
        )
    return Written(
        _colored("instance segmentation", colors) | {"annotations": "masks"}, {}
    )


def semantic_segmentation(sets: Sets, folder: Path) -> Written | None:
    """Writes maps of categories; where masks overlap, the later one holds."""
    if sets.form not in SEMANTIC:
        return None
    names = sets.named(
        {o.label for one in sets.all() for o in one.objects if o.outlines}
    )
    if not names:
        return None
    colors = {name: color_of(number) for number, name in enumerate(names)}
    for split, picture in _each(sets):
        image = np.zeros((picture.height, picture.width, 3), np.uint8)
        for one in picture.objects:
            if one.outlines:
                image[one.mask(picture.height, picture.width)] = colors[one.label]
        path = _place(folder, split, "categories", picture, ".png")
        Image.fromarray(image).save(path)
    entry = _colored("semantic segmentation", colors) | {"annotations": "categories"}
    return Written(entry, {})


def depth_estimation(sets: Sets, folder: Path) -> Written | None:
    """Writes maps of depth, in 65,535 steps from the farthest to the nearest."""
    ends = []
    for one in sets.all():
        if one.depth:
            depth = np.load(one.depth)
            known = depth[np.isfinite(depth) & (depth > 0)]
            ends += [known.min(), known.max()] if known.size else []
    if not ends or min(ends) == max(ends):
        return None
    nearest, farthest = float(min(ends)), float(max(ends))
    for split, picture in _each(sets):
        if picture.depth is None:
            continue
        depth = np.load(picture.depth)
        share = (farthest - depth) / (farthest - nearest)
        span = NEAREST_CODE - FARTHEST_CODE
        with np.errstate(invalid="ignore"):
            code = np.round(FARTHEST_CODE + span * share)
        known = np.isfinite(depth) & (depth > 0)
        code = np.where(known, code, 0).astype(np.uint16)
        Image.fromarray(code).save(_place(folder, split, "depths", picture, ".png"))
    entry = {"task": "depth estimation", "range": [nearest, farthest]}
    return Written(entry | {"annotations": "depths"}, {})


LISTS = {
    "object_detection": object_detection,
    "quadrilateral_detection": quadrilateral_detection,
    "keypoint_detection": keypoint_detection,
    "multiclass_classification": multiclass_classification,
    "multilabel_classification": multilabel_classification,
    "scene_text_recognition": scene_text_recognition,
}
MAPS = {
    "instance_segmentation": instance_segmentation,
    "semantic_segmentation": semantic_segmentation,
    "depth_estimation": depth_estimation,
}


def _each(sets: Sets):
    for split, pictures in sets.pictures.items():
        for picture in pictures:
            yield split, picture


def _place(folder: Path, split: str, name: str, picture: Picture, suffix: str) -> Path:
    path = folder / split / name / Path(picture.name).with_suffix(suffix)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _colored(title: str, colors: dict[str, tuple]) -> dict[str, Any]:
    listed = {name: list(color) for name, color in colors.items()}
    return {"task": title, "categories": list(colors), "colors": listed}
