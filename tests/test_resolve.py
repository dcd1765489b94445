"""resolve: the schema's findings, derived defaults, contradictions."""

import dataclasses
import json
import time

import pytest

from specc.build import analyze
from specc.diagnostics import JobError
from specc.heads.multiclass_classification import MulticlassClassification
from specc.heads.object_detection import ObjectDetection
from specc.job import Augmentation, Initialization, Optimizer, Scheduler
from specc.language.load import load
from specc.necks.bifpn import BiFPN
from specc.necks.fpn import FPN
from specc.plan.resolved import as_job
from specc.resolve import resolve

DETECTION = {"task": "object_detection", "categories": ["a", "b"]}
CLASSIFICATION = {"task": "multiclass_classification", "categories": ["a", "b"]}


def job(*heads, data=None, trainer=None, **model):
    value = {
        "name": "test",
        "data": {"train": "set", **(data or {})},
        "model": {"heads": list(heads) or [DETECTION], **model},
    }
    return value if trainer is None else {**value, "trainer": trainer}


def resolved(value):
    return resolve(load(json.dumps(value).encode()))


def findings(value):
    with pytest.raises(JobError) as caught:
        analyze(json.dumps(value).encode())
    return [(one.code, one.pointer) for one in caught.value.diagnostics]


def test_the_smallest_job():
    one = resolved(job())
    assert one.data.resolution == (256, 256)
    assert one.data.augmentation == Augmentation(True, False, False, 0.25, 0.2)
    assert (one.backbone.name, one.backbone.top_level) == ("resnet18", 5)
    assert one.neck == FPN("fpn", 3, 7, 128, "neck")
    (head,) = one.heads
    assert head == ObjectDetection(
        name="object_detection",
        task="object_detection",
        loss_weight=1.0,
        data=None,
        categories=("a", "b"),
        bottom_level=3,
        top_level=7,
        layers=2,
        score_threshold=0.001,
        iou_threshold=0.6,
        max_detections=100,
    )
    trainer = one.trainer
    assert trainer.initialization == Initialization("random", None)
    assert (trainer.max_iterations, trainer.max_hours) == (10000, None)
    assert trainer.optimizer == Optimizer("adamw", 3e-4, 0.05, None)
    assert trainer.scheduler == Scheduler("one_cycle")
    assert trainer.best == "object_detection/ap"


def test_absent_equals_null():
    full = job({**DETECTION, "layers": None, "name": None}, neck=None, backbone=None)
    full["trainer"] = None
    full["version"] = None
    full["data"] |= dict.fromkeys(
        ["validation", "resolution", "format", "augmentation"]
    )
    assert resolved(full) == resolved(job())
    kinds = ("initialization", "optimizer", "scheduler")
    for empty in (None, {}, {"kind": None}):
        trainer = {name: empty for name in kinds}
        assert resolved(job(trainer=trainer)) == resolved(job())


def test_a_job_is_hashable_and_its_numbers_have_one_type():
    whole = {"optimizer": {"learning_rate": 1}, "max_hours": 2}
    fraction = {"optimizer": {"learning_rate": 1.0}, "max_hours": 2.0}
    first, second = resolved(job(trainer=whole)), resolved(job(trainer=fraction))
    assert hash(first) == hash(second)
    assert repr(first) == repr(second)


def test_what_can_be_switched_off():
    data = {"augmentation": False}
    trainer = {"scheduler": {"kind": "none"}}
    one = resolved(job(data=data, trainer=trainer, neck={"kind": "none"}))
    assert one.data.augmentation is None
    assert one.trainer.scheduler is None
    assert one.neck is None
    assert (one.heads[0].bottom_level, one.heads[0].top_level) == (3, 5)


@pytest.mark.parametrize(
    "head, model, neck, levels",
    [
        ({}, {"backbone": {"top_level": 2}}, (2, 7), (3, 7)),
        ({}, {"neck": {"top_level": 6}}, (3, 6), (3, 6)),
        ({}, {"neck": {"bottom_level": 4}}, (4, 7), (4, 7)),
        ({}, {"neck": {"bottom_level": 2, "top_level": 2}}, (2, 2), (2, 2)),
        ({"top_level": 5}, {}, (3, 5), (3, 5)),
        ({"top_level": 2}, {}, None, (2, 2)),
        ({"bottom_level": 4, "top_level": 4}, {}, None, (4, 4)),
        ({"bottom_level": 6, "top_level": 6}, {}, (5, 6), (6, 6)),
        ({"bottom_level": 7}, {}, (5, 7), (7, 7)),
        ({"bottom_level": 2}, {"neck": {"kind": "none"}}, None, (2, 5)),
        ({"top_level": 6}, {"neck": {"kind": "none"}}, None, (3, 6)),
        ({}, {"neck": {"kind": "none"}, "backbone": {"top_level": 2}}, None, (2, 2)),
    ],
)
def test_levels_of_a_detector(head, model, neck, levels):
    one = resolved(job({**DETECTION, **head}, **model))
    made = one.neck and (one.neck.bottom_level, one.neck.top_level)
    assert made == neck
    assert (one.heads[0].bottom_level, one.heads[0].top_level) == levels


@pytest.mark.parametrize(
    "head, model, level",
    [
        ({}, {}, 5),
        ({}, {"backbone": {"top_level": 3}}, 3),
        ({}, {"backbone": {"top_level": 3}, "neck": {"kind": "fpn"}}, 5),
        ({"level": 7}, {}, 7),
    ],
)
def test_level_of_a_classifier(head, model, level):
    one = resolved(job({**CLASSIFICATION, **head}, **model))
    assert isinstance(one.heads[0], MulticlassClassification)
    assert one.heads[0].level == level


@pytest.mark.parametrize(
    "head, neck, levels",
    [
        ({}, {}, (3, 7)),
        ({"top_level": 5}, {}, (3, 5)),
        ({"bottom_level": 6, "top_level": 6}, {}, (5, 6)),
        ({}, {"top_level": 4}, (3, 4)),
        # One end that is given leaves no second level: the other moves.
        ({}, {"top_level": 3}, (2, 3)),
        ({"top_level": 5}, {"bottom_level": 5}, (5, 6)),
        # E210 and E205 tell of these.
        ({}, {"top_level": 1}, (1, 1)),
        ({}, {"bottom_level": 7}, (7, 7)),
        ({}, {"bottom_level": 4, "top_level": 4}, (4, 4)),
        ({}, {"bottom_level": 6, "top_level": 4}, (6, 4)),
    ],
)
def test_levels_of_a_bifpn(head, neck, levels):
    one = resolved(job({**DETECTION, **head}, neck={"kind": "bifpn", **neck}))
    assert one.neck == BiFPN("bifpn", *levels, 64, 3)


def test_options_of_one_neck_are_not_those_of_another():
    for kind, option in (("bifpn", "extra_levels_from"), ("fpn", "layers")):
        assert findings(job(neck={"kind": kind, option: None})) == [
            ("E120", f"/model/neck/{option}")
        ]


def test_a_classifier_needs_no_neck():
    assert resolved(job(CLASSIFICATION)).neck is None
    both = resolved(job(CLASSIFICATION, {**DETECTION, "top_level": 6}))
    assert both.neck == FPN("fpn", 3, 6, 128, "neck")
    assert both.trainer.best == "multiclass_classification/balanced_accuracy"


@pytest.mark.parametrize(
    "trainer, iterations, hours, validations",
    [
        ({"max_hours": 2}, None, 2.0, 10),
        ({"max_hours": 2, "max_iterations": 100}, 100, 2.0, 10),
        ({"max_iterations": 4}, 4, None, 4),
        ({"max_iterations": None, "max_hours": None}, 10000, None, 10),
    ],
)
def test_length_of_the_run(trainer, iterations, hours, validations):
    one = resolved(job(trainer=trainer)).trainer
    assert (one.max_iterations, one.max_hours) == (iterations, hours)
    assert one.validations == validations


def test_kinds():
    optimizer = {"kind": "sgd", "learning_rate": 0.1}
    scheduler = {"kind": "multi_step", "milestones": [0.5, 0.8], "factor": 0.2}
    start = {"kind": "checkpoint", "weights": "runs/a/best.pt"}
    trainer = {"optimizer": optimizer, "scheduler": scheduler, "initialization": start}
    one = resolved(job(trainer=trainer)).trainer
    assert one.optimizer == Optimizer("sgd", 0.1, 0.0, 0.9)
    assert one.scheduler == Scheduler("multi_step", (0.5, 0.8), 0.2)
    assert one.initialization == Initialization("checkpoint", "runs/a/best.pt")


def test_hostile_categories_survive_as_data():
    names = ['"; import os #', "'''", "{{ 7 * 7 }}", "\\", "class", "é😀", " "]
    one = resolved(job({**DETECTION, "categories": names}))
    assert one.heads[0].categories == tuple(names)


@pytest.mark.parametrize("char", ["\0", "\n", "\t", "\x1b", "\x7f", "\x9b"])
@pytest.mark.parametrize("place", ["before{}after", "at the end{}"])
def test_control_characters_are_refused(char, place):
    text = place.format(char)
    heads = [{**DETECTION, "categories": [text]}]
    found = findings(job(*heads, data={"train": text, "validation": text}))
    assert [code for code, _ in found] == ["E125"] * 3


@pytest.mark.parametrize(
    "name", ["", "A", "a b", "../a", "a/b", "a.b", "1a", "a\n", "é"]
)
def test_illegal_names(name):
    value = {**job({**DETECTION, "name": name}), "name": name}
    assert findings(value) == [("E125", "/name"), ("E125", "/model/heads/0/name")]


def test_findings_stand_in_the_order_of_the_file():
    text = b"""{"trainer": {"batch": 1, "batch_size": 0}, "data": {"format": 3},
    "model": {"heads": [{"task": "object_detection", "categories": [1], "x": 2}]},
    "name": 5}"""
    with pytest.raises(JobError) as caught:
        resolve(load(text))
    found = [(one.code, one.pointer) for one in caught.value.diagnostics]
    assert found == [
        ("E120", "/trainer/batch"),
        ("E123", "/trainer/batch_size"),
        ("E121", "/data/train"),
        ("E124", "/data/format"),
        ("E122", "/model/heads/0/categories/0"),
        ("E120", "/model/heads/0/x"),
        ("E122", "/name"),
    ]


def test_contradictions_are_found_together():
    heads = ({**DETECTION, "name": "a"}, {**CLASSIFICATION, "name": "a"})
    scheduler = {"kind": "multi_step", "milestones": [0.5, 0.5]}
    trainer = {"best": "b/ap", "scheduler": scheduler, "max_iterations": 1}
    trainer["validations"] = 2
    data = {"validation": "v", "validation_fraction": 0.5, "format": "voc"}
    found = findings(job(*heads, data=data, trainer=trainer))
    assert found == [
        ("E305", "/data/validation_fraction"),
        ("E307", "/model/heads/1/task"),
        ("E301", "/model/heads/1/name"),
        ("E302", "/trainer/best"),
        ("E304", "/trainer/scheduler/milestones/1"),
        ("E306", "/trainer/validations"),
    ]


@pytest.mark.slow
@pytest.mark.sample("x", "value7")
@pytest.mark.parametrize(
    "value", [None, True, False, 7, 0.5, "x", [], [[]], {}, {"": {}}]
)
def test_any_value_in_any_place_is_resolved_or_refused(value):
    full = dataclasses.asdict(resolved(job(CLASSIFICATION, DETECTION)))
    given = {
        "name": "test",
        "data": full["data"],
        "model": {key: full[key] for key in ("backbone", "neck", "heads")},
        "trainer": full["trainer"],
    }
    given["data"]["validation_fraction"] = None
    for place in places(given):
        try:
            resolved(replaced(given, place, value))
        except JobError as error:
            assert error.diagnostics[0].code[:2] in ("E1", "E3")


@pytest.mark.parametrize(
    "value",
    [
        job(),
        job(CLASSIFICATION, DETECTION),
        job(CLASSIFICATION, trainer={"scheduler": {"kind": "none"}}),
        job(trainer={"max_hours": 2, "optimizer": {"kind": "sgd"}}),
        job(trainer={"scheduler": {"kind": "multi_step", "milestones": [0.5]}}),
        job(trainer={"initialization": {"kind": "checkpoint", "weights": "a.pt"}}),
        job(data={"train": "t", "validation": "v", "augmentation": False}),
    ],
)
def test_a_resolved_job_is_a_job_that_leaves_nothing_to_defaults(value):
    one = resolved(value)
    assert resolved(as_job(one)) == one
    assert as_job(resolved(as_job(one))) == as_job(one)
    assert as_job(one)["trainer"]["batch_size"] == 16


def test_a_layout_that_names_no_column_says_nothing():
    data = {"train": "t", "format": "csv"}
    empty = resolved(job(data=data | {"layout": {"columns": {}}}))
    assert empty == resolved(job(data=data))
    assert hash(empty.data) == hash(resolved(job(data=data)).data)


def places(value, path=()):
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, (list, tuple)) else items
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def replaced(value, path, new):
    value = json.loads(json.dumps(value))
    part = value
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = new
    return value


def test_ten_thousand_categories_are_quick():
    names = [f"category {index}" for index in range(10_000)]
    source = load(json.dumps(job({**DETECTION, "categories": names})).encode())
    start = time.process_time()
    assert len(resolve(source).heads[0].categories) == 10_000
    assert time.process_time() - start < 1


@pytest.mark.slow
def test_thousands_of_findings_are_capped():
    value = job(*[{**DETECTION, "categories": [0] * 10_000}] * 2)
    value["trainer"] = {f"option{index}": 1 for index in range(10_000)}
    start = time.process_time()
    found = findings(value)
    assert time.process_time() - start < 8
    assert len(found) == 51 and found[-1][0] == "E130"
