"""Keypoint detection: what it reads, how labels move, its loss and inference."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import DATA_SIZE, load, load_data, make, make_reader
from PIL import Image
from point_jobs import cells_that_see, levels_of, native_points
from small_data import picture

NAMES = ("left", "right", "top")
HEAD = {
    "name": "pose",
    "task": "keypoint_detection",
    "keypoints": NAMES,
    "flip_pairs": [["left", "right"]],
    "max_detections": 5,
}
FLIPS = {"horizontal_flip": True, "vertical_flip": True, "transpose": True}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load(make(tmp_path_factory.mktemp("model"), [HEAD]) / "model.py")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The dataset.py and data.py of a job that turns images every way."""
    options = {"validation": "val", "augmentation": FLIPS}
    folder = tmp_path_factory.mktemp("modules")
    return load_data(make_reader(folder, (HEAD,), options))


def read(dataset, folder, labels, **metadata):
    native_points(folder, labels, "keypoint detection", keypoints=NAMES, **metadata)
    return dataset.read_dataset(folder)


def instance(left=(3, 4), right=(20, 5), top=(10, 1)):
    places = dict(zip(NAMES, (left, right, top)))
    return {name: list(xy) if xy else None for name, xy in places.items()}


# ---- Annotations ----


def test_instances_are_read_with_their_extents(modules, tmp_path, capsys):
    labels = {
        "0.png": [],
        "1.png": [instance(), {"left": [0, 0], "top": [40, 30]}],
        "2.png": None,
        "3.png": [instance(None, None, (39, 29)), instance(None, None, None), {}],
    }
    none, two, one = read(modules.dataset, tmp_path, labels)
    assert none.labels["pose"].keypoints.shape == (0, 3, 2)
    assert none.labels["pose"].boxes.shape == (0, 4)
    poses = two.labels["pose"]
    assert poses.boxes.tolist() == [[3, 1, 20, 5], [0, 0, 40, 30]]
    assert poses.present().tolist() == [[True] * 3, [True, False, True]]
    assert poses.keypoints[0].tolist() == [[3, 4], [20, 5], [10, 1]]
    # One keypoint has an extent too: a 32nd of the image's longer side.
    (extent,) = one.labels["pose"].boxes
    assert extent == pytest.approx([39 - 0.625, 29 - 0.625, 39.625, 29.625])
    said = capsys.readouterr().err
    assert "instances without any keypoint left out: 2" in said
    assert "images left out: null: 1" in said


WRONG = {
    "a mapping": ({"left": [1, 2]}, "not a list of instances"),
    "a list": ([[1, 2]], "not keypoints by name"),
    "an unknown name": ([{"tail": [1, 2]}], "not a keypoint of the job: 'tail'"),
    "one number": ([instance((1,))], "left is not x, y"),
    "three numbers": ([instance((1, 2, 2))], "left is not x, y"),
    "a word": ([instance(("x", 2))], "left is not x, y"),
    "a number": ([{"top": 3}], "top is not x, y"),
    "huge": ([instance((10**400, 2))], "left is not x, y"),
    "not a number": ([instance((float("nan"), 2))], "left is not x, y: ['.nan', 2]"),
    "infinite": ([instance((4, float("-inf")))], "left is not x, y: [4, '-.inf']"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_keypoints_are_named_with_their_image(modules, tmp_path, wrong):
    given, reason = WRONG[wrong]
    with pytest.raises(SystemExit) as caught:
        read(modules.dataset, tmp_path, {"0.png": [instance()], "1.png": given})
    first, second = str(caught.value).splitlines()
    assert first.endswith(": problems: 1")
    assert second.startswith("  1.png: ") and reason in second


@pytest.mark.parametrize(
    "pairs, reason",
    [
        ([["left", "top"]], "only in the dataset: left and top"),
        ([], None),
        (None, None),
        ([["right", "left"]], None),
        (3, "`flip_pairs` is not a list of pairs"),
        ([3], "`flip_pairs` is not a list of pairs"),
    ],
)
def test_flip_pairs_of_the_dataset_are_compared(modules, tmp_path, pairs, reason):
    labels = {"0.png": [instance()]}
    if reason is None:
        assert len(read(modules.dataset, tmp_path, labels, flip_pairs=pairs)) == 1
        return
    with pytest.raises(SystemExit) as caught:
        read(modules.dataset, tmp_path, labels, flip_pairs=pairs)
    assert reason in str(caught.value)


def test_other_keypoints_in_the_dataset_end_the_run(modules, tmp_path):
    native_points(tmp_path, {}, "keypoint detection", keypoints=("left", "tail"))
    with pytest.raises(SystemExit) as caught:
        modules.dataset.read_dataset(tmp_path)
    assert "the keypoints differ from the job's" in str(caught.value)
    assert "only in the job: right, top" in str(caught.value)


def test_a_coco_file_of_keypoints_is_read(emitted, tmp_path, capsys):
    coco = {
        "images": [{"id": 3, "file_name": "0.png"}, {"id": 4, "file_name": "1.png"}],
        "categories": [
            {"id": 1, "name": "person", "keypoints": ["top", "left", "right"]},
            {"id": 2, "name": "car"},
        ],
        "annotations": [
            coco_pose(3, [5, 6, 2, 1, 9, 1, 0, 0, 0]),
            coco_pose(3, [0, 0, 0] * 3),
            coco_pose(3, [0, 0, 0] * 3, bbox=[20, 10, 10, 8]),
            coco_pose(3, [7, 7, 2] * 3, iscrowd=1, bbox=[1, 1, 9, 9]),
            coco_pose(3, [7, 7, 2] * 3, iscrowd=1),
            {"image_id": 4, "category_id": 2, "bbox": [1, 2, 3, 4]},
        ],
    }
    for i in range(2):
        Image.fromarray(picture(seed=i)).save(tmp_path / f"{i}.png")
    path = tmp_path / "train.json"
    path.write_text(json.dumps(coco))
    dataset = emitted(HEAD, format="coco", validation="val").dataset
    first, second = dataset.read_dataset(path)
    poses = first.labels["pose"]
    assert poses.crowds.tolist() == [False, False, True]
    assert poses.ignored.tolist() == [False, True, True]
    assert poses.boxes[1:].tolist() == [[20, 10, 30, 18], [1, 1, 10, 10]]
    (places,) = poses.labeled().keypoints  # sorted as in the job
    np.testing.assert_equal(places, [[1, 9], [np.nan, np.nan], [5, 6]])
    assert len(second.labels["pose"].boxes) == 0
    told = capsys.readouterr().err
    assert "without any keypoint left out: 3" in told  # two without a box, and a car
    assert "without any keypoint, ignored in training and in metrics: 1" in told
    coco["categories"][0]["keypoints"][0] = "tail"
    path.write_text(json.dumps(coco))
    with pytest.raises(SystemExit) as caught:
        dataset.read_dataset(path)
    assert "only in the dataset: tail" in str(caught.value)


def coco_pose(image: int, keypoints: list, **further) -> dict:
    return {"image_id": image, "category_id": 1, "keypoints": keypoints} | further


# ---- Labels move with the image ----


def test_mirrored_keypoints_change_their_names(modules, tmp_path):
    """Each keypoint lies on a spot of its color; left is red, right is blue."""
    image = np.full((30, 40, 3), 128, np.uint8)
    places = {"left": (6, 8), "right": (32, 10), "top": (18, 22)}
    colors = np.array([[255, 0, 0], [0, 0, 255], [0, 255, 0]], np.uint8)
    for place, color in zip(places.values(), colors.tolist()):
        cv2.circle(image, place, 3, color, cv2.FILLED)
    (sample,) = read(modules.dataset, tmp_path, {"0.png": [places]})
    Image.fromarray(image).save(sample.path)
    seen = set()
    for seed in range(40):
        canvas, transform = modules.data.augment(sample, np.random.default_rng(seed))
        pairs = (NAMES, modules.dataset.FLIP_PAIRS)
        poses = modules.data.moved_poses(sample.labels["pose"], transform, *pairs)
        mirrored = transform.mirrors()
        seen.add((mirrored, transform.transposed))
        expected = colors[[1, 0, 2]] if mirrored else colors
        for points in poses.keypoints:
            for (x, y), color in zip(points, expected):
                if np.isfinite(x) and 2 < x < DATA_SIZE[1] - 2 and 2 < y < DATA_SIZE[0]:
                    found = canvas[min(int(y), DATA_SIZE[0] - 1), int(x)].astype(int)
                    assert found.argmax() == color.argmax(), (seed, x, y, found)
    assert len(seen) == 4  # turns and mirrors, with the transposition and without


def test_what_the_view_cuts_off_is_absent(modules):
    points = np.float32([[[-5, 3], [10, 10], [30, 20]], [[-5, 3], [-9, 4], [-2, 5]]])
    poses = modules.dataset.Poses(points, modules.dataset.extents(points, 64, 96))
    unmoved = modules.data.Transform(np.float32([1, 1]), np.float32([0, 0]))
    pairs = (NAMES, modules.dataset.FLIP_PAIRS)
    moved = modules.data.moved_poses(poses, unmoved, *pairs)
    assert moved.present().tolist() == [[False, True, True]]
    assert moved.boxes.tolist() == [[10, 10, 30, 20]]


def test_batches_are_padded(modules):
    one = np.float32([[[1, 2], [np.nan, np.nan], [5, 9]]])
    poses = modules.dataset.Poses(one, modules.dataset.extents(one, 64, 96))
    none = modules.dataset.Poses(one[:0], poses.boxes[:0])
    targets = modules.data.stack_poses([none, poses])
    assert targets["classes"].tolist() == [16 * [-1], [0] + 15 * [-1]]
    assert targets["present"][:, 0].tolist() == [[False] * 3, [True, False, True]]
    assert not targets["present"][:, 1:].any()
    assert targets["keypoints"][1, 0].tolist() == [[1, 2], [0, 0], [5, 9]]
    assert all(value.isfinite().all() for value in targets.values())
    empty = modules.data.stack_poses([none, none])
    assert empty["boxes"].shape == (2, 16, 4)


def test_without_flip_pairs_images_are_not_mirrored(emitted):
    head = {key: value for key, value in HEAD.items() if key != "flip_pairs"}
    data = emitted(head, validation="val").data
    assert not hasattr(data.Transform, "mirrors")
    sample = data.Sample("", 30, 40, {})
    data.read_image = lambda _, *size, fast: np.zeros((*size, 3), np.uint8)
    views = [data.augment(sample, np.random.default_rng(i))[1] for i in range(20)]
    assert all((view.scale > 0).all() for view in views)


# ---- Loss ----


def targets_of(*images: list[np.ndarray]) -> dict[str, torch.Tensor]:
    """Targets by the keypoints (K, 2) of each image's instances."""
    most = max(1, max(map(len, images)))
    keypoints = torch.full((len(images), most, 3, 2), torch.nan)
    for i, instances in enumerate(images):
        for j, points in enumerate(instances):
            keypoints[i, j] = torch.tensor(points)
    present = keypoints.isfinite().all(3)
    low, high = keypoints.nan_to_num(1e9).amin(2), keypoints.nan_to_num(-1e9).amax(2)
    missing = (5 - (high - low)).clamp(min=0) / 2
    boxes = torch.cat([low - missing, high + missing], 2)
    real = present.any(2)
    return {
        "boxes": torch.where(real[..., None], boxes, 0),
        "classes": torch.where(real, 0, -1),
        "keypoints": keypoints.nan_to_num(),
        "present": present,
    }


NONE = float("nan")
POSE = [(10.0, 12.0), (50.0, 40.0), (30.0, 70.0)]
CASES = {
    "no object in any image": ([], []),
    "an image without": ([], [POSE]),
    "one keypoint": ([[(30.0, 40.0), (NONE, NONE), (NONE, NONE)]], []),
    "the whole image": ([[(0.0, 0.0), (160.0, 96.0), (80.0, 40.0)]], [POSE]),
    "thin": ([[(3.0, 50.0), (157.0, 51.0), (80.0, 50.0)]], []),
    "twins": ([POSE, POSE], [POSE]),
    "many": ([[(x, y) for x, y in np.add(POSE, i)] for i in range(30)], []),
}


@pytest.mark.parametrize("case", CASES)
def test_every_instance_is_learned(model, case, one_thread):
    torch.manual_seed(0)
    network = model.KeypointDetector()
    images = torch.randint(0, 256, (2, 3, 96, 160), dtype=torch.uint8)
    predictions, targets = network(images), targets_of(*CASES[case])
    objects = predictions.objects
    owner, _ = model.assign(objects, objects.boxes().detach(), targets)
    for image, instances in enumerate(CASES[case]):
        learned = set(owner[image].tolist()) - {-1}
        assert learned <= set(range(len(instances)))
        # Of many in nearly one place some find each point taken.
        assert len(learned) >= (20 if len(instances) == 30 else len(instances))
    terms = model.keypoint_loss(predictions, targets, 20.0, 1.0)
    assert set(terms) == {"class", "box", "bins", "keypoints", "presence"}
    sum(terms.values()).backward()
    for name, weight in network.named_parameters():
        assert weight.grad is not None and weight.grad.isfinite().all(), name
    if any(CASES[case]):
        assert terms["keypoints"] > 0 and network.head.points.weight.grad.any()


def test_terms_do_not_depend_on_the_batch(model, one_thread):
    torch.manual_seed(0)
    network = model.KeypointDetector().eval()
    image = torch.randint(0, 256, (1, 3, 96, 160), dtype=torch.uint8)
    with torch.no_grad():
        once = model.keypoint_loss(network(image), targets_of([POSE]), 20.0, 1.0)
        four = image.expand(4, -1, -1, -1)
        often = model.keypoint_loss(network(four), targets_of(*[[POSE]] * 4), 20.0, 1.0)
        doubled = model.keypoint_loss(network(image), targets_of([POSE]), 40.0, 3.0)
    for name, value in once.items():
        # With few objects the divisor of the loss is one at least.
        assert often[name] >= value * 0.99 and often[name] <= value * 4.01, name
    assert doubled["keypoints"] == pytest.approx(2 * float(once["keypoints"]))
    assert doubled["presence"] == pytest.approx(3 * float(once["presence"]))


def test_the_loss_is_zero_where_all_is_right(model):
    """And absent keypoints pull nowhere, wherever they are."""
    pose = np.float32([(16, 20), (NONE, NONE), (80, 60)])
    targets = targets_of([pose])
    objects = cells_that_see(model, targets["boxes"][0, 0].tolist())
    keypoints = torch.zeros(1, len(objects.points), 3, 3)
    middle, sides = np.float32([48, 40]), np.float32([64, 40])
    keypoints[..., :2] = torch.tensor(np.nan_to_num((pose - middle) / sides))
    keypoints[..., 2] = torch.tensor([20.0, -20.0, 20.0])
    right = model.KeypointPredictions(objects, keypoints)
    terms = model.keypoint_loss(right, targets, 20.0, 1.0)
    assert float(terms["keypoints"]) == pytest.approx(0, abs=1e-5)
    assert float(terms["presence"]) == pytest.approx(0, abs=1e-5)
    keypoints[:, :, 1, :2] = 9.0
    assert model.keypoint_loss(right, targets, 20.0, 1.0)["keypoints"] < 1e-5
    keypoints[:, :, 0, 0] += 0.1
    assert model.keypoint_loss(right, targets, 20.0, 1.0)["keypoints"] > 0.1
    keypoints[:, :, 1, 2] = 20.0
    assert model.keypoint_loss(right, targets, 20.0, 1.0)["presence"] > 5


# ---- Inference ----


@pytest.mark.parametrize("limit", [1, 5, 1000])
def test_keypoints_are_those_of_the_cell_that_found_the_instance(model, limit):
    """With more instances than may be returned, and with fewer cells than that."""
    torch.manual_seed(0)
    head = model.KeypointHead(48, 1, 3, (8, 16, 32, 64, 128))
    torch.nn.init.normal_(head.detector.class_logits.weight, std=0.3)
    predictions = head(*levels_of(2, 48, (96, 160)))
    cells = predictions.keypoints.shape[1]
    # The first keypoint, in the box's sides from its middle, tells the cell.
    keypoints = predictions.keypoints.clone()
    keypoints[:, :, 0, 0] = torch.arange(cells) / 10
    predictions = predictions._replace(keypoints=keypoints)
    found = model.decode_keypoints(predictions, 0.0, 0.5, limit)
    assert found["keypoints"].shape == (2, limit, 3, 2)
    assert found["presence"].shape == (2, limit, 3)
    boxes = predictions.objects.boxes()
    for image in range(2):
        count = int(found["count"][image])
        assert 1 <= count <= min(limit, cells)
        for row in range(count):
            left, top, right, bottom = found["boxes"][image, row].tolist()
            x, y = found["keypoints"][image, row, 0].tolist()
            cell = round((x - (left + right) / 2) / (right - left) * 10)
            assert torch.equal(boxes[image, cell], found["boxes"][image, row])
            likely = keypoints[image, cell, :, 2].sigmoid()
            assert torch.allclose(found["presence"][image, row], likely)
        for rows in found.values():
            if rows.dim() > 1:
                assert not rows[image, count:].any()


def test_predictions_are_in_the_pixels_of_any_image(model):
    """A cell that is certain of a pose, in images of four sizes."""
    network = model.KeypointDetector().eval()
    objects = cells_that_see(model, [16, 20, 80, 60], only=(48, 40))
    keypoints = torch.zeros(1, len(objects.points), 3, 3)
    keypoints[..., 0, :2] = torch.tensor([-0.5, 0.25])
    seen = model.KeypointPredictions(objects, keypoints)
    network.forward = lambda images: seen
    for height, width in ((96, 160), (192, 320), (48, 40), (30, 400)):
        image = torch.zeros(1, 3, height, width, dtype=torch.uint8)
        found = model.predict(network, image)["pose"]
        shown = model.fit(height, width)
        scale = torch.tensor([width / shown[1], height / shown[0]])
        expected = torch.tensor([[16.0, 50.0], [48.0, 40.0], [48.0, 40.0]]) * scale
        expected = expected.minimum(torch.tensor([width, height]))
        assert int(found["count"]) == 1
        torch.testing.assert_close(
            found["keypoints"][0, 0], expected, atol=0.02, rtol=0
        )
