"""Metrics on COCO's files with crowds, areas and persons without keypoints are those of
COCO's own scorer on the same file; VOC's difficult objects count neither way."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from emitted_jobs import DETECTION, NAMES, make_reader
from faster_coco_eval import COCO, COCOeval_faster
from PIL import Image
from point_jobs import evaluation

SIDE = 240  # side of the images
KINDS = {7: "a", 3: "b", 12: "no"}  # unsorted ids and names
MASKS = {"name": "cells", "task": "instance_segmentation", "categories": NAMES}
SIGMAS = (0.05, 0.1, 0.03)
POINTS = ("left", "right", "top")
POSES = {"name": "cells", "task": "keypoint_detection", "keypoints": POINTS}
POSES |= {"flip_pairs": [], "sigmas": SIGMAS, "max_detections": 20}
METRICS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The evaluate.py of a job of each head, by its task."""
    made = {}
    for head in (DETECTION, MASKS, POSES):
        folder = tmp_path_factory.mktemp(head["task"])
        data = {"format": "coco", "validation": "val.json"}
        made[head["task"]] = evaluation(make_reader(folder, (head,), data))
    return made


# ---- A file of COCO, and what COCO says of predictions ----


def annotated(rng: np.random.Generator, image: int, crowd: bool, side: int) -> dict:
    """A triangle in a box of even sides: its area, as the file gives it, is no mask's."""
    left, top = (2 * rng.integers(0, (SIDE - side) // 2, 2)).tolist()
    width, height = (2 * rng.integers(side // 4, side // 2, 2)).tolist()
    corners = [left, top, left + width, top, left, top + height]
    item = {"image_id": image, "category_id": int(rng.choice([*KINDS]))}
    item |= {"bbox": [left, top, width, height], "iscrowd": int(crowd)}
    item |= {"segmentation": [corners], "area": 0.37 * width * height}
    if crowd:
        mask = np.zeros((SIDE, SIDE), np.uint8)
        mask[top : top + height, left : left + width] = 1
        item["segmentation"] = {"size": [SIDE, SIDE], "counts": counts_of(mask)}
    return item | {"num_keypoints": 0, "keypoints": [0] * 9}


def counts_of(mask: np.ndarray) -> list[int]:
    flat = mask.T.flatten()
    changes = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *changes, len(flat)]).tolist()
    return [0, *runs] if flat[0] else runs


def with_keypoints(rng: np.random.Generator, item: dict) -> dict:
    left, top, width, height = item["bbox"]
    seen = np.append(2, rng.integers(0, 3, 2))
    places = rng.integers([left, top], [left + width, top + height], (3, 2))
    known = np.where(seen[:, None] > 0, places, 0)
    values = np.concatenate([known, seen[:, None]], 1).flatten().tolist()
    return item | {"keypoints": values, "num_keypoints": int((seen > 0).sum())}


def written(folder: Path, seed: int, keypoints: bool) -> Path:
    """Draws seven annotations of an image; two are crowds; of persons, too, one has no
    keypoint, and one of the crowds has some."""
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for image in (11, 4, 8, 30):
        name = f"{image}.png"
        Image.new("L", (SIDE, SIDE)).save(folder / name)
        size = {"height": SIDE, "width": SIDE}
        images.append({"id": image, "file_name": name} | size)
        for place, side in enumerate((24, 60, 60, 120, 220, 150, 200)):
            item = annotated(rng, image, place > 4, side)
            if keypoints:
                item = item if place in (2, 5) else with_keypoints(rng, item)
                item["category_id"] = 7
            annotations.append(item | {"id": len(annotations) + 1})
    kinds = [{"id": i, "name": n} for i, n in KINDS.items()]
    if keypoints:
        kinds = [{"id": 7, "name": "person", "keypoints": list(POINTS)}]
    content = {"images": images, "annotations": annotations, "categories": kinds}
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"


def coco_scores(path: Path, results: list[dict], kind: str) -> list[float]:
    with redirect_stdout(io.StringIO()):
        dataset = COCO(str(path))
        scorer = COCOeval_faster(dataset, dataset.loadRes(results), kind)
        if kind == "keypoints":
            scorer.params.kpt_oks_sigmas = np.array(SIGMAS)
            scorer.params.maxDets = [100]
        scorer.evaluate()
        scorer.accumulate()
        scorer.summarize()
    return [float(value) for value in scorer.stats]


# ---- Boxes and masks ----


def boxes_found(rng: np.random.Generator, content: dict, noise: float) -> list[dict]:
    """A box near that of each annotation, crowds too; of what there is noise, some are
    missing, of another category, or in vain, and others lie in the crowds."""
    found = []
    for item in content["annotations"]:
        left, top, width, height = np.add(item["bbox"], rng.normal(0, noise, 4))
        kind, score = item["category_id"], float(rng.random())
        boxes = [[left, top, max(2, width), max(2, height)]]
        if noise and item["iscrowd"]:
            boxes += [[left + i, top + i, width / 3, height / 3] for i in range(3)]
            boxes.append([left - 80, top, width, height])
        elif noise:
            kind = int(rng.choice([kind, kind, kind, *KINDS]))
            boxes = boxes if rng.random() < 0.8 else boxes * 2
        for box in boxes:
            box = [float(value) for value in np.clip(box, 0, SIDE)]
            box[2:] = (min(s, SIDE - at) for at, s in zip(box, box[2:]))
            score *= 0.97
            result = {"image_id": item["image_id"], "category_id": kind}
            found.append(result | {"bbox": box, "score": score})
    return found


def in_words(content: dict, results: list[dict], made) -> list[list[dict]]:
    """Results as predictions, in the order of the images."""
    images = [image["id"] for image in content["images"]]
    words = [[] for _ in images]
    for result in results:
        words[images.index(result["image_id"])].append(made(result))
    return words


def box_words(result: dict) -> dict:
    left, top, width, height = result["bbox"]
    words = {"category": KINDS[result["category_id"]], "score": result["score"]}
    return words | {"bbox": [left, top, left + width, top + height]}


@pytest.mark.parametrize("noise", [0, 3], ids=["perfect", "imperfect"])
@pytest.mark.parametrize("seed", range(3))
def test_boxes_score_as_coco_scores_them(modules, tmp_path, seed, noise):
    path = written(tmp_path, seed, keypoints=False)
    content = json.loads(path.read_text())
    results = boxes_found(np.random.default_rng(seed), content, noise)
    module = modules["object_detection"]
    truth = [sample.labels["cells"] for sample in module.read_dataset(path)]
    own = module.detection_metrics(truth, in_words(content, results, box_words), NAMES)
    scores = coco_scores(path, results, "bbox")
    expected = [scores[i] for i in (0, 1, 2, 3, 4, 5, 8)]
    assert [own[name] for name in METRICS] == pytest.approx(expected, abs=1e-9)
    assert min(expected) >= 0  # all sizes occur
    assert expected[0] == 1 if noise == 0 else 0.1 < expected[0] < 0.9
    # Neither the crowds nor the areas are without effect.
    plain = [x._replace(ignored=np.zeros_like(x.ignored)) for x in truth]
    sides = [x.boxes[:, 2:] - x.boxes[:, :2] for x in truth]
    boxed = [x._replace(areas=s.prod(1)) for x, s in zip(truth, sides)]
    for other in (plain, boxed):
        words = in_words(content, results, box_words)
        assert module.detection_metrics(other, words, NAMES) != own or noise == 0


@pytest.mark.parametrize("noise", [0, 3], ids=["perfect", "imperfect"])
@pytest.mark.parametrize("seed", range(3))
def test_masks_score_as_coco_scores_them(modules, tmp_path, seed, noise):
    path = written(tmp_path, seed, keypoints=False)
    content = json.loads(path.read_text())
    module = modules["instance_segmentation"]
    results = boxes_found(np.random.default_rng(seed), content, noise)
    for result in results:
        result["segmentation"] = mask_in(module.coco_mask, result["bbox"])
    if not noise:
        for result, item in zip(results, content["annotations"]):
            runs = item["segmentation"]
            runs = module.coco_mask.frPyObjects(runs, SIDE, SIDE)
            runs = runs if item["iscrowd"] else module.coco_mask.merge(runs)
            result["segmentation"] = text_of(runs)
    truth = [sample.labels["cells"] for sample in module.read_dataset(path)]
    words = in_words(
        content, results, lambda x: box_words(x) | {"mask": x["segmentation"]}
    )
    own = module.instance_metrics(truth, words, NAMES)
    for result in results:
        del result["bbox"]
    scores = coco_scores(path, results, "segm")
    expected = [scores[i] for i in (0, 1, 2, 3, 4, 5, 8)]
    assert [own[name] for name in METRICS] == pytest.approx(expected, abs=1e-9)
    assert min(expected) >= 0
    assert expected[0] == 1 if noise == 0 else 0.05 < expected[0] < 0.9


def mask_in(coco_mask, bbox: list[float]) -> dict:
    """The half of a box in which its triangle lies."""
    left, top, width, height = bbox
    corners = [left, top, left + width, top, left, top + height]
    return text_of(coco_mask.merge(coco_mask.frPyObjects([corners], SIDE, SIDE)))


def text_of(runs: dict) -> dict:
    counts = runs["counts"]
    return runs | {"counts": counts if isinstance(counts, str) else counts.decode()}


# ---- Keypoints ----


def poses_found(rng: np.random.Generator, content: dict, noise: float) -> list[dict]:
    """A pose near each annotation; where it has no keypoint, anywhere in its box. With
    noise also doubles, which only in crowds do no harm, and some in vain."""
    found = []
    for item in content["annotations"]:
        left, top, width, height = item["bbox"]
        places = rng.uniform([left, top], [left + width, top + height], (3, 2))
        given = np.reshape(item["keypoints"], (3, 3))
        places = np.where(given[:, 2:] > 0, given[:, :2], places)
        for number in range(3 if noise and rng.random() < 0.6 else 1):
            moved = places + rng.normal(0, noise, (3, 2)) * (1 + 8 * (number > 1))
            values = np.concatenate([moved, np.ones((3, 1))], 1).flatten().tolist()
            result = {"image_id": item["image_id"], "category_id": 7}
            result |= {"keypoints": values, "score": float(rng.random())}
            found.append(result)
    return found


def pose_words(result: dict) -> dict:
    places = np.reshape(result["keypoints"], (3, 3))[:, :2].tolist()
    return {"score": result["score"], "keypoints": dict(zip(POINTS, places))}


@pytest.mark.parametrize("noise", [0, 5], ids=["perfect", "imperfect"])
@pytest.mark.parametrize("seed", [0, 35, 56, 57])
def test_keypoints_score_as_coco_scores_them(modules, tmp_path, seed, noise):
    path = written(tmp_path, seed, keypoints=True)
    content = json.loads(path.read_text())
    results = poses_found(np.random.default_rng(seed), content, noise)
    module = modules["keypoint_detection"]
    truth = [sample.labels["cells"] for sample in module.read_dataset(path)]
    words = in_words(content, results, pose_words)
    pairs = list(zip(truth, words))
    evidence = [module.pose_evidence(*pair, POINTS, SIGMAS) for pair in pairs]
    own = module.keypoint_metrics(evidence)
    expected = coco_scores(path, results, "keypoints")[:3]
    assert [own[x] for x in METRICS[:3]] == pytest.approx(expected, abs=1e-9)
    assert expected[0] == 1 if noise == 0 else 0.1 < expected[0] < 0.9
    if noise and seed == 57:  # more than the 20 that COCO counts unless told otherwise
        assert max(map(len, words)) == 21
    # Keypoints count one by one only of the persons that are learned.
    learned = [poses.labeled() for poses in truth]
    assert [len(poses.boxes) for poses in learned] == 4 * [4]
    errors = [len(of_image.errors) for of_image in evidence]
    assert errors == [poses.present().sum() for poses in learned]


# ---- VOC ----


def test_a_difficult_object_counts_neither_way(tmp_path):
    """As in VOC's own evaluation it is found at the IoU of any other object: not by a
    box that merely lies in it, as with a crowd."""
    data = {"format": "voc", "validation": "val.txt"}
    module = evaluation(make_reader(tmp_path, (DETECTION,), data))
    boxes = np.float32([[0, 0, 50, 50], [60, 60, 120, 120]])
    difficult = module.Objects(boxes, np.array([0, 0]), np.array([False, True]))

    def scored(*found: tuple, truth=difficult) -> float:
        words = [
            {"category": "a", "bbox": list(box), "score": 0.9 - i / 10}
            for i, box in enumerate(found)
        ]
        return module.detection_metrics([truth], [words], NAMES)["ap50"]

    easy, hard, inside = (0, 0, 50, 50), (60, 60, 120, 120), (70, 70, 90, 90)
    assert scored(easy) == scored(hard, easy) == scored(easy, hard) == 1
    assert scored(inside, easy) == pytest.approx(0.5)
    plain = difficult._replace(ignored=np.array([False, False]))
    assert scored(easy, truth=plain) == pytest.approx(51 / 101)
    assert scored(hard, truth=difficult.labeled()) == 0
