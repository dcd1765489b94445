"""A small job for each task, all of which learn from the drawn shapes."""

from __future__ import annotations

import instance_jobs
import runs

from specc.shapes.dataset import COUNTS
from specc.shapes.scene import BACKGROUNDS, CATEGORIES

LEARNABLE: dict[str, tuple[dict, str]] = {  # name: the head, a metric it is judged by
    "classes": (
        {
            "task": "multiclass_classification",
            "categories": list(BACKGROUNDS),
        },
        "accuracy",
    ),
    "ordered": (
        {
            "task": "multiclass_classification",
            "categories": list(COUNTS),
            "ordered": True,
        },
        "rank_error",
    ),
    "labels": (
        {"task": "multilabel_classification", "labels": list(CATEGORIES)},
        "mean_average_precision",
    ),
    "number": ({"task": "regression", "range": [0.0, 1.0]}, "mae"),
    "objects": (
        {
            "task": "object_detection",
            "categories": list(CATEGORIES),
            "layers": 1,
        },
        "ap50",
    ),
    # These, and the first two and the last, have tests of their own, which learn more.
    "masks": (instance_jobs.SHAPES, "ap50"),
    "panoptic": (instance_jobs.PANOPTIC, "pq"),
    "regions": (runs.REGIONS, "mean_iou"),
    "depths": (runs.DEPTHS, "rmse"),
    "reach": (runs.POSES, "pck10"),
    "corners": (runs.QUADS, "ap50"),
    "picture": ({"task": "autoencoding", "code_size": 8, "channels": 32}, "mae"),
    "views": (
        {"task": "view_invariance_learning", "projection_size": 16},
        "alignment",
    ),
    "ground": (
        {"task": "metric_learning", "identities": list(BACKGROUNDS)}
        | {"embedding_size": 16},
        "recall_at_1",
    ),
}
QUICK = ("labels",)


def head_of(name: str) -> dict:
    head, _ = LEARNABLE[name]
    return head | {"name": name}
