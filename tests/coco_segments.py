"""A small dataset in the layout of COCO's panoptic files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from small_data import picture

SKY, CAR, ROAD, PERSON = range(4)
NAMES = ("sky", "car", "road", "person")
KINDS = {NAMES.index(name): 10 * i for i, name in enumerate(reversed(NAMES), 1)}
HEAD = {
    "name": "street",
    "task": "panoptic_segmentation",
    "categories": NAMES,
    "things": ("car", "person"),
    "colors": ((70, 130, 180), (0, 0, 142), (128, 64, 128), (220, 20, 60)),
    "layers": 1,
    "channels": 16,
}
BIG = 5 + 256 * 6 + 65536 * 7  # an id that needs all three colors


def ids() -> np.ndarray:
    """Sky, road in two segments, two cars, a crowd, and an unknown row; 40x30."""
    found = np.full((30, 40), 1)
    found[15:, :20], found[15:, 20:] = 2, 300
    found[10:20, 2:10], found[10:20, 12:20] = BIG, 70_000
    found[10:20, 30:35] = 9
    found[29:] = 0
    return found


SEGMENTS = [
    *({"id": 1, "category_id": KINDS[SKY]}, {"id": 2, "category_id": KINDS[ROAD]}),
    {"id": 300, "category_id": KINDS[ROAD], "iscrowd": 0},
    {"id": BIG, "category_id": KINDS[CAR], "iscrowd": 0},
    {"id": 70_000, "category_id": KINDS[CAR], "iscrowd": 0},
    {"id": 9, "category_id": KINDS[PERSON], "iscrowd": 1},
]


def save_ids(path: Path, found: np.ndarray):
    path.parent.mkdir(parents=True, exist_ok=True)
    colors = [found % 256, found // 256 % 256, found // 65536]
    Image.fromarray(np.stack(colors, 2).astype(np.uint8)).save(path)


def coco(folder: Path, *of_images: np.ndarray | None, **changes) -> Path:
    """A file of images 40x30 with these ids; `changes` are of the last annotation."""
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number, found in enumerate(of_images):
        Image.fromarray(picture(seed=number)).save(folder / f"images/{number}.png")
        images.append({"id": number + 7, "file_name": f"{number}.png"})
        item = {"image_id": number + 7, "file_name": f"{number}-ids.png"}
        annotations.append(item | {"segments_info": SEGMENTS})
        if found is not None:
            save_ids(folder / "val" / f"{number}-ids.png", found)
    annotations[-1] |= changes
    categories = [
        {"id": KINDS[i], "name": name, "isthing": int(name in HEAD["things"])}
        for i, name in enumerate(NAMES)
    ]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"


def edit(path: Path, key: str, change) -> None:
    content = json.loads(path.read_text())
    content[key] = change(content[key])
    path.write_text(json.dumps(content))
