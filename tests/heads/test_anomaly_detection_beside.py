"""Anomaly detection beside another head: images that lack a label of either."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from emitted_jobs import build, load_all
from test_anomaly_detection import DETECTOR, HEAD, MODULES, dataset, job_of


@pytest.fixture(scope="module")
def both(tmp_path_factory) -> SimpleNamespace:
    folder = tmp_path_factory.mktemp("both")
    return load_all(build(job_of(HEAD, DETECTOR), folder), *MODULES)


@pytest.fixture
def samples(tmp_path) -> list:
    """Three images that are inspected: the last is anomalous."""
    alone = job_of(HEAD, backbone={"top_level": 3})
    (tmp_path / "alone").mkdir()
    reader = load_all(build(alone, tmp_path / "alone"), *MODULES).dataset
    labels = ["normal", "normal", "anomalous"]
    return reader.read_dataset(dataset(tmp_path / "data", labels))


@pytest.mark.slow
def test_images_that_lack_a_label_of_either_head(both, samples):
    """The first is labeled for the detector alone, the last for anomalies alone."""
    boxes = both.dataset.Objects(np.float32([[2, 2, 12, 9]]), np.int64([0]))
    first, second, third = (sample.labels["flaws"] for sample in samples)
    each = {"cells": boxes}, {"cells": boxes, "flaws": second}, {"flaws": third}
    samples = [one._replace(labels=own) for one, own in zip(samples, each)]
    torch.manual_seed(0)
    model, device = both.model.Network(), torch.device("cpu")
    views = both.data.TrainingSet(samples, 0)
    for rows in ([0, 1, 2], [0], [2]):
        images, targets, _ = both.data.collate([views[0, row] for row in rows])
        terms = both.model.loss_terms(model(images), targets)
        sum(terms.values()).backward()
        learned = terms["flaws/loss/defect"]
        assert learned > 0 if rows != [0] else learned == 0
    both.evaluate.calibrate(model, samples, device)
    of_second = both.evaluate.predict_samples(model, samples[1:2], device)
    assert of_second[0]["flaws"]["score"] < 0.5 + 1e-6
    assert both.evaluate.evaluate(model, samples, device)["flaws/image_auroc"] in (0, 1)
