"""resolve: a default that is another one in some jobs is called derived by the schema,
and no value of a job is replaced."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import strategies
from hypothesis import given
from test_fuzz import drawn

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


def replaced(given: object, found: object, path: str = "") -> Iterator[str]:
    """Yields the places where a resolved job has another value than the job gives.
    Values that switch something off may be left out there."""
    if isinstance(given, dict) and isinstance(found, dict):
        for key, value in given.items():
            yield from replaced(value, found.get(key), f"{path}/{key}")
    elif isinstance(given, list) and isinstance(found, list):
        for one, other in zip(given, found, strict=True):
            yield from replaced(one, other, path)
    elif isinstance(given, str) and isinstance(found, list):  # tokens as one text
        yield from [] if list(given) == found else [path]
    elif given and given != found:
        yield path


@pytest.mark.slow
@drawn(150, 7)
@given(strategies.jobs())
def test_no_value_of_a_job_is_replaced(job):
    """A head's own data may be those of the job, and are then left out."""
    try:
        one, _, findings = analyze(json.dumps(job).encode())
    except JobError:
        return
    if any(finding.is_error for finding in findings):
        return
    found = json.loads(json.dumps(as_job(one)))
    places = [x for x in replaced(job, found) if not x.startswith("/model/heads/data")]
    assert places == []
