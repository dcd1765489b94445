"""Heads in mixtures of options: which stand together, and the formats of their
datasets."""

from __future__ import annotations

CONVERTED = [  # a head, and the task that its dataset's annotations are for
    ("cells", "quadrilateral detection"),
    ("quads", "object detection"),
    ("tags", "instance segmentation"),
    ("tags", "keypoint detection"),
    ("tags", "semantic segmentation"),
    ("tags", "multiclass classification"),
    ("mask", "panoptic segmentation"),
    ("region", "panoptic segmentation"),
    ("face", "multiclass classification"),
    ("cells", "keypoint detection"),
]
HEADS = {
    "classifier": ["kind"],
    "detector": ["cells"],
    "detector, classifier": ["cells", "kind"],
    "two classifiers": ["kind", "other-kind"],
    "two detectors": ["cells", "other-cells"],
    "embedder": ["face"],
    "autoencoder": ["picture"],
    "views": ["views"],
    "labeled views, detector": ["labeled-views", "cells"],
    "autoencoder, classifier": ["kind", "picture"],
    "embedder, detector": ["face", "cells"],
    "segmenter": ["region"],
    "depth": ["depth"],
    "masks": ["mask"],
    "things and stuff": ["whole"],
    "things and stuff, masks, tags": ["whole", "mask", "tags"],
    "masks of two kinds": ["mask", "other-mask"],
    "masks, maps, detector": ["mask", "region", "cells"],
    "maps of both kinds, detector": ["region", "depth", "cells"],
    "keypoints": ["points"],
    "keypoints, detector": ["points", "cells"],
    "quadrilaterals": ["quads"],
    "quadrilaterals, keypoints": ["quads", "other-points"],
    "labels": ["tags"],
    "number, rank": ["price", "rank"],
    "number": ["price"],
    "flaws": ["flaws"],
    "flaws, detector": ["flaws", "cells"],
    "text": ["word"],
    "text, token by token": ["line"],
    "text twice, detector": ["word", "line", "cells"],
    "detector, classifier apart": ["cells", "kind"],
    "labels, masks, number apart": ["tags", "mask", "price"],
    **{f"{name} from {source}": [name] for name, source in CONVERTED},
}
FORMATS = {
    "native": set(HEADS) - {"region from panoptic segmentation"},  # see coco
    "folders": {"classifier", "two classifiers", "embedder"},
    "coco": {
        *("detector", "two detectors", "keypoints", "masks", "masks of two kinds"),
        *("things and stuff", "mask from panoptic segmentation"),
        *("region from panoptic segmentation", "quads from object detection"),
        "cells from keypoint detection",
    },
    "voc": {"detector", "two detectors"},
    "yolo": {"detector", "two detectors", "masks", "quadrilaterals", "keypoints"},
    "dota": {
        "detector",
        "two detectors",
        "quadrilaterals",
        "quads from object detection",
    },
    "csv": {
        *("classifier", "two classifiers", "number, rank", "number", "detector"),
        *("labels", "text"),
    },
    "maps": {"segmenter", "depth", "masks", "flaws"},
}


def points_of(names: list[str], choice: dict) -> dict:
    """Without flip pairs where no image is mirrored anyway."""
    sigmas = [0.1] * len(names) if choice["loss_weight"] == 1 else None
    pairs = [names[:2]] if len(names) > 1 else []
    pairs = pairs if choice["augmentation"] is not False else None
    return {"keypoints": names, "flip_pairs": pairs, "sigmas": sigmas}


def head_named(name: str, levels: tuple[int, int], choice: dict) -> dict:
    """The head of a name in HEADS; the last word of the name tells its task."""
    kind = name.rpartition("-")[2]
    # In other formats than the native one all heads share one set of names.
    shared = name if choice["format"] == "native" else "kind"
    names = [f"{shared} {i}" for i in range(choice["categories"])]
    characters = "".join(chr(ord("Ā") + i) for i in range(choice["categories"]))
    # A job may list its identities, or tell their number alone.
    identities = names if choice["loss_weight"] == 1 else len(names)
    several = {"bottom_level": levels[0], "top_level": levels[1]}
    one = {"level": levels[1]}
    options = {
        "cells": {"task": "object_detection", "categories": names} | several,
        "kind": {"task": "multiclass_classification", "categories": names} | one,
        "rank": {"task": "multiclass_classification", "categories": names}
        | {"ordered": True}
        | one,
        "tags": {"task": "multilabel_classification", "labels": names} | one,
        "price": {"task": "regression", "range": [-2.5, 1e6]} | one,
        "region": {"task": "semantic_segmentation", "categories": names, "channels": 8}
        | {"colors": [[9, 200, i] for i in range(len(names))]}
        | several,
        "mask": {"task": "instance_segmentation", "categories": names} | several,
        "whole": {"task": "panoptic_segmentation", "categories": names}
        | {"things": names[::2], "colors": [[i, 7, 7] for i in range(len(names))]}
        | several,
        "picture": {"task": "autoencoding", "code_size": 8, "channels": 32} | one,
        "views": {"task": "view_invariance_learning", "projection_size": 16} | one,
        "face": {"task": "metric_learning", "identities": identities} | one,
        "flaws": {"task": "anomaly_detection", "channels": 16} | several,
        "depth": {"task": "depth_estimation", "range": [0, 10]} | several,
        "points": {"task": "keypoint_detection"} | points_of(names, choice) | several,
        "quads": {"task": "quadrilateral_detection", "categories": names} | several,
        "word": {"task": "scene_text_recognition", "tokens": characters} | one,
        "line": {"task": "autoregressive_text_recognition", "tokens": names} | one,
    }
    if name == "labeled-views":
        options[kind] |= {"categories": names}
    return {"name": name, "loss_weight": choice["loss_weight"]} | options[kind]
