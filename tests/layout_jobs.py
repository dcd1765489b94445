"""Jobs whose datasets are laid out as other tools have them, a kind a reader."""

from __future__ import annotations

from conversion_jobs import head

NAMES = ["a<b", "c&d", "no"]
PLAIN = ["a", "b", "c"]  # names that folders can have
COLORS = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
NECK = {"kind": "fpn", "bottom_level": 3, "top_level": 4, "channels": 32}
PICTURE = {"name": "picture", "task": "autoencoding", "code_size": 8, "channels": 32}
VIEWS = {"name": "views", "task": "view_invariance_learning", "projection_size": 16}
TAGS = head("multilabel_classification", NAMES)
BOXES = head("object_detection", NAMES)
PERSON = head("object_detection", ["person"])
MASKS = head("instance_segmentation", NAMES, colors=COLORS)
SEGMENTS = head(
    "panoptic_segmentation", NAMES, colors=COLORS, things=["no", "c&d"], name="segments"
)


def job(*heads: dict, **data) -> dict:
    needs_neck = any("detection" in h["task"] or "instance" in h["task"] for h in heads)
    needs_neck |= any("panoptic" in h["task"] for h in heads)
    needs_neck &= heads[0]["task"] != "anomaly_detection"
    model = {"backbone": {"top_level": 4 if needs_neck else 3}, "heads": heads}
    sets = {"train": "/elsewhere/a", "validation": "../b", "resolution": [64, 96]}
    model |= {"neck": NECK} if needs_neck else {}
    return {"name": "job", "data": sets | data, "model": model}


def whole(of: dict) -> dict:
    """The job that takes images at their own size."""
    backbone = of["model"]["backbone"] | {"resize_input": False}
    return of | {"model": of["model"] | {"backbone": backbone}}


def own(one: dict, name: str, **data) -> dict:
    return one | {"name": name, "data": data}


FOLDERS = {"train_labels": "x", "validation_labels": "y"}
PLACES = {"train_images": "v", "validation_images": "w"} | FOLDERS
POINTS = head("keypoint_detection", ["left", "right"])
CORNERS = head("quadrilateral_detection", NAMES)
LISTS = {"train": "a.txt", "validation": "b.txt"}
LAID_OUT = {
    f"{one['task']} in {form}, {', '.join(layout) or 'as it is'}": job(
        one, format=form, layout=layout, **sets
    )
    for form, one, layout, sets in [
        ("yolo", BOXES, {"prefix": "../"}, {}),
        ("yolo", BOXES, {"names": "classes.txt", "prefix": "data/"}, LISTS),
        ("yolo", MASKS, {"names": "classes.txt"}, {"validation": None}),
        ("yolo", CORNERS, {"names": "data.yaml"} | FOLDERS, {}),
        ("yolo", POINTS, {}, {}),
        ("yolo", POINTS, {"names": "data.yaml"}, {}),
        ("voc", BOXES, FOLDERS, {}),
        ("voc", BOXES, PLACES, LISTS),
        ("voc", BOXES, {"train_labels": "x"}, {"validation": None}),
        ("dota", BOXES, {}, {}),
        ("dota", CORNERS, FOLDERS, {}),
        ("dota", BOXES, FOLDERS | {"test_labels": "z"}, {"test": "t"}),
    ]
}
KINDS = head("multiclass_classification", PLAIN)
TEXT = {"name": "one", "task": "scene_text_recognition", "tokens": "abc"}
TABLES = {
    f"{name} in a table": job(*heads, format="csv", layout=layout)
    for name, heads, layout in [
        ("boxes", [BOXES], {"box": ["l", "t", "r", "b"], "size": ["w", "h"]}),
        (
            "boxes in fractions",
            [BOXES, own(TAGS, "tags", task="object_detection")],
            {"box": ["x", "y", "w", "h"], "box_form": "center", "box_unit": "fractions"}
            | {"columns": {"tags": "one"}},
        ),
        (
            "one box a cell",
            [PERSON],
            {"box": ["b"], "box_form": "size", "crowd": "many"},
        ),
        ("objects of JSON", [BOXES], {"delimiter": "json", "box": ["o.bbox"]}),
        ("flags", [KINDS], {"columns": {"one": PLAIN}, "delimiter": "tab"}),
        (
            "labels",
            [TAGS, {"name": "age", "task": "regression", "range": [0, 9]}],
            {"separator": "bar", "delimiter": "semicolon", "decimal": "comma"},
        ),
        ("words", [TEXT], {"delimiter": "space", "header": ["image", "one"]}),
        (
            "rows of sets",
            [KINDS],
            {"split": "part", "train_rows": "a", "validation_rows": "b"},
        ),
        (
            "names from elsewhere",
            [KINDS],
            {"train_images": "a", "validation_images": "b", "suffix": ".png"}
            | {"prefix": "/home/me/"},
        ),
    ]
}
COCO = {
    f"{one['task']} in coco, {', '.join(layout)}": job(
        one, format="coco", layout=layout, train="x.json", validation="y.json", **data
    )
    for one, layout, data in [
        (BOXES, {"train_images": "v", "validation_images": "w"}, {}),
        (MASKS, {"file_names": "decoded_last_part", "crowds": "objects"}, {}),
        (POINTS, {"prefix": "home/", "name_key": "coco_url"}, {"test": "z.json"}),
        (SEGMENTS, PLACES, {}),
        (
            head("semantic_segmentation", NAMES, colors=COLORS),
            PLACES,
            {"task": "panoptic_segmentation"},
        ),
    ]
}
PIXELS = head("semantic_segmentation", NAMES, values=[0, 1, 2])
DEPTH = {"name": "depth", "task": "depth_estimation", "range": [1.0, 9.0]}
FLAWS = {"name": "flaws", "task": "anomaly_detection", "normal": "ok"}
MAPS = {
    f"{one['task']} beside maps, {', '.join(layout)}{number}": job(
        one, format="maps", layout=layout, **data
    )
    for number, (one, layout, data) in enumerate(
        [
            (PIXELS | {"ignored": [255]}, FOLDERS, {}),
            (PIXELS, FOLDERS | {"label_ending": "_mask.png"}, {"test": "t"}),
            (PIXELS, PLACES | {"image_ending": "_x.png"}, LISTS),
            (head("semantic_segmentation", NAMES, colors=COLORS), FOLDERS, {}),
            (
                head("semantic_segmentation", NAMES, colors=[[0, 0, 0], *COLORS[1:]]),
                FOLDERS,
                {"validation": None},
            ),
            (DEPTH | {"unit": 0.001}, FOLDERS, {}),
            (DEPTH | {"unit": 1.0}, FOLDERS | {"label_ending": ".npy"}, {}),
            (PIXELS, FOLDERS | {"label_beginning": "mask_"}, {"validation": "v"}),
            (DEPTH, FOLDERS, {}),
            (head("instance_segmentation", ["a"]), FOLDERS, {}),
            (head("instance_segmentation", ["a"]), {"label_folder": "masks"}, {}),
            (FLAWS, {"validation_labels": "y", "label_ending": "_m.png"}, {}),
        ]
    )
}
RARE = [  # jobs with parts that mixtures may lack
    job(MASKS) | {"trainer": {"deterministic": True}},
    job({"name": "who", "task": "metric_learning", "identities": 2000}),
    job(PICTURE, VIEWS, format="folders"),
]
MAPS["flaws by averaged weights"] = MAPS[next(reversed(MAPS))] | {
    "trainer": {"ema": 0.9}
}
for of in MAPS.values():
    if "test" in of["data"]:
        of["data"]["layout"] = of["data"]["layout"] | {"test_labels": "s"}
