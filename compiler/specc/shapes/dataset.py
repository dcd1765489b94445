"""The drawn dataset: scenes of colored shapes with annotations for most tasks.

Drawn on the spot for the demo, and for tests that train. Needs numpy, OpenCV and PyYAML
(the extra ``train``).
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import yaml

from specc.shapes import maps, masks, points, whole
from specc.shapes.scene import (
    BACKGROUNDS,
    CATEGORIES,
    Scene,
    boxes,
    coverage,
    draw,
    outline,
    owners,
    sample_scene,
)

COUNTS = ("none", "one", "two", "three", "four", "five", "six")  # number of shapes
RECORD = "shapes.json"  # file of the dataset that records the arguments of drawing
JPEG_QUALITY = 95


# -- Annotations -----------------------------------------------------------------------


def keypoints(scene: Scene) -> list[dict]:
    """Returns the keypoints of each shape (see points.py)."""
    return points.keypoints(scene, [outline(shape) for shape in scene.shapes])


def quadrilaterals(scene: Scene) -> list[dict]:
    """Returns the corners of each visible square (see points.py)."""
    seen = set(np.unique(owners(scene)).tolist())
    outlines = [outline(shape) for shape in scene.shapes]
    return points.quadrilaterals(scene, outlines, seen)


def labels(scene: Scene) -> dict[str, object]:
    """Returns file of annotations -> label of the image."""
    seen = [shape["category"] for shape in boxes(scene)]
    return {
        "tags.yaml": [name for name in CATEGORIES if name in seen],
        "counts.yaml": COUNTS[len(seen)],
        "keypoints.yaml": keypoints(scene),
        "quadrilaterals.yaml": quadrilaterals(scene),
        "identities.yaml": scene.background.kind,
        "fractions.yaml": round(float((owners(scene) >= 0).mean()), 4),
    }


# -- Dataset ---------------------------------------------------------------------------

METADATA = [
    {
        "task": "object detection",
        "categories": list(CATEGORIES),
        "annotations": "boxes.yaml",
    },
    {
        "task": "multiclass classification",
        "categories": list(BACKGROUNDS),
        "annotations": "backgrounds.yaml",
    },
    {
        "task": "multilabel classification",
        "labels": list(CATEGORIES),
        "annotations": "tags.yaml",
    },
    {
        "task": "multiclass classification",
        "ordered": True,
        "categories": list(COUNTS),
        "annotations": "counts.yaml",
    },
    {"task": "regression", "range": [0.0, 1.0], "annotations": "fractions.yaml"},
    *maps.METADATA,
    *masks.METADATA,
    *points.METADATA,
    *whole.METADATA,
]


def draw_dataset(
    folder: Path,
    train: int = 200,
    validation: int = 50,
    seed: int = 0,
    separate: bool = False,
) -> None:
    """Writes a dataset in the native layout: `train/` and `val/`, several tasks each.

    The tasks are object detection (the shapes), multiclass classification (the
    background; how many shapes, ordered), multilabel classification (which shapes),
    regression (the fraction of the image that shapes cover), keypoint detection (how
    far each shape reaches), quadrilateral detection (squares), semantic segmentation,
    depth estimation and metric learning (the background again).

    Image i of a split depends on the seed, on `separate` (see sample_scene) and on i
    alone. A dataset drawn earlier with the same numbers is kept.

    Raises FileExistsError where the folder holds anything else.
    """
    folder = Path(folder)
    record = {"train": train, "validation": validation, "seed": seed}
    record |= {"separate": True} if separate else {}
    if folder.exists() and any(folder.iterdir()):
        _require_same(folder, record)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Draw into another folder, then move it: an interrupted run leaves no half a
    # dataset.
    with TemporaryDirectory(dir=folder.parent) as scratch:
        whole = Path(scratch) / "dataset"
        _draw_split(whole / "train", train, (seed, 0), separate)
        _draw_split(whole / "val", validation, (seed, 1), separate)
        (whole / RECORD).write_text(f"{json.dumps(record)}\n", "utf-8")
        if folder.exists():
            folder.rmdir()
        whole.rename(folder)


def _require_same(folder: Path, record: dict) -> None:
    path = folder / RECORD
    if not path.is_file():
        raise FileExistsError(
            f"{folder} holds files that the demo did not draw; name an empty folder"
        )
    if json.loads(path.read_text("utf-8")) != record:
        raise FileExistsError(
            f"{folder} holds shapes drawn with other numbers (see {RECORD}); "
            "delete it or name another folder"
        )


def _draw_split(
    folder: Path, count: int, entropy: tuple[int, int], separate: bool
) -> None:
    (folder / "images").mkdir(parents=True)
    scenes = {
        f"shapes_{index:05d}.jpg": sample_scene(
            np.random.default_rng([*entropy, index]), separate
        )
        for index in range(count)
    }
    for name, scene in scenes.items():
        _write_image(folder / "images" / name, draw(scene))
    leaves_in_line = None  # False would write leaves as blocks, too
    _write_yaml(folder / "metadata.yaml", METADATA, leaves_in_line)
    found = {name: boxes(scene) for name, scene in scenes.items()}
    _write_yaml(folder / "boxes.yaml", found, leaves_in_line)
    kinds = {name: scene.background.kind for name, scene in scenes.items()}
    _write_yaml(folder / "backgrounds.yaml", kinds, False)
    told = {name: labels(scene) for name, scene in scenes.items()}
    for file in next(iter(told.values()), ()):
        whole = {name: of[file] for name, of in told.items()}
        _write_yaml(folder / file, whole, leaves_in_line)
    for name, scene in scenes.items():
        covered = [coverage(s, scene.height, scene.width) for s in scene.shapes]
        maps.write(folder, Path(name).stem, scene, covered)
        path = (folder / "masks" / name).with_suffix(".tif")
        seen = owners(scene)
        masks.write_pages(path, masks.pages(scene, seen))
        both = folder / "panoptic" / path.name
        masks.write_pages(both, masks.panoptic_pages(scene, seen))


def _write_image(path: Path, image: np.ndarray) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    path.write_bytes(data.tobytes())


def _write_yaml(path: Path, value: object, flow: bool | None) -> None:
    # The C emitter is tenfold faster, and absent from some builds of PyYAML.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(value, Dumper=dumper, default_flow_style=flow, sort_keys=False)
    path.write_text(text, "utf-8")
