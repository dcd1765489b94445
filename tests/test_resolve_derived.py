"""resolve: a default that is another one in some jobs is called derived by the schema,
and an option that is given is never replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from specc.build import analyze
from specc.diagnostics import JobError
from specc.heads import TASKS
from specc.language.load import load
from specc.language.schema import head as head_schema
from specc.language.schema import part
from specc.plan.resolved import as_job
from specc.resolve import resolve

NAMES = ["a", "b"]
COLORED = {"categories": NAMES, "colors": [[1, 2, 3], [4, 5, 6]]}
REQUIRED = {  # task: the options that it cannot do without
    "anomaly_detection": {},
    "autoencoding": {},
    "autoregressive_text_recognition": {"tokens": NAMES},
    "depth_estimation": {"range": [1, 2]},
    "keypoint_detection": {"keypoints": NAMES},
    "metric_learning": {"identities": NAMES},
    "multilabel_classification": {"labels": NAMES},
    "panoptic_segmentation": COLORED,
    "regression": {"range": [0, 1]},
    "scene_text_recognition": {"tokens": NAMES},
    "semantic_segmentation": COLORED,
    "view_invariance_learning": {},
}
JOBS = [[task] for task in TASKS] + [["view_invariance_learning", "regression"]]


def resolved(tasks: list[str], **data) -> dict:
    heads = [{"task": x} | REQUIRED.get(x, {"categories": NAMES}) for x in tasks]
    job = {"name": "t", "data": {"train": "d"} | data, "model": {"heads": heads}}
    job = as_job(resolve(load(json.dumps(job).encode())))
    return json.loads(json.dumps(job))


def defaults(schema: dict, values: dict) -> Iterator[tuple[str, dict, object]]:
    """Yields name, schema and value of each option that has a default, nested ones
    too."""
    for name, option in schema.get("properties", {}).items():
        if name not in values:
            continue
        if isinstance(values[name], dict) and "properties" in option:
            yield from defaults(option, values[name])
        elif option.get("default", {}) != {}:
            yield name, option, values[name]


@pytest.mark.parametrize("tasks", JOBS, ids="+".join)
def test_a_default_that_differs_is_called_derived(tasks):
    job = resolved(tasks)
    pairs = [(head_schema(one["task"]), one) for one in job["model"]["heads"]]
    pairs.append((part("data"), job["data"]))
    pairs.append((part("backbone"), job["model"]["backbone"]))
    pairs.append((part("trainer"), job["trainer"]))
    differ = {
        name: value
        for schema, values in pairs
        for name, option, value in defaults(schema, values)
        if value != option["default"]
        and "Derived if absent" not in option["description"]
    }
    given = {name for task in tasks for name in REQUIRED.get(task, ())}
    assert {name: x for name, x in differ.items() if name not in given} == {}


def test_what_views_are_given_is_what_the_schema_says():
    options = resolved(["view_invariance_learning"], resolution=[640, 640])
    views = options["data"]["augmentation"]
    assert views["blur"] == 2  # a hundredth of the side is 6.4
    assert (views["color"], views["random_crop"], views["scale"]) == (0.4, 0.8, 0)
    small = resolved(["view_invariance_learning"], resolution=[128, 640])
    assert small["data"]["augmentation"]["blur"] == 1.28
    both = resolved(["view_invariance_learning", "regression"])
    whole = both["data"]["augmentation"]
    assert (whole["color"], whole["random_crop"], whole["scale"]) == (0.4, 0, 0.25)


def test_nobody_trains_the_backbone_of_anomalies():
    assert resolved(["anomaly_detection"])["model"]["backbone"]["frozen_levels"] == 5
    both = resolved(["anomaly_detection", "object_detection"])
    assert both["model"]["backbone"]["frozen_levels"] == 0


def another(option: dict) -> object:
    """Returns a legal value of an option that is not its default; None where the schema
    does not show one."""
    if "$ref" in option:
        named = option["$ref"].rpartition("/")[2]
        option = part("common")["$defs"].get(named, {}) | option
    default, kinds = option.get("default"), option.get("type", "object")
    if "enum" in option:
        return next(x for x in option["enum"] if x not in (None, default))
    if "boolean" in kinds and "object" not in kinds:
        return not default
    if "integer" in kinds or "number" in kinds:
        step = option.get("multipleOf", 1 if "integer" in kinds else 0.125)
        start = option.get("minimum", 0) if default is None else default
        most = option.get("maximum", option.get("exclusiveMaximum", start + 2 * step))
        return start + step if start + step < most else start - step
    return None


def options_of(task: str) -> list[tuple[tuple, object]]:
    """Returns place and another value of each option of a job with one head."""
    data, trainer = part("data")["properties"], part("trainer")["properties"]
    augmentation = data["augmentation"]["properties"]
    schemas = {
        ("data",): data,
        ("data", "augmentation"): augmentation,
        ("model", "backbone"): part("backbone")["properties"],
        ("model", "heads", 0): head_schema(task)["properties"],
        ("trainer",): trainer,
    }
    return [
        ((*place, name), another(option))
        for place, options in schemas.items()
        for name, option in options.items()
        if name != "task" and another(option) is not None
    ]


def refused(job: dict) -> bool:
    try:
        return any(x.is_error for x in analyze(json.dumps(job).encode())[2])
    except JobError:
        return True


@pytest.mark.parametrize("task", TASKS)
def test_an_option_that_is_given_is_kept_or_refused(task):
    places = options_of(task)
    assert len(places) > 25
    replaced = []
    for (*parts, name), value in places:
        head = {"task": task} | REQUIRED.get(task, {"categories": NAMES})
        job = {"name": "t", "data": {"train": "d", "validation": "v"}}
        job |= {"model": {"heads": [head]}, "trainer": {}}
        place = job
        for key in parts:
            place = place[key] if key in (0, "heads") else place.setdefault(key, {})
        place[name] = value
        found = as_job(resolve(load(json.dumps(job).encode())))
        for key in parts:
            found = found[key]
        if found.get(name, False) != value and not refused(job):
            replaced.append((*parts, name))
    assert replaced == []
