"""Deterministic runs: what CUDA can only approximate is written in another way."""

from __future__ import annotations

import pytest
import torch
from emitted_jobs import load_all
from head_jobs import head_of
from runs import make


@pytest.mark.slow
@pytest.mark.parametrize("name", ["panoptic", "regions"])
def test_losses_and_gradients_are_the_same(world, one_thread, name):
    found = {}
    for kind in ("plain", "deterministic"):
        options = {"deterministic": kind == "deterministic"}
        folder = make(world / f"{name}-{kind}", head_of(name), **options)
        modules = load_all(folder, "model", "dataset", "data")
        samples = modules.dataset.read_dataset(world / "shapes" / "val")
        views = modules.data.TrainingSet(samples, 0)
        batch = [views[0, index] for index in range(len(samples))]
        images, targets, _ = modules.data.collate(batch)
        torch.manual_seed(0)
        net = modules.model.Segmenter()
        terms = modules.model.loss_terms(net(images), targets)
        sum(terms.values()).backward()
        gradients = {key: value.grad for key, value in net.named_parameters()}
        found[kind] = terms, gradients
        text = (folder / "model.py").read_text()
        assert ("CUDA" in text) == options["deterministic"]
    (terms, gradients), (others, other_gradients) = found.values()
    for key, value in terms.items():
        torch.testing.assert_close(others[key], value, rtol=1e-5, atol=1e-6, msg=key)
    scale = max(value.abs().max() for value in gradients.values())
    for key, value in gradients.items():
        other = other_gradients[key]
        assert torch.allclose(other, value, rtol=1e-3, atol=1e-6 * scale), key
