"""A small job for each task, all of which learn from the drawn shapes."""

from __future__ import annotations

from specc import shapes

LEARNABLE: dict[str, tuple[dict, str]] = {  # name: the head, a metric it is judged by
    "classes": (
        {
            "task": "multiclass_classification",
            "categories": list(shapes.BACKGROUNDS),
        },
        "accuracy",
    ),
    "ordered": (
        {
            "task": "multiclass_classification",
            "categories": list(shapes.COUNTS),
            "ordered": True,
        },
        "rank_error",
    ),
    "labels": (
        {"task": "multilabel_classification", "labels": list(shapes.CATEGORIES)},
        "mean_average_precision",
    ),
    "number": ({"task": "regression", "range": [0.0, 1.0]}, "mae"),
    "objects": (
        {
            "task": "object_detection",
            "categories": list(shapes.CATEGORIES),
            "layers": 1,
        },
        "ap50",
    ),
}


def head_of(name: str) -> dict:
    head, _ = LEARNABLE[name]
    return {"name": name} | head
