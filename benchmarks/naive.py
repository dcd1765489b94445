"""Naive baselines: predictions that look at no image, or at nothing but its pixels.

Each is made from the labels of the training images in the form of predictions, as
`labels_of` of an emitted draw.py gives them, and judged as those of the model.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

SIDE = 16  # nearest neighbors compare images of this many pixels a side
NEIGHBORS = 5
GRID = 48  # cells in each direction of a mean map


def fractions(points: Any, sample: Any) -> np.ndarray:
    """Returns points or boxes (..., 2) in fractions of the image."""
    pairs = np.reshape(np.float64(points), (-1, 2))
    return pairs / [sample.width, sample.height]


def pixels_of(places: np.ndarray, sample: Any) -> list:
    return (places * [sample.width, sample.height]).tolist()


# ---- Means of labels ----


def mean_value(samples: Sequence, labels: Sequence) -> Callable:
    """The mean of the training values."""
    mean = float(np.mean([one["value"] for one in labels]))
    return lambda sample: {"value": mean}


def majority(samples: Sequence, labels: Sequence) -> Callable:
    """The most frequent category of the training images."""
    (category, _), *_ = Counter(one["category"] for one in labels).most_common(1)
    return lambda sample: {"category": category, "top5": {category: 1.0}}


def frequencies(samples: Sequence, labels: Sequence) -> Callable:
    """The share of the training images that have each label."""
    counts = Counter(name for one in labels for name in one["labels"])
    return lambda sample: {"scores": counts}


def mean_objects(samples: Sequence, labels: Sequence) -> Callable:
    """One object of each category in the mean place of those of the training images,
    the more frequent the likelier."""
    places = defaultdict(list)
    for sample, objects in zip(samples, labels):
        for one in objects:
            shape = one["quadrilateral"] if "quadrilateral" in one else one["bbox"]
            places[one["category"]].append(fractions(shape, sample))
    key = next(
        (k for one in labels for x in one for k in x if k in ("quadrilateral", "mask")),
        "bbox",
    )
    most = max(map(len, places.values()))

    def found(sample):
        for category, known in places.items():
            corners = pixels_of(np.mean(known, 0), sample)
            one = {"category": category, "score": len(known) / most}
            if key == "quadrilateral":
                yield one | {"quadrilateral": corners}
                continue
            box = [*corners[0], *corners[1]]
            mask = {"mask": filled(box, sample)} if key == "mask" else {}
            yield one | {"bbox": box} | mask

    return lambda sample: [*found(sample)]


def filled(box: list[float], sample: Any) -> dict:
    """Returns the run lengths of the ellipse in a box."""
    from faster_coco_eval.core import mask as coco_mask

    mask = np.zeros((sample.height, sample.width), np.uint8)
    middle = ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
    size = (box[2] - box[0], box[3] - box[1])
    cv2.ellipse(mask, (middle, size, 0), 1, -1)
    return coco_mask.encode(np.asfortranarray(mask))


def mean_pose(samples: Sequence, labels: Sequence) -> Callable:
    """One instance whose keypoints are where those of the training images are on
    average."""
    places = defaultdict(list)
    for sample, instances in zip(samples, labels):
        for one in instances:
            for name, point in one["keypoints"].items():
                if point is not None:
                    places[name].append(fractions(point, sample)[0])
    means = {name: np.mean(known, 0) for name, known in places.items()}
    presence = dict.fromkeys(means, 1.0)

    def found(sample):
        points = {name: pixels_of(place, sample) for name, place in means.items()}
        return [{"score": 1.0, "keypoints": points, "presence": presence}]

    return found


def mean_depth(samples: Sequence, labels: Sequence) -> Callable:
    """The mean depth of all known training pixels."""
    known = [depth[depth >= 0] for depth in labels]
    mean = sum(map(np.sum, known)) / sum(map(len, known))
    return lambda sample: np.full((sample.height, sample.width), mean, np.float32)


def likeliest_by_place(labels: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the most frequent category of each cell of a grid (GRID, GRID)."""
    names = 1 + max(int(one.max()) for one in labels)
    counts = np.zeros((names, GRID, GRID), int)
    for one in labels:
        small = cv2.resize(one, (GRID, GRID), interpolation=cv2.INTER_NEAREST_EXACT)
        for category in np.unique(small[small >= 0]):
            counts[category] += small == category
    return counts.argmax(0).astype(np.int16)


def likeliest_map(samples: Sequence, labels: Sequence) -> Callable:
    """The most frequent category of each place."""
    grid = likeliest_by_place(labels)
    return lambda sample: enlarged(grid, sample)


def likeliest_segments(samples: Sequence, labels: Sequence) -> Callable:
    """The same; all things of a category are one instance."""
    grid = likeliest_by_place([one["categories"] for one in labels])
    things = {
        int(one["categories"][place][0])
        for one in labels
        for number in np.unique(one["instances"])
        if number
        for place in [one["instances"] == number]
    }

    def found(sample):
        categories = enlarged(grid, sample)
        counted = np.where(np.isin(categories, [*things]), categories + 1, 0)
        scores = [1.0] * int(counted.max())
        return {
            "categories": categories,
            "instances": counted.astype(np.int32),
            "scores": scores,
        }

    return found


def enlarged(grid: np.ndarray, sample: Any) -> np.ndarray:
    size = sample.width, sample.height
    return cv2.resize(grid, size, interpolation=cv2.INTER_NEAREST_EXACT)


# ---- Pixels ----


def pixels(samples: Sequence, read: Callable) -> np.ndarray:
    """Returns the pixels of images at a small size as unit vectors around 0, (N, D)."""
    small = [read(sample, SIDE, SIDE).reshape(-1) for sample in samples]
    centered = np.float32(small) - np.mean(small, 1, keepdims=True)
    lengths = np.linalg.norm(centered, axis=1, keepdims=True)
    return centered / np.maximum(lengths, 1e-6)


def nearest(samples: Sequence, labels: Sequence, read: Callable) -> Callable:
    """Returns the guess by the labels of the training images with the most similar
    pixels."""
    known = pixels(samples, read)

    def found(sample):
        cosines = known @ pixels([sample], read)[0]
        near = [labels[i] for i in np.argsort(-cosines)[:NEIGHBORS]]
        if "text" in near[0]:
            return near[0]
        if "labels" in near[0]:
            counts = Counter(name for one in near for name in one["labels"])
            return {"scores": counts}
        (category, _), *_ = Counter(one["category"] for one in near).most_common(1)
        return {"category": category, "top5": {category: 1.0}}

    return found


def principal(samples: Sequence, size: int, shape: tuple, read: Callable) -> Callable:
    """Reconstructions of as many principal components of the training images, at
    `shape`, as the code has numbers, or as there are."""
    images = np.float32([read(sample, *shape).reshape(-1) for sample in samples])
    mean = images.mean(0)
    _, _, components = np.linalg.svd(images - mean, full_matrices=False)
    components = components[:size]

    def found(sample):
        centered = read(sample, *shape).reshape(-1) - mean
        image = mean + (centered @ components.T) @ components
        image = image.round().clip(0, 255).astype(np.uint8).reshape(*shape, -1)
        enlarged_image = cv2.resize(image, (sample.width, sample.height))
        return enlarged_image.reshape(sample.height, sample.width, -1)

    return found


MEANS = {
    "object_detection": mean_objects,
    "quadrilateral_detection": mean_objects,
    "instance_segmentation": mean_objects,
    "keypoint_detection": mean_pose,
    "semantic_segmentation": likeliest_map,
    "panoptic_segmentation": likeliest_segments,
    "depth_estimation": mean_depth,
    "regression": mean_value,
    "multiclass_classification": majority,
    "multilabel_classification": frequencies,
}
BY_PIXELS = (
    "multiclass_classification",
    "multilabel_classification",
    "scene_text_recognition",
    "autoregressive_text_recognition",
)


def baselines(task: str, samples: Sequence, labels: Sequence, read: Callable) -> dict:
    """Returns by name the functions from a sample to a prediction."""
    made = {}
    if task in MEANS:
        made[MEANS[task].__name__] = MEANS[task](samples, labels)
    if task in BY_PIXELS:
        made["nearest_pixels"] = nearest(samples, labels, read)
    return made
