"""Metrics of keypoints: average precision is COCO's, and keypoints count one by one."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np
import pytest
from emitted_jobs import make_reader
from faster_coco_eval import COCO, COCOeval_faster
from point_jobs import evaluation

NAMES = ("left", "right", "top")
HEAD = {"name": "pose", "task": "keypoint_detection", "keypoints": NAMES}


@pytest.fixture(scope="module")
def metrics(tmp_path_factory):
    """The evaluate.py of a job."""
    folder = tmp_path_factory.mktemp("metrics")
    return evaluation(make_reader(folder, (HEAD,), {"validation": "val"}))


def coco_scores(kind, annotations, results, images, **options) -> list[float]:
    with redirect_stdout(io.StringIO()):
        dataset = COCO(
            {
                "images": [{"id": i} for i in range(images)],
                "annotations": annotations,
                "categories": [{"id": 0, "name": "a"}],
            }
        )
        found = dataset.loadRes(results)
        scorer = COCOeval_faster(dataset, found, kind, **options)
        scorer.run()
    return [scorer.stats[i] for i in range(3)]


@pytest.mark.parametrize("seed", range(8))
def test_average_precision_is_that_of_coco(metrics, seed):
    rng = np.random.default_rng(seed)
    annotations, results, matches = [], [], []
    for image in range(8):
        truth = random_boxes(rng, rng.integers(0, 5))
        found = random_boxes(rng, rng.integers(0, 9), truth)
        scores = rng.random(len(found)).round(1)  # with ties
        for box in truth:
            annotations.append(coco_box(image, box, id=len(annotations) + 1, iscrowd=0))
        for box, score in zip(found, scores):
            results.append(coco_box(image, box, score=float(score)))
        matches.append(metrics.match(scores, box_iou(found, truth)))
    precision = metrics.average_precision(matches)
    own = [precision.mean(), precision[0], precision[5]]
    assert own == pytest.approx(coco_scores("bbox", annotations, results, 8), abs=1e-9)


def random_boxes(rng, count, near=()):
    if len(near):
        boxes = near[rng.integers(0, len(near), count)]
        return boxes + rng.normal(0, 3, (count, 4))
    corner = rng.uniform(0, 60, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(10, 60, (count, 2))], 1)


def coco_box(image: int, box: np.ndarray, **further) -> dict:
    sides = box[2:] - box[:2]
    own = {"image_id": image, "category_id": 0, "area": float(sides.prod())}
    return own | {"bbox": [*box[:2].tolist(), *sides.tolist()]} | further


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(
        a[:, None, 2:], b[:, 2:]
    )
    shared = (high - low).clip(0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (a, b)]
    return shared / (areas[0][:, None] + areas[1] - shared)


def pose_words(points: np.ndarray, score: float) -> dict:
    places = {n: None if np.isnan(x) else [x, y] for n, (x, y) in zip(NAMES, points)}
    return {"score": score, "keypoints": places}


def test_similarity_is_that_of_coco(metrics):
    rng = np.random.default_rng(0)
    annotations, results, evidence = [], [], []
    sigmas = (0.05, 0.1, 0.03)
    for image in range(6):
        points = rng.uniform(20, 120, (rng.integers(1, 4), 3, 2)).astype(np.float32)
        points[rng.random(points.shape[:2]) < 0.2] = np.nan
        points[:, 0] = np.where(np.isnan(points[:, 0]), 50, points[:, 0])
        poses = metrics.Poses(points, extents_of(points))
        words = []
        for truth, box in zip(points, poses.boxes):
            visible = ~np.isnan(truth[:, :1])
            known = np.concatenate([np.where(visible, truth, 0), 2 * visible], 1)
            annotations.append(coco_box(image, box, id=len(annotations) + 1, iscrowd=0))
            annotations[-1] |= {"keypoints": known.flatten().tolist()}
            annotations[-1]["num_keypoints"] = int(visible.sum())
            found = np.nan_to_num(truth, nan=60) + rng.normal(0, 2, (3, 2))
            score = float(rng.random())
            seen = np.concatenate([found, np.ones((3, 1))], 1)
            results.append({"image_id": image, "category_id": 0, "score": score})
            results[-1]["keypoints"] = seen.flatten().tolist()
            words.append(pose_words(found, score))
        evidence.append(metrics.pose_evidence(poses, words, NAMES, sigmas))
    own = metrics.keypoint_metrics(evidence)
    options = {"kpt_oks_sigmas": list(sigmas)}
    expected = coco_scores("keypoints", annotations, results, 6, **options)
    assert 0.1 < expected[0] < 0.9
    own = [own[name] for name in ("ap", "ap50", "ap75")]
    assert own == pytest.approx(expected, abs=1e-4)


def test_a_crowd_without_keypoints_is_compared_with_those_that_are_found(
    tmp_path_factory,
):
    """In it all are right: of one keypoint, too, the similarity is 1, and of none 0."""
    options = {"validation": "val.json", "format": "coco"}
    folder = make_reader(tmp_path_factory.mktemp("crowds"), (HEAD,), options)
    evaluate = evaluation(folder)
    nowhere, box = np.full((1, 3, 2), np.nan, np.float32), np.float32([[0, 0, 9, 9]])
    crowd = evaluate.Poses(nowhere, box, crowds=np.array([True]), areas=np.array([81]))
    square = np.array([[[0, np.nan, np.nan]], [[0, 0, 0]], [[np.nan] * 3]])
    similar = evaluate.keypoint_similarity(square, crowd, 0.05)
    assert similar.tolist() == [[1], [1], [0]]


def extents_of(points: np.ndarray) -> np.ndarray:
    low, high = np.nanmin(points, 1), np.nanmax(points, 1)
    short = np.maximum(0, 10 - (high - low)) / 2
    return np.concatenate([low - short, high + short], 1)


def test_the_share_of_correct_keypoints(metrics):
    """The instance is 100 pixels wide, so 0.05 of its size are 5 pixels."""
    truth = np.float32([[[0, 0], [100, 0], [50, 40]]])
    poses = metrics.Poses(truth, np.float32([[0, 0, 100, 40]]))
    none = metrics.Poses(truth[:0], poses.boxes[:0])

    def scored(*found, poses=poses):
        return metrics.keypoint_metrics(
            [metrics.pose_evidence(poses, list(found), NAMES, 0.05)]
        )

    right = scored(pose_words(truth[0], 0.9))
    assert right == {"ap": 1, "ap50": 1, "ap75": 1, "pck05": 1, "pck10": 1}
    off = truth[0] + np.float32([[4, 0], [0, 8], [11, 0]])
    near = scored(pose_words(off, 0.9))
    assert near["pck05"] == pytest.approx(1 / 3)
    assert near["pck10"] == pytest.approx(2 / 3)
    # The best prediction counts, one far away does not; what is absent is not found.
    far = pose_words(truth[0] + 300, 0.95)
    assert scored(far, pose_words(truth[0], 0.5))["pck05"] == 1
    assert scored(pose_words(off, 0.9), pose_words(truth[0], 0.5))["pck05"] < 0.5
    # An instance that it misses by half of its size is not the one that it found.
    for apart, share in ((0.6, 1 / 3), (0.9, 0)):
        off = truth[0] + np.float32([[0, 0], [0, 100 * apart], [0, 100 * apart]])
        assert scored(pose_words(off, 0.9))["pck05"] == pytest.approx(share)
    hidden = truth[0].copy()
    hidden[1] = np.nan
    assert scored(pose_words(hidden, 0.9))["pck05"] == pytest.approx(2 / 3)
    # Of two instances each has the prediction that is near it.
    boxes = poses.boxes + np.float32([[0], [300]])
    pair = metrics.Poses(np.concatenate([truth, truth + 300]), boxes)
    first, second = pose_words(truth[0], 0.5), pose_words(truth[0] + 302, 0.6)
    assert scored(first, poses=pair)["pck05"] == 0.5
    assert scored(first, second, poses=pair)["pck05"] == 1
    assert scored() == dict.fromkeys(right, 0)
    assert scored(far, poses=none) == {}
    assert scored(poses=none) == {}


@pytest.mark.parametrize("off, shares", [(5, (1, 1)), (6, (0, 1)), (10, (0, 1))])
def test_a_keypoint_at_the_limit_is_correct(metrics, off, shares):
    """The instance is 100 pixels wide: 5 and 10 pixels are 0.05 and 0.1 of it."""
    truth = np.float32([[[0, 0], [100, 0], [50, 40]]])
    poses = metrics.Poses(truth, np.float32([[0, 0, 100, 40]]))
    for step in ([off, 0], [0, off], [off * 0.6, off * 0.8]):
        words = [pose_words(truth[0] + np.float32(step), 0.9)]
        evidence = metrics.pose_evidence(poses, words, NAMES, 0.05)
        found = metrics.keypoint_metrics([evidence])
        assert (found["pck05"], found["pck10"]) == shares, step


@pytest.mark.parametrize("share", [0.48, 0.52, 0.57, 0.72, 0.77, 0.82, 0.93, 0.97])
def test_each_threshold_of_similarity_counts_alike(metrics, share):
    """From 0.5 to 0.95, of which 0.5 and 0.75 are told on their own. The similarity is
    exp(-d^2 / (8 sigma^2 area)) of a distance that all keypoints share."""
    truth = np.float32([[[0, 0], [100, 0], [50, 40]]])
    poses = metrics.Poses(truth, np.float32([[0, 0, 100, 40]]))
    distance = np.sqrt(-np.log(share) * 8 * 0.05**2 * 100 * 40)
    words = [pose_words(truth[0] + np.float32([0, distance]), 0.9)]
    found = metrics.keypoint_metrics([metrics.pose_evidence(poses, words, NAMES, 0.05)])
    reached = [percent / 100 <= share for percent in range(50, 100, 5)]
    assert found["ap"] == pytest.approx(sum(reached) / 10)
    assert (found["ap50"], found["ap75"]) == (reached[0], reached[5])


@pytest.mark.parametrize("off, share", [(89, 0.5), (97, 0), (120, 0)])
def test_an_instance_is_found_by_the_keypoints_that_it_has(metrics, off, share):
    """By less than half of its size on average over two of three: 3 pixels of 100, and
    others, up to 100. Found, one of the two is right."""
    truth = np.float32([[[0, 0], [100, 0], [np.nan, np.nan]]])
    poses = metrics.Poses(truth, np.float32([[0, 0, 100, 40]]))
    points = np.nan_to_num(truth[0], nan=50) + np.float32([[0, 3], [0, off], [0, 0]])
    words = [pose_words(points, 0.9)]
    found = metrics.keypoint_metrics([metrics.pose_evidence(poses, words, NAMES, 0.05)])
    assert found["pck05"] == found["pck10"] == share


def test_an_instance_that_is_missed_by_half_of_its_size_is_not_found(metrics):
    """One of two keypoints is right, the other off by the size of the instance."""
    truth = np.float32([[[0, 0], [100, 0], [np.nan, np.nan]]])
    poses = metrics.Poses(truth, np.float32([[0, 0, 100, 40]]))
    words = [pose_words(truth[0] + np.float32([[0, 0], [0, 100], [0, 0]]), 0.9)]
    found = metrics.keypoint_metrics([metrics.pose_evidence(poses, words, NAMES, 0.05)])
    assert found["pck05"] == found["pck10"] == 0
