"""Losses and decoders are given the options of their job: weights, thresholds, limits."""

from __future__ import annotations

from types import ModuleType
from typing import NamedTuple

import pytest
from emitted_jobs import load, make

AB = ["a", "b"]
COLORS = [[0, 0, 9], [0, 9, 0]]


class Given(NamedTuple):
    """A head, and what its loss and its decoder are given where the job says nothing."""

    head: dict
    loss: str
    weights: dict[str, float] = {}
    further: tuple = ()  # further arguments of the loss, behind outputs and targets
    labels: tuple = ("targets",)
    decoder: str = ""
    min_score: float = 0.001


HEADS = {
    "boxes": Given(
        {"task": "object_detection", "categories": AB},
        "detection_loss",
        decoder="decode_objects",
    ),
    "poses": Given(
        {"task": "keypoint_detection", "keypoints": AB},
        "keypoint_loss",
        {"keypoint_weight": 20.0, "presence_weight": 1.0},
        decoder="decode_keypoints",
    ),
    "pages": Given(
        {"task": "quadrilateral_detection", "categories": AB},
        "quadrilateral_loss",
        {"corner_weight": 20.0},
        decoder="decode_quadrilaterals",
    ),
    "cells": Given(
        {"task": "instance_segmentation", "categories": AB},
        "instance_loss",
        {"mask_weight": 2.0},
        decoder="decode_instances",
    ),
    "street": Given(
        {
            "task": "panoptic_segmentation",
            "categories": AB,
            "things": ["b"],
            "colors": COLORS,
        },
        "panoptic_loss",
        {"mask_weight": 2.0, "stuff_weight": 1.0},
        decoder="decode_panoptic",
        min_score=0.3,
    ),
    "faces": Given(
        {"task": "metric_learning", "identities": [*AB, "c", "d"]},
        "metric_loss",
        {"margin": 0.1, "scale": 16.0},
    ),
    "ages": Given(
        {"task": "regression", "range": [2.0, 10.0]},
        "regression_loss",
        further=((2.0, 10.0),),
    ),
    "rooms": Given(
        {"task": "depth_estimation", "range": [1.0, 5.0]},
        "depth_loss",
        further=(0.005,),
    ),
}
# Heads that some of the others cannot stand beside, or that have no options.
ALONE = HEADS | {
    "kinds": Given(
        {"task": "multiclass_classification", "categories": AB},
        "classification_loss",
        {"smoothing": 0.1},
    ),
    "sizes": Given(
        {"task": "multiclass_classification", "categories": AB, "ordered": True},
        "ordinal_loss",
        {"smoothing": 0.0},
    ),
    "tags": Given(
        {"task": "multilabel_classification", "labels": AB}, "multilabel_loss"
    ),
    "plan": Given(
        {"task": "semantic_segmentation", "categories": AB, "colors": COLORS},
        "segmentation_loss",
    ),
    "picture": Given({"task": "autoencoding"}, "reconstruction_loss"),
    "code": Given({"task": "scene_text_recognition", "tokens": "abc"}, "text_loss"),
    "views": Given({"task": "view_invariance_learning"}, "view_loss", labels=()),
}
DETECTING = [name for name, given in HEADS.items() if given.decoder]
CHOSEN = {"score_threshold": 0.2, "iou_threshold": 0.4, "max_detections": 7}


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, ModuleType]:
    """The model.py of each head alone."""
    return {
        name: load(make(tmp_path_factory.mktemp(name), [head(name)]) / "model.py")
        for name in ALONE
    }


class Together(NamedTuple):
    """The model.py of a job with all heads, what it gives their losses and decoders."""

    model: ModuleType
    weights: dict[str, dict]
    limits: dict[str, dict]


@pytest.fixture(scope="module", params=["defaults", "chosen"])
def together(request, tmp_path_factory) -> Together:
    heads = [head(name) for name in HEADS]
    heads[0]["loss_weight"] = 0.25
    weights, limits = {}, {}
    for name, options in zip(HEADS, heads):
        own = HEADS[name]
        weights[name], limits[name] = own.weights, limits_of(own)
        if request.param == "chosen":
            weights[name] = {key: value / 2 for key, value in own.weights.items()}
            options |= weights[name]
            if own.decoder:
                options |= CHOSEN
                limits[name] = {"min_score": 0.2, "max_iou": 0.4, "limit": 7}
    folder = make(tmp_path_factory.mktemp("together"), heads, validation="val")
    return Together(load(folder / "model.py"), weights, limits)


def head(name: str) -> dict:
    return {"name": name} | ALONE[name].head


def limits_of(given: Given) -> dict[str, float]:
    return {"min_score": given.min_score, "max_iou": 0.6, "limit": 100}


def record(monkeypatch, model: ModuleType, *functions: str) -> dict[str, tuple]:
    """Returns what each function is given from now on; it returns one term, of 3."""
    given = {}

    def recorder(function: str):
        def call(*arguments, **options) -> dict[str, float]:
            given[function] = arguments, options
            return {"term": 3.0}

        return call

    for function in functions:
        monkeypatch.setattr(model, function, recorder(function))
    return given


@pytest.mark.parametrize("name", ALONE)
def test_a_loss_is_given_outputs_targets_and_weights(models, monkeypatch, name):
    """The targets are those of its head, whose name its terms have."""
    own, model = ALONE[name], models[name]
    given = record(monkeypatch, model, own.loss)
    found = model.loss_terms("outputs", {name: "targets", "other": "others"})
    passed = "outputs", *own.labels, *own.further
    assert given == {own.loss: (passed, own.weights)}
    assert found == {f"{name}/loss/term": 3.0}


@pytest.mark.parametrize("name", DETECTING)
def test_a_decoder_is_given_outputs_thresholds_and_a_limit(models, monkeypatch, name):
    own, model = HEADS[name], models[name]
    given = record(monkeypatch, model, own.decoder)
    assert model.decode("outputs") == {name: {"term": 3.0}}
    assert given == {own.decoder: (("outputs",), limits_of(own))}


def test_losses_of_one_job_have_weights_of_their_own(together, monkeypatch):
    losses = {own.loss: name for name, own in HEADS.items()}
    given = record(monkeypatch, together.model, *losses)
    outputs, targets = ({x: f"{x}: {kind}" for x in HEADS} for kind in ("out", "true"))
    found = together.model.loss_terms(outputs, targets)
    for loss, name in losses.items():
        passed = (outputs[name], targets[name], *HEADS[name].further)
        assert given[loss] == (passed, together.weights[name])
    first, *others = (f"{name}/loss/term" for name in HEADS)
    assert found == {first: 0.75} | dict.fromkeys(others, 3.0)


def test_decoders_of_one_job_have_thresholds_of_their_own(together, monkeypatch):
    decoders = {HEADS[name].decoder: name for name in DETECTING}
    others = ("decode_embedding", "decode_value")
    given = record(monkeypatch, together.model, *decoders, *others)
    found = together.model.decode({name: f"outputs of {name}" for name in HEADS})
    for decoder, name in decoders.items():
        assert given[decoder] == ((f"outputs of {name}",), together.limits[name])
    assert list(found) == list(HEADS)
    assert found["rooms"] == {"depth": "outputs of rooms"}
