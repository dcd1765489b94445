"""The sheet of what augmentation makes of training images, with their labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from specc.datasets.gate.looked import Looked
from specc.datasets.pictures import COLUMNS, ROWS, drawn, save_tiles, some, tile
from specc.heads import TASKS


def save_augmented(looked: Looked, path: Path) -> None:
    """Saves rows of a training image as it is, and views of it as in the first epochs of
    a run with seed 0."""
    emitted, tiles = looked.emitted, []
    views = any(TASKS[head.task].views for head in emitted.job.heads)
    places = {id(sample): i for i, sample in enumerate(looked.reading.training)}
    training = emitted.data.TrainingSet(looked.reading.training, 0)
    for sample in some(looked, "training", ROWS):
        tiles.append(tile(drawn(looked, sample), sample.path.name))
        for epoch in range(COLUMNS - 1):
            key = (epoch, places[id(sample)], 0)[: 2 + views]
            canvas, labels, _ = training[key]
            words = words_of_view(looked, sample, labels, canvas.shape[:2])
            image = emitted.draw.draw(np.ascontiguousarray(canvas), words)
            tiles.append(tile(image, f"epoch {epoch + 1}"))
    save_tiles(tiles, path)


def words_of_view(
    looked: Looked, sample: Any, labels: dict[str, Any], size: tuple[int, int]
) -> dict[str, Any]:
    """Returns the labels of a view, an image of this size, in the form of
    predictions."""
    given, own = dict(sample.labels), {}
    for head in looked.emitted.job.heads:
        label, before = labels.get(head.name), given.get(head.name)
        if hasattr(label, "regions"):
            own[head.name] = _instances(head, label, size)
        elif isinstance(label, tuple) and label and hasattr(label[0], "regions"):
            own[head.name] = _panoptic(head, *label, size)
            given[head.name] = type(before)(*(value[:0] for value in before))
        elif isinstance(label, np.ndarray) and label.ndim == 2:
            own[head.name] = _anomaly(label) if label.dtype == bool else label
        elif type(label) is type(before):  # not numbers of identities, nor images
            given[head.name] = label
    height, width = size
    whole = sample._replace(height=height, width=width, labels=given)
    return looked.emitted.draw.labels_of(whole) | own


def _anomaly(mask: np.ndarray) -> dict[str, Any]:
    """Returns a defect that was drawn into a normal image."""
    label = "anomalous" if mask.any() else "normal"
    return {"label": label, "score": float(mask.any()), "map": np.float32(mask)}


def _instances(head: Any, grids: Any, size: tuple[int, int]) -> list[dict]:
    from faster_coco_eval.core import mask as coco_mask

    items = []
    for box, kind, mask in zip(grids.boxes, grids.classes, _masks(grids, size)):
        runs = coco_mask.encode(np.asfortranarray(mask))
        category = head.categories[int(kind)]
        items.append({"category": category, "bbox": box.tolist(), "mask": runs})
    return items


def _panoptic(
    head: Any, grids: Any, stuff: np.ndarray, size: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Returns maps of a view; `stuff` counts kinds of stuff from 1 on, 0 is a thing."""
    names = list(head.categories)
    kinds = [names.index(name) for name in names if name not in head.things]
    table = np.array([-1, *kinds, -1], np.int16)  # the last is that of index -1
    height, width = size
    stuff = cv2.resize(stuff, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    categories, instances = table[stuff], np.zeros(size, np.int32)
    things = [names.index(name) for name in names if name in head.things]
    for number, mask in enumerate(_masks(grids, size), 1):
        categories[mask > 0] = things[int(grids.classes[number - 1])]
        instances[mask > 0] = number
    return {"categories": categories, "instances": instances}


def _masks(grids: Any, size: tuple[int, int]) -> list[np.ndarray]:
    """Returns whole masks, (height, width) uint8, of masks sampled on regions."""
    masks = []
    for region, grid in zip(grids.regions.round().astype(int).tolist(), grids.masks):
        left, top, right, bottom = region
        mask = np.zeros(size, np.uint8)
        if right > left and bottom > top:
            part = (right - left, bottom - top)
            mask[top:bottom, left:right] = cv2.resize(
                grid, part, interpolation=cv2.INTER_NEAREST_EXACT
            )
        masks.append(mask)
    return masks
