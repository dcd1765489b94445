"""Labels of a whole image: what is read, and metrics."""

from __future__ import annotations

import numpy as np
import pytest
from label_jobs import modules, read

LABELS = {
    "name": "tags",
    "task": "multilabel_classification",
    "labels": ["a", "b", "no"],
}


def test_labels_are_read(tmp_path):
    labels = {"0.png": ["no", "a"], "1.png": [], "2.png": None}
    samples = read(tmp_path, LABELS, labels, labels=["b", "no", "a"])
    assert [s.labels["tags"].tolist() for s in samples] == [[1, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize(
    "label, metadata, said",
    [
        ("a", {"labels": ["a", "b", "no"]}, "0.png: not a list of labels: 'a'"),
        (["a"], {"labels": ["a", "b", "x"]}, "only in the job: no"),
        (["a"], {"labels": "a"}, "`labels` is not a list of names"),
    ],
)
def test_wrong_labels_are_named(tmp_path, label, metadata, said):
    with pytest.raises(SystemExit) as stop:
        read(tmp_path, LABELS, {"0.png": label}, **metadata)
    assert said in str(stop.value)


def test_average_precision_is_that_of_the_definition(tmp_path):
    evaluate = modules(tmp_path, LABELS).evaluate
    wanted, scores = np.array([1, 0, 1, 0]), np.array([0.9, 0.8, 0.4, 0.1])
    assert evaluate.ranking_precision(wanted, scores) == pytest.approx((1 + 2 / 3) / 2)
    tied = np.full(4, 0.5)  # any order of them is as good: their share is the precision
    assert evaluate.ranking_precision(wanted, tied) == pytest.approx(0.5)


def test_labels_that_never_occur_do_not_count(tmp_path):
    evaluate = modules(tmp_path, LABELS).evaluate
    truth = [np.float32([1, 0, 0]), np.float32([0, 0, 0])]
    scores = [{"a": 0.9, "b": 0.2, "no": 0.1}, {"a": 0.1, "b": 0.3, "no": 0.1}]
    found = [
        {"labels": ["a"], "scores": scores[0]},
        {"labels": [], "scores": scores[1]},
    ]
    metrics = evaluate.multilabel_metrics(truth, found, ("a", "b", "no"))
    assert metrics["mean_average_precision"] == 1.0
    assert metrics["macro_f1"] == metrics["micro_f1"] == 1.0
    assert "average_precision/b" not in metrics
    nothing = evaluate.multilabel_metrics(truth[1:], found[1:], ("a", "b", "no"))
    assert nothing == {}
