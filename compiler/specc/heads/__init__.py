"""The heads: what solves a task, one module a task.

A builder adds the head's nodes and returns its outputs by name; ``levels`` maps a level
to the node to read there, and a level that nobody makes to a `missing` node.
"""

from __future__ import annotations

from specc.heads import (
    anomaly_detection,
    autoencoding,
    autoregressive_text_recognition,
    depth_estimation,
    instance_segmentation,
    keypoint_detection,
    metric_learning,
    multiclass_classification,
    multilabel_classification,
    object_detection,
    panoptic_segmentation,
    quadrilateral_detection,
    regression,
    scene_text_recognition,
    semantic_segmentation,
    view_invariance_learning,
)
from specc.job import Head

BUILDERS = {  # task in the job -> builder
    "anomaly_detection": anomaly_detection.build,
    "autoregressive_text_recognition": autoregressive_text_recognition.build,
    "autoencoding": autoencoding.build,
    "depth_estimation": depth_estimation.build,
    "instance_segmentation": instance_segmentation.build,
    "keypoint_detection": keypoint_detection.build,
    "metric_learning": metric_learning.build,
    "multiclass_classification": multiclass_classification.build,
    "multilabel_classification": multilabel_classification.build,
    "object_detection": object_detection.build,
    "panoptic_segmentation": panoptic_segmentation.build,
    "quadrilateral_detection": quadrilateral_detection.build,
    "regression": regression.build,
    "scene_text_recognition": scene_text_recognition.build,
    "semantic_segmentation": semantic_segmentation.build,
    "view_invariance_learning": view_invariance_learning.build,
}


def levels_read(head: Head) -> range:
    """The levels that a head asks for; bounds in the wrong order are put right here,
    so that the rest of the graph can still be checked."""
    if hasattr(head, "level"):
        return range(head.level, head.level + 1)
    bottom, top = sorted((head.bottom_level, head.top_level))
    return range(bottom, top + 1)
