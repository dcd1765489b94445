"""Instance segmentation: masks from the annotation to the prediction, and back."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
import yaml
from emitted_jobs import DATA_SIZE, MODEL_SIZE, NAMES, load, load_data, make
from PIL import Image
from predictions import certain, predictions_for
from small_data import picture

from specc import shapes, shapes_masks

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = MODEL_SIZE
COLORS = ((255, 0, 0), (0, 255, 0), (9, 9, 250))
HEAD = {
    "name": "cells",
    "task": "instance_segmentation",
    "categories": NAMES,
    "colors": COLORS,
    "layers": 1,
}


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory) -> ModuleType:
    return load(make(tmp_path_factory.mktemp("segmenter"), [HEAD]) / "model.py")


@pytest.fixture(scope="module")
def words(segmenter) -> ModuleType:
    """The evaluate.py beside it."""
    return load_data(Path(segmenter.__file__).parent, "evaluate").evaluate


# ---- From logits to masks in the image's own pixels ----


def drawing(module: ModuleType, category: int, box: tuple, hole: tuple):
    """Predictions of an instance that fills its box, on the canvas, but for a hole."""
    left, top, right, bottom = box
    seen = {((left + right) / 2, (top + bottom) / 2): (category, *box)}
    objects = certain(predictions_for(module, (HEIGHT, WIDTH)), seen)
    features = torch.zeros(1, module.MASK_CHANNELS, HEIGHT // 4, WIDTH // 4)
    features[0, 0] = 1
    features[0, 0, hole[1] // 4 : hole[3] // 4, hole[0] // 4 : hole[2] // 4] = -1
    # Of all that the network could see, only the first feature counts.
    c = module.MASK_CHANNELS
    kernels = torch.zeros(1, objects.logits.shape[1], c * c + 4 * c + 1)
    kernels[..., 0] = kernels[..., c * c + 3 * c] = 1
    kernels[..., -1] = -0.5
    pixels = module.centers(features, 4)
    return module.InstancePredictions(objects, kernels, features, pixels)


def placed(size: tuple[int, int], box: tuple, hole: tuple, seen: tuple) -> np.ndarray:
    """The mask that such an instance has in an image of this size."""
    y = (np.arange(size[0])[:, None] + 0.5) * seen[0] / size[0]
    x = (np.arange(size[1]) + 0.5) * seen[1] / size[1]
    inside = [(x > a) & (x < c) & (y > b) & (y < d) for a, b, c, d in (box, hole)]
    return inside[0] & ~inside[1]


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return (one & other).sum() / (one | other).sum()


@pytest.mark.parametrize(
    "size", [(192, 320), (120, 500), (700, 300), (60, 90), (31, 17)]
)
def test_masks_lie_where_they_belong(segmenter, words, size):
    """In predict and in evaluate.py alike, at the size of images that are not square."""
    fitted = segmenter.fit(*size)
    box = (fitted[1] * 0.25, fitted[0] * 0.25, fitted[1] * 0.75, fitted[0] * 0.875)
    hole = tuple(
        4 * round(side / 4) for side in (box[0], box[1], fitted[1] / 2, fitted[0] / 2)
    )
    outputs = drawing(segmenter, 1, box, hole)
    model = segmenter.Segmenter().eval()
    model.register_forward_hook(lambda *_: outputs)

    found = segmenter.predict(model, torch.zeros(1, 3, *size, dtype=torch.uint8))
    masks = found["cells"]["masks"]
    assert masks.shape == (1, 100, *size) and masks.dtype == torch.bool
    mask, expected = masks[0, 0].numpy(), placed(size, box, hole, fitted)
    assert overlap(mask, expected) > 0.93
    assert not masks[0, 1:].any()

    sample = words.Sample(Path("x.png"), *size, {})
    (item,) = words.in_words(segmenter.decode(outputs), 0, sample, fitted)["cells"]
    assert item["category"] == "b" and item["mask"]["size"] == list(size)
    np.testing.assert_array_equal(words.coco_mask.decode(item["mask"]), mask)


def test_maps_are_read_between_their_cells(segmenter):
    maps = torch.randn(2, 5, 7)
    y, x = (torch.arange(4 * side) / 4 + 0.125 for side in (5, 7))
    expected = torch.nn.functional.interpolate(
        maps[None], scale_factor=4.0, mode="bilinear"
    )
    torch.testing.assert_close(segmenter.resample(maps, y, x), expected[0])
    one = torch.full((1, 1), 3.0)
    assert segmenter.resample(one, y, x).shape == (20, 28)
    assert (segmenter.resample(one, y, x) == 3).all()


def test_more_instances_are_wanted_than_there_are_cells(tmp_path):
    head = HEAD | {"max_detections": 1000, "top_level": 3}
    module = load(make(tmp_path, [head], (32, 32)) / "model.py")
    found = module.decode(module.Segmenter().eval()(torch.zeros(2, 3, 32, 32)))
    assert found["cells"]["masks"].shape == (2, 1000, 8, 8)
    assert found["cells"]["boxes"].shape == (2, 1000, 4)


# ---- From annotations to what is learned ----


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> ModuleType:
    turned = {"augmentation": {"transpose": True, "vertical_flip": True}}
    folder = make(tmp_path_factory.mktemp("data"), [HEAD], DATA_SIZE, **turned)
    return load_data(folder).data


def instances_of(data: ModuleType, *masks: np.ndarray):
    boxes = []
    for mask in masks:
        rows, columns = mask.nonzero()
        boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    encoded = [data.coco_mask.encode(np.asfortranarray(m, np.uint8)) for m in masks]
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return data.Instances(boxes, np.zeros(len(masks), np.int64), tuple(encoded))


def corner(height: int, width: int) -> np.ndarray:
    """A mask shaped like an L: all its mirror images differ."""
    mask = np.zeros((height, width), bool)
    mask[height // 5 : height // 2, width // 4 : width // 2] = True
    mask[height // 2 : height * 4 // 5, width // 4 : width * 3 // 4] = True
    return mask


@pytest.mark.parametrize("seed", range(12))
def test_masks_move_with_their_image(data, tmp_path, seed):
    """What is white in a picture is what the grid of its mask marks."""
    mask = corner(150, 200)
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), np.uint8(255 * mask))
    sample = data.Sample(path, 150, 200, {})
    canvas, transform = data.augment(sample, np.random.default_rng(seed))
    grids = data.moved_instances(instances_of(data, mask), transform)
    # Padding is as bright as the grey that `recolor` may turn white into: the picture's
    # own part of the canvas is found by moving its borders.
    left, top, right, bottom = transform.move(np.float32([[0, 0, 200, 150]]))[0]
    light = canvas[:, :, 0] > 150
    light[: max(0, round(top))] = light[:, : max(0, round(left))] = False
    light[max(0, round(bottom)) :] = light[:, max(0, round(right)) :] = False
    rows, columns = light.nonzero()
    extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(grids.boxes[0], extent, atol=1.1)
    x, y = data.grid_of(grids.regions[0])
    y, x = y.astype(int).clip(0, DATA_SIZE[0] - 1), x.astype(int).clip(
        0, DATA_SIZE[1] - 1
    )
    assert overlap(light[y[:, None], x], grids.masks[0] == 1) > 0.8


def still(data: ModuleType, x=0.0, y=0.0):
    """A transform that only moves an image to the right and down."""
    return data.Transform(np.float32([1, 1]), np.float32([x, y]))


def test_what_the_canvas_cuts_off_is_gone(data):
    mask = np.zeros(DATA_SIZE, bool)
    mask[10:30, 0:20] = True
    mask[20:30, 20:40] = True  # only this part of it stays
    moved = data.moved_instances(instances_of(data, mask), still(data, x=-20))
    assert moved.boxes.tolist() == [[0, 20, 20, 30]]
    assert moved.regions.tolist() == [[0, 17.5, 25, 32.5]]
    assert moved.masks.shape == (1, data.GRID, data.GRID)
    share = (20 * 10) / (25 * 15)
    assert abs(moved.masks.mean() - share) < 0.05
    # Less than a quarter is left.
    moved = data.moved_instances(instances_of(data, mask), still(data, x=-31))
    assert moved.boxes.shape == (0, 4) and moved.masks.shape == (
        0,
        data.GRID,
        data.GRID,
    )


def test_nothing_is_seen_beyond_the_image(data):
    """A mask at the border of the image does not go on in the padding."""
    mask = np.zeros((20, 30), bool)
    mask[10:20, 20:30] = True
    moved = data.moved_instances(instances_of(data, mask), still(data))
    assert moved.boxes.tolist() == [[20, 10, 30, 20]]
    x, y = data.grid_of(moved.regions[0])
    assert x.max() > 30 and not moved.masks[0][:, x > 30].any()
    assert y.max() > 20 and not moved.masks[0][y > 20].any()
    assert moved.masks[0][(y > 10) & (y < 20)][:, (x > 20) & (x < 30)].all()


def test_a_batch_without_instances_is_stacked(data):
    none = data.moved_instances(instances_of(data), still(data))
    stacked = data.stack_grids([none, none])
    assert stacked["boxes"].shape == (2, 1, 4)
    assert (stacked["classes"] == -1).all()
    assert stacked["masks"].shape == (2, 1, data.GRID, data.GRID)


# ---- The loss ----


def targets_of(*images: list[tuple], side=28) -> dict:
    """Targets whose masks fill their boxes, and regions half as large again."""
    most = max(1, *(len(rows) for rows in images))
    boxes, regions = torch.zeros(2, len(images), most, 4)
    classes = torch.full((len(images), most), -1)
    masks = torch.zeros(len(images), most, side, side, dtype=torch.uint8)
    steps = (torch.arange(side) + 0.5) / side
    inside = (steps > 1 / 6) & (steps < 5 / 6)
    for image, rows in enumerate(images):
        for number, (category, *box) in enumerate(rows):
            left, top, right, bottom = box
            dx, dy = (right - left) / 4, (bottom - top) / 4
            boxes[image, number] = torch.tensor(box)
            regions[image, number] = torch.tensor(
                [left - dx, top - dy, right + dx, bottom + dy]
            )
            classes[image, number] = category
            masks[image, number] = inside[:, None] & inside
    return {"boxes": boxes, "classes": classes, "regions": regions, "masks": masks}


def fresh(module: ModuleType, batch=1, seed=0):
    """What an untrained head says of random maps."""
    torch.manual_seed(seed)
    head = module.InstanceHead(48, 1, 3, (8, 16, 32))
    maps = [torch.randn(batch, 48, HEIGHT // s, WIDTH // s) for s in (8, 16, 32)]
    return head, head(*maps)


OBJECT = (1, 48.0, 24.0, 112.0, 72.0)


def test_the_right_mask_has_nearly_no_loss(segmenter):
    outputs = drawing(segmenter, *[1, OBJECT[1:], (0, 0, 0, 0)])
    features = torch.full_like(outputs.features, -1)
    features[0, 0, 24 // 4 : 72 // 4, 48 // 4 : 112 // 4] = 1
    kernels = outputs.kernels * 40  # certain: logits of 1580 inside, and -20 around
    targets, right = targets_of([OBJECT]), outputs._replace(
        features=features, kernels=kernels
    )
    terms = segmenter.instance_loss(right, targets, 1.0)
    wrong = segmenter.instance_loss(right._replace(features=-features), targets, 1.0)
    assert terms["mask"] < 2 < wrong["mask"]
    double = segmenter.instance_loss(right, targets, 2.0)
    torch.testing.assert_close(double["mask"], 2 * terms["mask"])


def test_the_loss_does_not_depend_on_the_size_of_the_batch(segmenter):
    _, outputs = fresh(segmenter)
    one = segmenter.instance_loss(outputs, targets_of([OBJECT]), 2.0)
    twice = segmenter.InstancePredictions(
        outputs.objects._replace(
            logits=outputs.objects.logits.repeat(2, 1, 1),
            bins=outputs.objects.bins.repeat(2, 1, 1, 1),
        ),
        outputs.kernels.repeat(2, 1, 1),
        outputs.features.repeat(2, 1, 1, 1),
        outputs.pixels,
    )
    both = segmenter.instance_loss(twice, targets_of([OBJECT], [OBJECT]), 2.0)
    for name in one:
        torch.testing.assert_close(one[name], both[name], rtol=1e-4, atol=1e-5)


def test_images_without_instances_have_a_loss_and_gradients(segmenter):
    head, outputs = fresh(segmenter, batch=2)
    terms = segmenter.instance_loss(outputs, targets_of([], []), 2.0)
    assert terms["mask"] == 0
    sum(terms.values()).backward()
    gradients = {name: p.grad for name, p in head.named_parameters()}
    assert all(g is not None and g.isfinite().all() for g in gradients.values())


def test_masks_teach_kernels_and_features(segmenter):
    head, outputs = fresh(segmenter, batch=2)
    terms = segmenter.instance_loss(outputs, targets_of([OBJECT], []), 2.0)
    terms["mask"].backward()
    for module in (head.kernels, head.features, head.fine[0], head.coarse[0]):
        assert module.weight.grad.abs().sum() > 0
    assert head.detector.class_logits.weight.grad is None


def test_a_hundred_instances_are_learned_at_once(segmenter):
    rows = [
        (i % 3, 1.5 * i, 10.0 + i % 7, 1.5 * i + 6, 20.0 + i % 7) for i in range(100)
    ]
    _, outputs = fresh(segmenter, batch=2)
    terms = segmenter.instance_loss(outputs, targets_of(rows, [OBJECT]), 2.0)
    assert all(term.isfinite() for term in terms.values())


# ---- Native annotations ----


def painted(height=30, width=40, color=COLORS[0], part=(slice(5, 20), slice(8, 30))):
    page = np.zeros((height, width, 3), np.uint8)
    page[part] = color
    return page


def dataset_of(folder: Path, pages: dict[str, list[np.ndarray]], **metadata) -> Path:
    """A native dataset of images 40x30, one for each file of pages."""
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for seed, (stem, of_image) in enumerate(pages.items()):
        Image.fromarray(picture(seed=seed)).save(folder / "images" / f"{stem}.png")
        if of_image:
            shapes_masks.write_pages(folder / "masks" / f"{stem}.tif", of_image)
    entry = {
        "task": "instance segmentation",
        "categories": list(NAMES),
        "colors": {name: list(color) for name, color in zip(NAMES, COLORS)},
        "annotations": "masks",
    }
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry | metadata))
    return folder


@pytest.fixture
def reader(emitted) -> ModuleType:
    return emitted(HEAD, validation="val").dataset


def test_pages_are_read(reader, tmp_path):
    pages = {
        "a": [painted(), painted(color=COLORS[2], part=(slice(0, 2), slice(39, 40)))],
        "b": [np.zeros((30, 40, 3), np.uint8)],  # says that there is nothing
        "c": [painted(15, 20, part=(slice(3, 9), slice(4, 10)))],  # of half the size
    }
    first, second, third = reader.read_dataset(dataset_of(tmp_path, pages))
    labels = first.labels["cells"]
    assert labels.boxes.tolist() == [[8, 5, 30, 20], [39, 0, 40, 2]]
    assert labels.classes.tolist() == [0, 2]
    mask = reader.coco_mask.decode(labels.masks[0])
    np.testing.assert_array_equal(mask, painted()[:, :, 0] > 0)
    assert second.labels["cells"].boxes.shape == (0, 4)
    assert third.labels["cells"].boxes.tolist() == [[8, 6, 20, 18]]
    assert third.labels["cells"].masks[0]["size"] == [30, 40]


NOTHING = np.zeros((30, 40, 3), np.uint8)
TWO = np.maximum(painted(), painted(color=COLORS[1], part=(slice(25, 28), slice(0, 4))))
WRONG_PAGES = {
    "is empty": [painted(), NOTHING],
    "not of one category": [painted(color=(1, 2, 3))],
    "page 2 is not of one category": [painted(), TWO],
    "another aspect ratio: 30x40, the image 40x30": [painted(40, 30)],
    "another aspect ratio: 20x25": [painted(25, 20)],
    "masks": [],  # no file
}


@pytest.mark.parametrize("said", WRONG_PAGES)
def test_wrong_pages_are_named_with_file_and_cause(reader, tmp_path, said):
    folder = dataset_of(tmp_path, {"fine": [painted()], "wrong": WRONG_PAGES[said]})
    with pytest.raises(SystemExit) as caught:
        reader.read_dataset(folder)
    first, second = str(caught.value).splitlines()
    assert first == f"{folder}: 1 problems"
    assert second.startswith("  wrong.png: ") and said in second
    assert "wrong.tif" in second or not WRONG_PAGES[said]


@pytest.mark.parametrize("content", [b"", b"II*\0", b"no tiff", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_no_tiff_are_named(reader, tmp_path, content):
    folder = dataset_of(tmp_path, {"fine": [painted()], "wrong": [painted()]})
    (folder / "masks" / "wrong.tif").write_bytes(content)
    with pytest.raises(SystemExit, match="1 problems\n  wrong.png: .*wrong.tif"):
        reader.read_dataset(folder)


def test_a_bomb_is_refused_unread(reader, tmp_path, monkeypatch):
    folder = dataset_of(tmp_path, {"fine": [painted()]})
    monkeypatch.setattr(reader, "MOST_PIXELS", 1199)
    with pytest.raises(ValueError, match="more than 1,199 pixels"):
        reader.parse_pages(folder / "masks" / "fine.tif", COLORS, 30, 40)


def test_masks_without_an_image_are_named(reader, tmp_path):
    folder = dataset_of(tmp_path, {"fine": [painted()]})
    shapes_masks.write_pages(folder / "masks" / "alone.tif", [painted()])
    with pytest.raises(SystemExit, match="1 problems\n  alone.tif: "):
        reader.read_dataset(folder)


@pytest.mark.parametrize(
    "colors, said",
    [
        ({"a": [255, 0, 0], "b": [0, 255, 0]}, "no: None, in the job"),
        ({"a": [255, 0, 0], "b": [0, 1, 0], "no": [9, 9, 250]}, r"b: \[0, 1, 0\], in"),
        ([1], "does not map categories to colors"),
        (None, "does not map categories to colors"),
    ],
)
def test_other_colors_than_the_job_s_are_told(reader, tmp_path, colors, said):
    folder = dataset_of(tmp_path, {"fine": [painted()]}, colors=colors)
    with pytest.raises(SystemExit, match=said):
        reader.read_dataset(folder)


# ---- COCO ----


def coco(folder: Path, *segmentations: object, **changes) -> Path:
    """A COCO file of an image 40x30 with these masks, all of category b."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture()).save(folder / "images" / "0.png")
    annotations = [
        {"id": 50 + i, "image_id": 7, "category_id": 2, "segmentation": s} | changes
        for i, s in enumerate(segmentations)
    ]
    content = {
        "images": [{"id": 7, "file_name": "0.png", "height": 30, "width": 40}],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(NAMES)],
        "annotations": annotations,
    }
    path = folder / "val.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def coco_reader(emitted) -> ModuleType:
    return emitted(HEAD, format="coco", validation="val.json").dataset


def test_polygons_and_run_lengths_are_read(coco_reader, tmp_path):
    mask = np.zeros((30, 40), np.uint8)
    mask[5:20, 8:30] = 1
    mask[22:25, 3:9] = 1
    encoded = coco_reader.coco_mask.encode(np.asfortranarray(mask))
    flat = mask.T.flatten()  # down the columns
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, flat.size]).tolist()
    given = [
        [[8, 5, 30, 5, 30, 20, 8, 20], [3, 22, 9, 22, 9, 25, 3, 25]],
        {"size": [30, 40], "counts": counts},
        {"size": [30, 40], "counts": encoded["counts"].decode()},
    ]
    (sample,) = coco_reader.read_dataset(coco(tmp_path, *given))
    labels = sample.labels["cells"]
    assert labels.classes.tolist() == [1, 1, 1]
    assert labels.boxes.tolist() == 3 * [[3, 5, 30, 25]]
    for runs in labels.masks:
        np.testing.assert_array_equal(coco_reader.coco_mask.decode(runs), mask)


@pytest.mark.parametrize("seed", range(5))
def test_any_mask_survives_its_text(coco_reader, seed):
    rng = np.random.default_rng(seed)
    mask = (cv2.blur(rng.random((67, 301)), (9, 9)) > 0.5).astype(np.uint8)
    runs = coco_reader.coco_mask.encode(np.asfortranarray(mask))
    given = {"size": [67, 301], "counts": runs["counts"].decode()}
    np.testing.assert_array_equal(coco_reader.mask_of(given, 67, 301), mask)


WRONG_MASKS = {
    "a polygon of 2 points": [[1, 2, 3, 4]],
    "a polygon of 0 points": [[]],
    "not x and y in turns": [[1, 2, 3, 4, 5, 6, 7]],
    "not x and y in turns: ['a']": [["a"]],
    "neither polygons nor run lengths: []": [],
    "neither polygons nor run lengths: None": None,
    "neither polygons nor run lengths: 'x'": "x",
    "run lengths of [40, 30], the image [30, 40]": {"size": [40, 30], "counts": [1200]},
    "run lengths of None": {"counts": [1200]},
    "run lengths of 1199 pixels, not 1200": {"size": [30, 40], "counts": [1000, 199]},
    "run lengths of 1200 pixels": {"size": [30, 40], "counts": [1300, -100]},
    "not run lengths: None": {"size": [30, 40], "counts": None},
    "not run lengths: [1.5]": {"size": [30, 40], "counts": [1.5]},
    "not run lengths: 'ä'": {"size": [30, 40], "counts": "ä"},
    "not run lengths: 'ooo": {"size": [30, 40], "counts": 40 * "o"},
    "run lengths of 0 pixels": {"size": [30, 40], "counts": ""},
}


@pytest.mark.parametrize("said", WRONG_MASKS)
def test_wrong_masks_are_named_with_annotation_and_cause(coco_reader, tmp_path, said):
    path = coco(tmp_path, [[8, 5, 30, 5, 30, 20]], WRONG_MASKS[said])
    with pytest.raises(SystemExit) as caught:
        coco_reader.read_dataset(path)
    first, second = str(caught.value).splitlines()
    assert first == f"{path}: 1 problems"
    assert second.startswith("  0.png: annotation 51: ") and said in second


def test_points_that_are_not_finite_are_named(coco_reader, tmp_path):
    path = coco(tmp_path, [[8, 5, 30, float("inf"), 30, 20]])
    with pytest.raises(SystemExit, match="annotation 50: a polygon of 3 points"):
        coco_reader.read_dataset(path)


def test_crowds_and_masks_without_area_are_left_out(coco_reader, tmp_path, capsys):
    (sample,) = coco_reader.read_dataset(coco(tmp_path, [[1, 1]], iscrowd=1))
    assert sample.labels["cells"].boxes.shape == (0, 4)
    flat = [[8, 5, 8, 5, 8, 5]], {"size": [30, 40], "counts": [1200]}
    (sample,) = coco_reader.read_dataset(coco(tmp_path, *flat))
    assert sample.labels["cells"].boxes.shape == (0, 4)
    assert "masks without area left out: 2" in capsys.readouterr().err


def test_huge_polygons_are_cut_off(coco_reader, tmp_path):
    path = coco(tmp_path, [[-1e9, -1e9, 1e9, -1e9, 1e9, 1e9, -1e9, 1e9]])
    (sample,) = coco_reader.read_dataset(path)
    assert sample.labels["cells"].boxes.tolist() == [[0, 0, 40, 30]]


# ---- Metrics ----


def found_as(words: ModuleType, instances, shift=0, score=0.9) -> list[dict]:
    """Predictions that equal the labels, but for their masks' place."""
    found = []
    for box, runs in zip(instances.boxes.tolist(), instances.masks):
        mask = np.roll(words.coco_mask.decode(runs), shift, 1)
        runs = words.coco_mask.encode(np.asfortranarray(mask))
        item = {"category": "a", "bbox": box, "mask": runs, "score": score}
        found.append(item)
    return found


def test_masks_and_boxes_are_scored_apart(words, data):
    truth = instances_of(data, corner(100, 140), corner(60, 60))._asdict()
    truth = words.Instances(**truth)
    perfect = words.instance_metrics([truth], [found_as(words, truth)], NAMES)
    assert perfect["ap"] == pytest.approx(1) and perfect["box_ap"] == pytest.approx(1)
    apart = found_as(words, truth, shift=9)
    shifted = words.instance_metrics([truth], [apart], NAMES)
    assert shifted["ap"] < 0.7 and shifted["box_ap"] == pytest.approx(1)
    assert set(perfect) == {
        *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large", "ar", "box_ap")
    }
    nothing = words.instance_metrics([truth], [[]], NAMES)
    assert set(nothing.values()) == {0.0}


# ---- Demo data ----


def test_the_demo_s_masks_are_read(emitted, tmp_path):
    shapes.draw_dataset(tmp_path / "shapes", train=12, validation=2)
    colors = list(shapes_masks.COLORS.values())
    head = HEAD | {"categories": list(shapes.CATEGORIES), "colors": colors}
    dataset = emitted(head, validation="val").dataset
    samples = dataset.read_dataset(tmp_path / "shapes" / "train")
    boxes = yaml.safe_load((tmp_path / "shapes" / "train" / "boxes.yaml").read_text())
    for sample in samples:
        labels, given = sample.labels["cells"], boxes[sample.path.name]
        assert labels.boxes.tolist() == [item["bbox"] for item in given]
        names = [shapes.CATEGORIES[i] for i in labels.classes]
        assert names == [item["category"] for item in given]
