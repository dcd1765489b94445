"""Real sets in the native layout, written as tools write COCO's: the same labels come
back."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from layouts_coco import write
from PIL import Image
from test_coco_layouts import DETECTION, MASKS, PANOPTIC, POINTS
from test_init import NEEDS_REAL, REAL, init

from specc.datasets.emitted import load

SETS = ("train", "val")
KEPT = (
    "boxes",
    "classes",
    "masks",
    "keypoints",
)  # attributes of labels that every layout stores


def native(task: str, name: str) -> tuple[dict, list[list]]:
    """The job of a real set, and its samples for training and validation."""
    job, code = init(task, "--data", REAL.absolute() / name)
    assert code == 0
    reader = load(json.dumps(job).encode()).dataset
    return job, reader.read_datasets(Path())


def annotations(head: dict, sample) -> list[dict]:
    """The annotations of an image, but for their ids, as COCO has them."""
    [label] = sample.labels.values()
    classes = getattr(label, "classes", np.zeros(len(label.boxes), int)).tolist()
    items = []
    for place, (left, top, right, bottom) in enumerate(label.boxes.tolist()):
        item = {"bbox": [left, top, right - left, bottom - top]}
        item |= {"category_id": classes[place] + 1, "iscrowd": 0}
        if "masks" in label._fields:
            runs = label.masks[place]
            item["segmentation"] = runs | {"counts": runs["counts"].decode()}
        if "keypoints" in head:
            points = label.keypoints[place].tolist()
            known = [(x, y, 2) if math.isfinite(x) else (0, 0, 0) for x, y in points]
            item["keypoints"] = [value for point in known for value in point]
        items.append(item)
    return items


def with_segments(path: Path, sample, items: list[dict]) -> dict:
    """The annotation of an image's segments, whose PNG is written."""
    from faster_coco_eval.core import mask as coco_mask

    ids = np.zeros((sample.height, sample.width), np.int64)
    for number, item in enumerate(items, 1):
        runs = item["segmentation"] | {
            "counts": item["segmentation"]["counts"].encode()
        }
        ids[coco_mask.decode(runs) > 0] = 257 * number
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.stack([ids % 256, ids // 256 % 256, ids // 65536], 2)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    parts = [
        {"id": 257 * number, "category_id": item["category_id"]}
        for number, item in enumerate(items, 1)
    ]
    return {"file_name": path.name, "segments_info": parts}


def written(head: dict, samples: list, images: Path, file: Path) -> None:
    """Writes a set, whose images become links."""
    images.mkdir(parents=True, exist_ok=True)
    names = head.get("categories", ["person"])
    categories = [{"id": i, "name": name} for i, name in enumerate(names, 1)]
    for category in categories:
        if "keypoints" in head:
            category["keypoints"] = head["keypoints"]
        category["isthing"] = int(category["name"] in head.get("things", ()))
    content = {"images": [], "annotations": [], "categories": categories}
    for number, sample in enumerate(samples):
        os.symlink(sample.path.resolve(), images / sample.path.name)
        size = {"height": sample.height, "width": sample.width}
        content["images"].append({"id": number, "file_name": sample.path.name} | size)
        items = annotations(head, sample)
        if head["task"] == PANOPTIC:
            png = file.with_suffix("") / f"{sample.path.stem}.png"
            items = [with_segments(png, sample, items)]
        for item in items:
            place = {"id": len(content["annotations"]), "image_id": number}
            content["annotations"].append(place | item)
    write(file, content)


def told(samples: list) -> dict[str, list]:
    """Returns image name -> the stored attributes of its label, sorted."""
    found = {}
    for sample in samples:
        [label] = sample.labels.values()
        columns = [getattr(label, key) for key in KEPT if key in label._fields]
        columns = [x.tolist() if hasattr(x, "tolist") else map(str, x) for x in columns]
        found[sample.path.name] = sorted(map(str, zip(*columns)))
    return found


UNPACKED = {"images": "{}2017", "file": "annotations/instances_{}2017.json"}
ROBOFLOW = {"images": "{}", "file": "{}/_annotations.coco.json"}
CVAT = {"images": "images/{}", "file": "annotations/instances_{}.json"}


@NEEDS_REAL
@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.parametrize("layout", [UNPACKED, ROBOFLOW, CVAT])
@pytest.mark.parametrize(
    "name, task",
    [
        ("bccd", DETECTION),
        ("nuclei", MASKS),
        ("faces", POINTS),
        ("coco_panoptic", PANOPTIC),
    ],
)
def test_a_real_set_is_the_same_in_any_layout(place, name, task, layout):
    job, sets = native(task, name)
    [head] = job["model"]["heads"]
    for split, samples in zip(SETS, sets):
        parts = [place / "set" / text.format(split) for text in layout.values()]
        written(head, samples, *parts)
    job, code = init(task, "--data", "set", "--force")
    assert code == 0
    read = load(json.dumps(job).encode()).dataset.read_datasets(Path())
    assert [told(samples) for samples in read] == [told(samples) for samples in sets]
