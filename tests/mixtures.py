"""Mixtures of a job's options: every pair of two options' values occurs in some job."""

from __future__ import annotations

import itertools
import json
import random

from mixture_heads import FORMATS, HEADS, head_named
from mixture_tables import BOXES, TABLES, table_of

from specc.build import Compiled, analyze
from specc.emit.render import render
from specc.graph.cost import summarize
from specc.plan.extras import Extras
from specc.plan.page import plan

ALL_CHANGES = {"vertical_flip": True, "transpose": True}
OFF_BY_DEFAULT = {"random_crop": 0.5, "hue": 0.1, "grayscale": 0.3, "blur": 1.5}
FACTORS = {
    "backbone": [
        *("resnet18", "resnet34", "resnet50", "resnet101", "efficientnet_b0"),
        *("efficientnet_b5", "efficientnetv2_s", "mobilenetv2", "mobilenetv2_035"),
        *("mobilenetv3_small", "mobilenetv3_large"),
    ],
    "frozen_levels": [0, 1, 3],
    "top_level": [3, 4, 5, 6, 7],
    "neck": [None, (3, 3), (3, 5), (2, 4), (3, 7), (4, 6)],
    "kind": [
        {"kind": "fpn", "channels": 40},
        {"kind": "fpn", "extra_levels_from": "backbone", "channels": 40},
        {"kind": "bifpn", "layers": 1, "channels": 40},
        {"kind": "bifpn"},
    ],
    "heads": list(HEADS),
    "format": [form for form in FORMATS if form != "maps"],  # these are RARE
    "table": TABLES,
    "box": BOXES,
    "augmentation": [
        {},
        False,
        ALL_CHANGES,
        {"transpose": True, "horizontal_flip": False, "color": 0, "scale": 0},
        {"horizontal_flip": False, "color": 0.5, "scale": 0},
        {"horizontal_flip": False, "color": 0, "scale": 0.5},
    ],
    "optimizer": [
        {"kind": "adamw"},
        {"kind": "adamw", "weight_decay": 0},
        {"kind": "sgd"},
        {"kind": "sgd", "momentum": 0, "weight_decay": 1e-5},
    ],
    "scheduler": [{"kind": "one_cycle"}, {"kind": "multi_step"}, {"kind": "none"}],
    "initialization": [
        {"kind": "random"},
        {"kind": "imagenet"},
        {"kind": "imagenet", "weights": "weights.bin"},
        {"kind": "checkpoint", "weights": "best.pt"},
    ],
    "cache": [None, "decoded images"],
    "keep_samples": [False, True],
    "resize_input": [True, False],
    "channels": [3, 1, 4],
    "precision": ["bf16", "fp32", "fp16"],
    "loop": [
        {},
        {"accumulation": 2},
        {"ema": 0.99, "backbone_learning_rate_factor": 0.1, "compile": True},
        {"accumulation": 4, "compile": True, "early_stopping": 2},
        {"deterministic": True, "ema": 0.9, "slurm": {}},
    ],
    "channels_last": [True, False],
    "gradient_clipping": [None, 10.0],
    "limits": [(100, None), (100, 0.5), (None, 0.5)],
    "validation": ["data/val", None],
    "test": [None, "data/test"],
    "group": [None, "([^/]+)_[0-9]+[.]"],
    "loss_weight": [1, 0.25],
    "categories": [1, 3, 101],
}


def is_valid(choice: dict) -> bool:
    neck, top = choice["neck"], choice["top_level"]
    start = choice["initialization"]
    has_weights = choice["backbone"] != "mobilenetv2_035" or "weights" in start
    one_level = neck == (3, 3) and choice["kind"]["kind"] == "bifpn"
    off = {"scale": 0, "color": 0}
    changes = off if choice["augmentation"] is False else choice["augmentation"]
    same_views = changes.get("scale", 0.25) == changes.get("color", 0.2) == 0
    lone = choice["categories"] == 1 and any(
        name.rpartition("-")[2] in ("kind", "rank", "region", "face")
        for name in HEADS[choice["heads"]]
    )
    untold = "from keypoint" in choice["heads"] and choice["categories"] > 1
    split, grouped = choice["validation"] is None, choice["group"] is not None
    faces = "face" in HEADS[choice["heads"]]
    few = choice["categories"] < 4  # identities, of which some are held out
    several = len(HEADS[choice["heads"]]) > 1
    return (
        not (grouped and (not split or choice["heads"].endswith("apart")))
        and not (faces and split and (few or grouped or several))
        and not ("views" in choice["heads"] and same_views)
        and not (lone or untold)
        and choice["heads"] in FORMATS[choice["format"]]
        and (neck is None or neck[0] <= top and not one_level)
        and (start["kind"] != "imagenet" or has_weights)
        and (start["kind"] != "random" or not choice["frozen_levels"])
        and not ("flaws" in choice["heads"] and choice["validation"] is None)
        and not (choice["heads"] == "flaws" and neck)
        and not (choice["loop"].get("deterministic") and choice["limits"][1])
    )


def layout_of(choice: dict) -> dict | None:
    """The columns of a table, or the folders of maps."""
    if choice["format"] == "csv":
        return table_of(choice, HEADS[choice["heads"]])
    if choice["format"] != "maps":
        return None
    of_training = {} if choice["heads"] == "flaws" else {"train_labels": "maps"}
    of_test = {"test_labels": "maps/test"} if choice["test"] else {}
    return of_training | {"validation_labels": "maps/val"} | of_test


def job_of(choice: dict) -> dict:
    """The job of one value for every factor."""
    neck, top = choice["neck"], choice["top_level"]
    levels = neck or (top, top)
    heads = [head_named(name, levels, choice) for name in HEADS[choice["heads"]]]
    if choice["heads"].endswith("apart"):  # the last head has datasets of its own
        form = "folders" if choice["heads"].startswith("detector") else "csv"
        heads[-1]["data"] = {"train": "other", "format": form, "test": choice["test"]}
    kinds = ("optimizer", "scheduler", "initialization", "precision")
    trainer = {key: choice[key] for key in (*kinds, "channels_last")} | choice["loop"]
    trainer["gradient_clipping"] = choice["gradient_clipping"]
    trainer["max_iterations"], trainer["max_hours"] = choice["limits"]
    backbone = {"name": choice["backbone"], "top_level": top}
    backbone["resize_input"] = choice["resize_input"]
    # A head of anomaly detection alone trains no backbone: its levels are all frozen.
    if choice["heads"] != "flaws":
        backbone["frozen_levels"] = choice["frozen_levels"]
    ends = {"bottom_level": levels[0], "top_level": levels[1]}
    layout = layout_of(choice)
    one = "split" in (layout or {})  # one table holds all sets
    held_out, last = (
        one and choice[x] and "data/train" for x in ("validation", "test")
    )
    return {
        "name": "many-jobs",
        "data": {
            "train": "data/train",
            "resolution": [128, 256],
            **{key: choice[key] for key in ("format", "augmentation")},
            **{key: choice[key] for key in ("cache", "keep_samples")},
            "channels": choice["channels"],
            "bits": choice.get("bits"),
            "validation": held_out or choice["validation"],
            "test": last or choice["test"],
            "layout": layout,
            "task": choice["heads"].partition(" from ")[2].replace(" ", "_") or None,
            "group": choice["group"],
        },
        "model": {
            "backbone": backbone,
            "neck": choice["kind"] | ends if neck else {"kind": "none"},
            "heads": heads,
        },
        "trainer": trainer,
        "export": True,
    }


def pairs_of(choice: dict[str, int]) -> set[tuple]:
    return set(itertools.combinations(sorted(choice.items()), 2))


def pairwise(candidates: int, limit: int, seed: int) -> list[dict]:
    """Choices, each of those drawn that holds the most values not yet seen, and of equal
    ones the most pairs of values."""
    rng = random.Random(seed)
    values, seen, chosen = set(), set(), []

    def news(choice: dict[str, int]) -> tuple[int, int]:
        return len(choice.items() - values), len(pairs_of(choice) - seen)

    def draw() -> dict[str, int]:
        while True:
            drawn = {key: rng.randrange(len(FACTORS[key])) for key in FACTORS}
            if is_valid({key: FACTORS[key][i] for key, i in drawn.items()}):
                return drawn

    for _ in range(limit):
        drawn = [draw() for _ in range(candidates)]
        best = max(drawn, key=news)
        values |= best.items()
        seen |= pairs_of(best)
        chosen.append({key: FACTORS[key][i] for key, i in best.items()})
    return chosen


RARE = [  # mixtures that few draws hold, and that a template needs
    {"heads": "segmenter", "format": "maps"},
    {"heads": "depth", "format": "maps"},
    {"heads": "masks", "format": "maps", "categories": 1},
    {"heads": "flaws", "format": "maps"},
    {"heads": "detector", "format": "coco"},
    {"heads": "detector", "format": "yolo"},
    {"heads": "detector", "format": "voc"},
    {"heads": "things and stuff", "format": "coco"},
    {"heads": "mask from panoptic segmentation", "format": "coco"},
    {"heads": "mask from panoptic segmentation", "format": "native"},
    {"heads": "keypoints", "format": "coco", "resize_input": False},
    {"heads": "detector", "format": "csv", "table": {}, "box": BOXES[0]},
    {"heads": "detector", "format": "csv", "table": TABLES[4]},
    {"heads": "masks", "format": "coco"},
    {"heads": "masks", "format": "yolo"},
    {"heads": "quadrilaterals", "format": "yolo"},
    {"heads": "keypoints", "format": "yolo"},
    {"heads": "detector", "format": "dota"},
    {"heads": "quadrilaterals", "format": "dota"},
    {"heads": "quads from object detection", "format": "coco"},
    {"heads": "cells from keypoint detection", "format": "coco"},
    {"heads": "embedder", "format": "folders"},
    {"heads": "number", "format": "native", "augmentation": ALL_CHANGES},
    {"heads": "things and stuff", "format": "native", "resize_input": True},
    {"heads": "things and stuff", "format": "native", "resize_input": False},
    {"heads": "quadrilaterals, keypoints", "format": "native", "resize_input": True},
    {"heads": "keypoints", "format": "native", "augmentation": ALL_CHANGES},
    {"heads": "quadrilaterals", "format": "native", "augmentation": ALL_CHANGES},
    {"heads": "quadrilaterals", "format": "yolo"},
    {"heads": "classifier", "format": "native", "channels": 1, "bits": 12},
    {"heads": "keypoints", "format": "native", "augmentation": {"vertical_flip": True}},
    {"heads": "keypoints", "format": "native", "augmentation": False},
]
QUICK = pairwise(candidates=60, limit=28, seed=0)
DRAWN = {choice["heads"] for choice in QUICK}
RARE += [
    {"heads": heads, "format": next(one for one in FORMATS if heads in FORMATS[one])}
    for heads in HEADS
    if heads not in DRAWN
]
RARE += [
    {"heads": "detector", "format": "csv", "table": TABLES[2], "test": "data/test"},
    {"heads": "embedder", "format": "folders", "loss_weight": 1, "categories": 3},
    {"heads": "embedder", "format": "native", "loss_weight": 1, "categories": 3},
    {
        "heads": "masks, maps, detector",
        "format": "native",
        "channels": 3,
        "cache": "decoded images",
        "augmentation": OFF_BY_DEFAULT | ALL_CHANGES,
    },
    {
        "heads": "classifier",
        "format": "native",
        "channels": 1,
        "augmentation": {"random_crop": 0.5, "blur": 1.5},
    },
]
QUICK += [
    next({**choice, **rare} for choice in QUICK if is_valid({**choice, **rare}))
    for rare in RARE
]
OF_TIMM = [  # two of each initialization, the models in turn
    {**choice, "backbone": name, "initialization": start, "frozen_levels": frozen}
    for choice, name, start, frozen in zip(
        QUICK,
        itertools.cycle(["timm/test_resnet", "timm/test_efficientnet"]),
        [*FACTORS["initialization"], *reversed(FACTORS["initialization"])],
        [0, 1, 2, 0, 2, 1, 0, 0],
    )
]


# ---- What becomes of a mixture ----


def rendered(choice: dict) -> Compiled:
    return rendered_job(job_of(choice))


def rendered_job(given: dict) -> Compiled:
    """As compile_job, but without black, which takes most of its time."""
    job, graph, findings = analyze(json.dumps(given).encode())
    assert not [finding for finding in findings if finding.is_error]
    page = plan(job, graph, Extras(tests=True))
    files = render(page)
    return Compiled(job, files, (), summarize(job, graph), page.model_class)
