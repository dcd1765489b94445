"""The benchmark of first runs: its pairs, its baselines, and who is ahead."""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path
from types import SimpleNamespace

import head_jobs
import numpy as np
import pytest
from emitted_jobs import load_all

from specc.heads import TASK_NAMES
from specc.heads.conversions import STEPS, way

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
first_judge, first_pairs, first_run, naive = map(
    importlib.import_module, ("first_judge", "first_pairs", "first_run", "naive")
)

Pair = first_pairs.Pair
SAMPLE = SimpleNamespace(height=40, width=80)


def test_every_task_and_nearly_every_conversion_is_there():
    """The validation images of omniglot have other characters: its identities are no
    categories to learn."""
    own = {pair.dataset: pair.task for pair in first_pairs.OWN}
    assert len({pair.name for pair in first_pairs.PAIRS}) == len(first_pairs.PAIRS)
    tasks = {pair.task for pair in first_pairs.PAIRS}
    assert tasks == set(TASK_NAMES)
    steps = set()
    for pair in first_pairs.CONVERTED:
        tasks = way(own[pair.dataset], pair.task)
        assert len(tasks) > 1
        steps |= set(itertools.pairwise(tasks))
    assert set(STEPS) - steps == {("metric_learning", "multiclass_classification")}


def test_ahead_is_an_interval_above_0():
    rng = np.random.default_rng(0)
    hits = (rng.random(200) < 0.7).astype(float)
    worse = hits * (rng.random(200) < 0.8)
    pair = Pair("a", "multiclass_classification", "accuracy")
    found = {"ours": hits.tolist(), "naive": {"x": [0.0] * 200, "y": worse.tolist()}}
    one = first_run.compared(pair, found)
    assert one["name"] == "y" and one["low"] > 0.08
    error = (hits - worse).mean()
    assert one["value"] - one["baseline"] == pytest.approx(error)
    assert one["low"] < error < one["high"]
    same = first_run.compared(pair, {"ours": found["ours"], "naive": {"x": hits}})
    assert same["low"] == same["high"] == 0


def test_lower_is_better_for_errors():
    pair = Pair("a", "regression", "mae")
    found = {"ours": [1.0, 2, None, 1], "naive": {"x": [2.0, 3, 4, 2], "y": [9.0] * 4}}
    one = first_run.compared(pair, found)
    assert (one["name"], one["images"]) == ("x", 3)
    assert one["low"] == pytest.approx(1)


def test_the_area_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    truth, values = rng.random(40) < 0.4, rng.integers(0, 6, 40).astype(float)
    above = [(a > b) + 0.5 * (a == b) for a in values[truth] for b in values[~truth]]
    assert first_run.statistic(values, truth) == pytest.approx(np.mean(above))


def test_average_precisions_are_those_of_labels_that_occur():
    """By hand: the first label is found 1st and 3rd, or both at once with the others; the
    second is found by the first of two equal scores and one more; the third is nowhere.
    """
    truth = np.array([[1, 0, 0], [0, 1, 0], [1, 0, 0]], bool)
    values = np.array([[0.9, 0.5, 0.1], [0.6, 0.5, 0.2], [0.3, 0.1, 0.3]])
    expected = ((1 + 2 / 3) / 2 + 1 / 2) / 2
    assert first_run.statistic(values, truth) == pytest.approx(expected)
    constant = first_run.statistic(np.ones((3, 3)), truth)
    assert constant == pytest.approx((2 / 3 + 1 / 3) / 2)
    found = {"ours": values, "naive": {"x": np.ones((3, 3))}, "truth": truth}
    one = first_run.compared(Pair("a", "b", "mean_average_precision"), found)
    assert (one["value"], one["baseline"], one["images"]) == (expected, constant, 3)


def test_baselines_are_means_of_labels():
    samples = [SAMPLE, SAMPLE]
    boxes = [
        [{"category": "a", "bbox": [0, 0, 40, 20]}],
        [
            {"category": "a", "bbox": [20, 10, 60, 30]},
            {"category": "b", "bbox": [0, 0, 8, 8]},
        ],
    ]
    (made,) = naive.baselines("object_detection", samples, boxes, None).values()
    first, second = made(SimpleNamespace(height=80, width=80))
    assert first == {"category": "a", "score": 1.0, "bbox": [10, 10, 50, 50]}
    assert second["score"] == 0.5
    (made,) = naive.baselines(
        "regression", samples, [{"value": 1}, {"value": 4}], None
    ).values()
    assert made(SAMPLE) == {"value": 2.5}
    maps = [np.int16([[0, 1], [1, 1]]), np.int16([[0, 0], [1, -1]])]
    (made,) = naive.baselines("semantic_segmentation", samples, maps, None).values()
    found = made(SAMPLE)
    assert found.shape == (40, 80) and found[0, 0] == 0 and found[39, 0] == 1


def test_nearest_pixels_take_the_label_of_what_looks_alike():
    images = {i: np.random.default_rng(i).random((16, 16, 3)) for i in range(12)}
    samples = [SimpleNamespace(number=i) for i in range(12)]

    def read(sample, height, width):
        return 0.2 * images[sample.number] + images[sample.number % 2]

    labels = [{"category": "ab"[i % 2]} for i in range(12)]
    made = naive.nearest(samples, labels, read)
    assert [made(sample)["category"] for sample in samples[:4]] == ["a", "b", "a", "b"]


METRICS = {pair.task: pair.metric for pair in reversed(first_pairs.PAIRS)}


@pytest.mark.slow
@pytest.mark.sample("object_detection", "autoencoding", "metric_learning")
@pytest.mark.parametrize("task", METRICS)
def test_weights_are_judged_image_by_image(tmp_path, task):
    """Also those of no training: of each image there is a value of the model and of
    each baseline, or none where nothing is labeled."""
    import torch

    drawn = head_jobs.JOBS[task].drawn
    head_jobs.draw(drawn, tmp_path / drawn)
    folder = head_jobs.make(tmp_path / "job", task)
    model = first_judge.new_network(load_all(folder, "model").model)
    job, best = (folder / "resolved.json").read_text("utf-8"), tmp_path / "best.pt"
    torch.save({"job": job, "model": model.state_dict()}, best)
    pair = first_pairs.Pair(drawn, task, METRICS[task])
    found = first_judge.judge(folder, best, tmp_path, pair)
    count = len(list((tmp_path / drawn / "val" / "images").iterdir()))
    sides = [found["ours"], *found["naive"].values(), *found.get("beside", {}).values()]
    assert len(sides) > 1 and {len(values) for values in sides} == {count}
    one = first_run.compared(pair, found)
    assert 0 < one["images"] <= count and one["low"] <= one["high"]
    assert first_run.row(pair, found | {"iterations": 1, "of": 2}).count("|") == 8
