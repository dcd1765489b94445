"""Ignored objects are no background: in the loss, and in targets that views move."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from emitted_jobs import DETECTION, NAMES, load, make, make_reader
from emitted_jobs import load_all
from PIL import Image
from predictions import boxes_of, predictions_for

SIZE = 96, 160
COCO = {"format": "coco", "validation": "val.json"}
FLIPPED = {"horizontal_flip": False, "vertical_flip": True, "scale": 0.0, "color": 0.0}
MASKS = {"name": "cells", "task": "instance_segmentation", "categories": NAMES}
POSES = {"name": "cells", "task": "keypoint_detection", "keypoints": ["head", "foot"]}
POSES |= {"flip_pairs": []}
STREET = {"name": "cells", "task": "panoptic_segmentation", "categories": NAMES}
STREET |= {"colors": [[1, 1, 1], [2, 2, 2], [3, 3, 3]], "things": NAMES[:2]}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("coco"), [DETECTION], **COCO)
    return load(folder / "model.py")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """Returns the module of a job whose format has no ignored objects."""
    return load(make(tmp_path_factory.mktemp("native"), [DETECTION]) / "model.py")


def targets(boxes: list, classes: list[int]) -> dict:
    return {"boxes": boxes_of(*boxes)[None], "classes": torch.tensor([classes])}


OBJECT, CROWD = (20, 20, 60, 60), (40, 30, 130, 90)


def test_cells_in_a_crowd_that_own_no_object_are_not_background(model):
    """The term is summed here again, cell by cell."""
    predictions = predictions_for(model, SIZE)
    boxes = predictions.boxes().detach()
    given = targets([OBJECT, CROWD, (0, 0, 0, 0)], [1, -1, -1])
    owner, scores = model.assign(predictions, boxes, given)
    points = predictions.points
    inside = (
        (points > torch.tensor(CROWD[:2])) & (points < torch.tensor(CROWD[2:]))
    ).all(1)
    alone = targets([OBJECT], [1])
    before, same = model.assign(predictions, boxes, alone)
    assert torch.equal(owner == 0, before == 0) and torch.equal(scores, same)
    assert torch.equal(owner == -2, inside & (before < 0))
    assert inside.sum() > 50 and (inside & (before == 0)).any()

    wanted = torch.zeros_like(predictions.logits)
    wanted[:, :, 1] = torch.where(before == 0, scores, 0.0)
    terms = F.binary_cross_entropy_with_logits(
        predictions.logits, wanted, reduction="none"
    ).sum(2)
    learns = (before == 0) | ~inside
    expected = (terms * learns).sum() / scores.sum().clamp(min=1)
    loss = model.detection_loss(predictions, given)
    assert loss["class"].item() == pytest.approx(expected.item(), rel=1e-6)
    assert loss["class"] < model.detection_loss(predictions, alone)["class"]
    for name in ("box", "bins"):
        assert torch.equal(loss[name], model.detection_loss(predictions, alone)[name])


def test_cells_in_a_crowd_have_no_gradient(model):
    predictions = predictions_for(model, SIZE)
    logits = predictions.logits.detach().requires_grad_()
    predictions = predictions._replace(logits=logits)
    given = targets([OBJECT, CROWD], [1, -1])
    sum(model.detection_loss(predictions, given).values()).backward()
    owner, _ = model.assign(predictions, predictions.boxes().detach(), given)
    assert not logits.grad[owner == -2].any()
    assert (logits.grad[owner > -2] != 0).all()


def test_without_crowds_losses_and_gradients_are_the_same_bits(model, plain):
    found = []
    for module in (model, plain):
        predictions = predictions_for(module, SIZE, batch=2, seed=3)
        logits = predictions.logits.detach().requires_grad_()
        bins = predictions.bins.detach().requires_grad_()
        predictions = predictions._replace(logits=logits, bins=bins)
        boxes = torch.stack([boxes_of(OBJECT, CROWD), boxes_of(CROWD, (0, 0, 0, 0))])
        given = {"boxes": boxes, "classes": torch.tensor([[0, 2], [1, -1]])}
        terms = module.detection_loss(predictions, given)
        sum(terms.values()).backward()
        found.append([*terms.values(), logits.grad, bins.grad])
    assert all(torch.equal(one, other) for one, other in zip(*found))


# ---- Targets ----


def written(folder: Path) -> Path:
    """An image 160x96 with an object, a crowd of which a view may show a tenth, and a
    person without keypoints."""
    Image.new("RGB", (160, 96)).save(folder / "one.png")
    annotations = [
        {"bbox": [20, 10, 40, 30], "keypoints": [30, 12, 2, 55, 38, 2], "area": 500},
        {"bbox": [100, 0, 60, 80], "keypoints": [0] * 6, "iscrowd": 1, "area": 4000},
        {"bbox": [10, 60, 20, 20], "keypoints": [0] * 6, "area": 300},
    ]
    for number, item in enumerate(annotations, 1):
        left, top, width, height = item["bbox"]
        right, bottom = left + width, top + height
        corners = [left, top, right, top, right, bottom, left, bottom]
        item |= {"id": number, "image_id": 1, "category_id": 0}
        item |= {"segmentation": [corners]}
    kinds = [
        {"id": i, "name": name, "keypoints": ["head", "foot"]}
        for i, name in enumerate(NAMES)
    ]
    images = [{"id": 1, "file_name": "one.png", "width": 320, "height": 192}]
    content = {"images": images, "annotations": annotations, "categories": kinds}
    scaled(content, 2)
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"


def scaled(content: dict, factor: int) -> None:
    """Annotations of an image so many times as large."""
    for item in content["annotations"]:
        item["bbox"] = [factor * side for side in item["bbox"]]
        item["segmentation"] = [[factor * x for x in item["segmentation"][0]]]
        points = zip(item["keypoints"], [factor, factor, 1] * 2)
        item["keypoints"] = [value * times for value, times in points]
        item["area"] *= factor**2


@pytest.mark.parametrize("head", [DETECTION, MASKS, POSES], ids=lambda h: h["task"])
def test_targets_tell_what_is_ignored_wherever_it_moves(tmp_path, head):
    data = COCO | {"augmentation": FLIPPED, "resolution": [96, 160]}
    modules = load_all(make_reader(tmp_path, (head,), data), "dataset", "data")
    [sample] = modules.dataset.read_dataset(written(tmp_path))
    labels, poses = sample.labels["cells"], head is POSES
    assert labels.ignored.tolist() == [False, True, poses]
    assert labels.areas.tolist() == [500, 4000, 300]  # the image is half as large
    transforms = [
        modules.data.Transform(np.float32([1, 1]), np.float32([0, 0])),
        modules.data.Transform(np.float32([1, -1]), np.float32([0, 96])),
        modules.data.Transform(np.float32([1, 1]), np.float32([54, 0])),
    ]
    name = {"object_detection": "moved", "instance_segmentation": "moved_instances"}
    move = getattr(modules.data, name.get(head["task"], "moved_poses"))
    names = (("head", "foot"), ()) if poses else ()
    stack = {MASKS["task"]: "stack_grids", POSES["task"]: "stack_poses"}
    stack = getattr(modules.data, stack.get(head["task"], "stack_objects"))
    made = stack([move(labels, transform, *names) for transform in transforms])
    person, last = (30, 12, 55, 38) if poses else (20, 10, 60, 40), -1 if poses else 0
    still = [person, (100, 0, 160, 80), (10, 60, 30, 80)]
    assert made["boxes"][0, :3].tolist() == [list(box) for box in still]
    assert made["classes"].tolist() == 3 * [[0, -1, last] + 13 * [-1]]
    left, top, right, bottom = person
    flipped = [left, 96 - bottom, right, 96 - top]
    flipped = [flipped, [100, 16, 160, 96], [10, 16, 30, 36]]
    assert made["boxes"][1, :3].tolist() == flipped
    # A tenth of the crowd is left, at the right edge.
    assert made["boxes"][2, 1:3].tolist() == [[154, 0, 160, 80], [64, 60, 84, 80]]


def test_a_crowd_of_things_is_ignored_among_segments(tmp_path):
    """It is unknown to the map of stuff, and no background to the detector of things."""
    data = COCO | {"resolution": [64, 96], "augmentation": False}
    modules = load_all(make_reader(tmp_path, (STREET,), data), "dataset", "data")
    ids = np.full((64, 96), 3, np.uint8)
    ids[8:40, 8:40], ids[16:48, 48:96] = 1, 2
    (tmp_path / "images").mkdir()
    (tmp_path / "val").mkdir()
    Image.new("RGB", (96, 64)).save(tmp_path / "images" / "one.png")
    pixels = np.stack([ids, 0 * ids, 0 * ids], 2)
    Image.fromarray(pixels).save(tmp_path / "val" / "one.png")
    segments = [{"id": 1, "category_id": 0}, {"id": 3, "category_id": 2}]
    segments.append({"id": 2, "category_id": 1, "iscrowd": 1})
    item = {"image_id": 1, "file_name": "one.png", "segments_info": segments}
    kinds = [{"id": i, "name": n, "isthing": int(i < 2)} for i, n in enumerate(NAMES)]
    content = {"images": [{"id": 1, "file_name": "one.png"}], "annotations": [item]}
    content["categories"] = kinds
    (tmp_path / "val.json").write_text(json.dumps(content))
    samples = modules.dataset.read_dataset(tmp_path / "val.json")
    [(_, label, _)] = [modules.data.TrainingSet(samples, 0)[0, 0]]
    targets = modules.data.collate([(np.zeros((64, 96, 3), np.uint8), label, [])])[1]
    targets = targets["cells"]
    boxes = targets["boxes"][0, :2].tolist()
    found = dict(zip(targets["classes"][0].tolist(), boxes))
    assert found == {0: [8, 8, 40, 40], -1: [48, 16, 96, 48]}
    stuff, rows = targets["stuff"][0].tolist(), len(targets["stuff"][0])
    step = 64 // rows
    centers = ids[step // 2 :: step, step // 2 :: step]
    assert stuff == np.choose(centers - 1, [0, -1, 1]).tolist()
    maps = modules.data.maps_of_segments(samples[0].labels["cells"], range(2), 64, 96)
    np.testing.assert_array_equal(maps["categories"], np.choose(ids - 1, [0, -1, 2]))
    assert not maps["instances"][ids == 2].any()
