"""Edits of what the schema finds: which are made, and which are certain."""

from __future__ import annotations

import json

import pytest

from specc.analysis.analyze import findings_of
from specc.language.load import load
from specc.language.patch import patch_of, patched

BOXES = {"task": "object_detection", "categories": ["a", "b"]}


def job(*heads, trainer=None, **parts):
    made = {"name": "cells", "data": {"train": "data"}, "model": {"heads": [*heads]}}
    made |= {"trainer": trainer} if trainer else {}
    return made | parts


def edits(value) -> list[tuple[str, bool, object]]:
    """(code, whether it is certain, the job after it) of each edit."""
    return [
        (one.code, one.edit.certain, patched(value, patch_of(one.edit, value)))
        for one in findings_of(json.dumps(value).encode())
        if one.edit and patch_of(one.edit, value)
    ]


def certain_end(value):
    """The job after all certain edits of the schema."""
    for _, is_certain, after in edits(value):
        if is_certain:
            return certain_end(after)
    return value


MOVED = [
    ({"lr": 0.01}, {"optimizer": {"learning_rate": 0.01}}),
    ({"learningRate": 1e-3}, {"optimizer": {"learning_rate": 1e-3}}),
    ({"weight_decay": 0.1}, {"optimizer": {"weight_decay": 0.1}}),
    ({"batch": 8}, {"batch_size": 8}),
    ({"batchSize": "8"}, {"batch_size": 8}),
    ({"max_iters": 10}, {"max_iterations": 10}),
    ({"optimizer": "SGD"}, {"optimizer": {"kind": "sgd"}}),
    (
        {"optimizer": {"type": "adamw", "lr": 1}},
        {"optimizer": {"kind": "adamw", "learning_rate": 1}},
    ),
    ({"precision": "FP32"}, {"precision": "fp32"}),
    ({"precision": "float16"}, {"precision": "fp16"}),
    ({"validations": 4.0}, {"validations": 4}),
    ({"compile": "true"}, {"compile": True}),
    ({"milestones": [0.5]}, None),  # an option of another kind than the default
]


@pytest.mark.parametrize("given, meant", MOVED, ids=lambda x: json.dumps(x)[:50])
def test_options_of_the_trainer(given, meant):
    value = job(BOXES, trainer=given)
    after = certain_end(value)
    assert after == (value if meant is None else job(BOXES, trainer=meant))


@pytest.mark.parametrize(
    "given, meant",
    [
        ({"imgsz": 640}, {"resolution": [640, 640]}),
        ({"resolution": 256}, {"resolution": [256, 256]}),
        ({"img_size": [256, 320]}, {"resolution": [256, 320]}),
        ({"val": "v"}, {"validation": "v"}),
        ({"augmentation": True}, {}),
        ({"format": "COCO"}, {"format": "coco"}),
        ({"format": "imagefolder"}, {"format": "folders"}),
        ({"channels": "3"}, {"channels": 3}),
    ],
    ids=lambda x: json.dumps(x),
)
def test_options_of_the_data(given, meant):
    after = certain_end(job(BOXES, data={"train": "data", **given}))
    assert after["data"] == {"train": "data", **meant}


@pytest.mark.parametrize(
    "given, meant",
    [
        ({"task": "detection", "categories": ["a"]}, "object_detection"),
        ({"task": "Object Detection", "classes": ["a"]}, "object_detection"),
        ({"task": "classification", "categories": ["a"]}, "multiclass_classification"),
        ({"task": "classification", "labels": ["a"]}, "multilabel_classification"),
        ({"task": "pose", "keypoints": ["a"]}, "keypoint_detection"),
        ({"type": "depth", "range": [0, 1]}, "depth_estimation"),
    ],
    ids=lambda x: json.dumps(x),
)
def test_a_task_by_its_short_name(given, meant):
    (head,) = certain_end(job(given))["model"]["heads"]
    assert head["task"] == meant and "type" not in head and "classes" not in head


def test_a_short_name_of_several_tasks_is_not_certain():
    value = job({"task": "segmentation", "categories": ["a", "b"]})
    (found,) = [x for x in findings_of(json.dumps(value).encode()) if x.code == "E124"]
    assert not found.edit.certain
    for name in ("instance_segmentation", "semantic_segmentation"):
        assert f'"{name}"' in found.help


def test_an_option_that_stands_elsewhere_is_named():
    value = job(BOXES, trainer={"lr": 0.01, "epochs": 3, "momentum": 0.9})
    found = {x.path[-1]: x for x in findings_of(json.dumps(value).encode())}
    assert found["lr"].help == "move it to /trainer/optimizer/learning_rate"
    assert "/trainer/max_iterations" in found["epochs"].help
    assert not found["epochs"].edit.certain
    assert "/trainer/optimizer/kind" in found["momentum"].help
    assert not found["momentum"].edit.certain
    after = patched(value, patch_of(found["momentum"].edit, value))
    assert after["trainer"]["optimizer"] == {"kind": "sgd", "momentum": 0.9}


def test_what_is_given_twice_is_removed_only_if_it_is_the_same():
    for other, is_certain in ((0.01, True), (0.02, False)):
        value = job(BOXES, trainer={"lr": 0.01, "optimizer": {"learning_rate": other}})
        (found,) = findings_of(json.dumps(value).encode())
        assert bool(found.edit) == is_certain
        assert "/trainer/optimizer/learning_rate" in found.help


def test_another_name_beside_the_right_one_is_said_to_be_given_twice():
    rates = {"learning_rate": 0.01, "lr": 0.02}
    value = job(BOXES, trainer={"optimizer": rates})
    (found,) = findings_of(json.dumps(value).encode())
    assert found.edit is None
    words = "did you mean `learning_rate`? it is given already: keep one"
    assert found.help == words


def test_a_number_of_names_that_the_job_repeats():
    for count, is_certain in ((2, True), (3, False)):
        value = job(BOXES | {"num_classes": count})
        (found,) = findings_of(json.dumps(value).encode())
        assert found.code == "E120" and found.edit.certain == is_certain


def test_parts_of_the_model_at_the_top():
    value = {"name": "cells", "data": {"train": "data"}, "heads": [BOXES]}
    assert certain_end(value) == job(BOXES)
    value = {"name": "cells", "data": {"train": "data"}, "model": {"head": BOXES}}
    assert certain_end(value) == job(BOXES)
    value = job(BOXES) | {"backbone": "ResNet-50"}
    model = {"heads": [BOXES], "backbone": {"name": "resnet50"}}
    assert certain_end(value) == job(model=model)


def test_what_is_wrong_inside_is_mended_too():
    value = {"name": "cells", "data": {"train": "data"}}
    value["head"] = {"type": "detection", "classes": ["a", "b"], "num_classes": 2}
    assert certain_end(value) == job(BOXES)
    value["model"] = {"heads": {"task": "detector", "names": {"0": "a", "1": "b"}}}
    del value["head"]
    assert certain_end(value) == job(BOXES)


def test_names_by_number_as_yolo_has_them():
    value = job(BOXES | {"categories": {"0": "a", "1": "b"}})
    assert certain_end(value) == job(BOXES)


def test_names_of_jobs_and_metrics():
    value = job(BOXES, trainer={"best": "ap50"}) | {"name": "My Cells "}
    after = certain_end(value)
    assert after["name"] == "my-cells"
    assert after["trainer"]["best"] == "object_detection/ap50"
    found = findings_of(json.dumps(job(BOXES) | {"name": "../../x"}).encode())
    assert [x.edit.certain for x in found] == [False]


def test_null_makes_room_for_a_value():
    value = job(BOXES, trainer={"lr": 0.01, "optimizer": None})
    assert certain_end(value)["trainer"] == {"optimizer": {"learning_rate": 0.01}}
    value = job(BOXES, trainer={"lr": 0.01, "optimizer": {"learning_rate": None}})
    assert certain_end(value)["trainer"] == {"optimizer": {"learning_rate": 0.01}}


def test_later_passes_read_what_is_mended():
    """Levels and values are checked beside the schema, as the job is meant."""
    heads = BOXES | {"bottom_level": "3", "top_level": "6"}
    neck = {"bottom_level": 3, "top_level": 5}
    value = job(
        model={"neck": neck, "heads": [heads]},
        trainer={"max_iters": 5, "validations": 9},
    )
    found = {(x.code, x.path[-1]) for x in findings_of(json.dumps(value).encode())}
    assert found == {
        ("E122", "bottom_level"),
        ("E122", "top_level"),
        ("E120", "max_iters"),
        ("E306", "validations"),
        ("E203", "top_level"),
    }


def test_later_passes_say_nothing_of_what_is_in_doubt():
    value = job(BOXES, trainer={"slurm": {"nodes": "some"}, "batch_size": 12})
    found = findings_of(json.dumps(value).encode())
    assert [(x.code, x.path[-1]) for x in found] == [("E122", "nodes")]
    value = job(BOXES, trainer={"optimizer": {"kind": "lion"}, "accumulation": 3})
    codes = [x.code for x in findings_of(json.dumps(value).encode())]
    assert codes == ["E124", "E309"]


def test_a_job_of_one_word_names_has_source_places():
    value = job(BOXES, trainer={"lr": 0.01})
    data = json.dumps(value).encode()
    (found,) = findings_of(data)
    assert load(data).locate_key(found.path).length == len('"lr"')
