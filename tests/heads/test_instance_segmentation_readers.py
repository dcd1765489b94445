"""Readers of masks: native pages, COCO's polygons and run lengths, and wrong ones."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import yaml
from emitted_jobs import NAMES
from instance_jobs import COLORS, HEAD
from PIL import Image
from small_data import picture

from specc.shapes import masks
from specc.shapes.dataset import draw_dataset
from specc.shapes.scene import CATEGORIES

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
            masks.write_pages(folder / "masks" / f"{stem}.tif", of_image)
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
        "c": [painted(15, 20, part=(slice(3, 9), slice(4, 10)))],  # half the size
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
    assert first == f"{folder}: problems: 1"
    assert second.startswith("  wrong.png: ") and said in second
    assert "wrong.tif" in second or not WRONG_PAGES[said]


@pytest.mark.parametrize("content", [b"", b"II*\0", b"no tiff", b"\x89PNG\r\n\x1a\n"])
def test_files_that_are_no_tiff_are_named(reader, tmp_path, content):
    folder = dataset_of(tmp_path, {"fine": [painted()], "wrong": [painted()]})
    (folder / "masks" / "wrong.tif").write_bytes(content)
    with pytest.raises(SystemExit, match="problems: 1\n  wrong.png: .*wrong.tif"):
        reader.read_dataset(folder)


def test_a_bomb_is_refused_unread(reader, tmp_path, monkeypatch):
    folder = dataset_of(tmp_path, {"fine": [painted()]})
    monkeypatch.setattr(reader, "MOST_PIXELS", 1199)
    with pytest.raises(ValueError, match="more than 1,199 pixels"):
        reader.parse_pages(folder / "masks" / "fine.tif", (), 30, 40)


def test_masks_without_an_image_are_named(reader, tmp_path):
    folder = dataset_of(tmp_path, {"fine": [painted()]})
    masks.write_pages(folder / "masks" / "alone.tif", [painted()])
    with pytest.raises(SystemExit, match="problems: 1\n  alone.tif: "):
        reader.read_dataset(folder)


@pytest.mark.parametrize("colors", [{"b": [0, 255, 0]}, [1], None])
def test_each_category_has_a_color(reader, tmp_path, colors):
    folder = dataset_of(tmp_path, {"fine": [painted()]}, colors=colors)
    with pytest.raises(SystemExit, match=r"no \[red, green, blue\] for a"):
        reader.read_dataset(folder)


def test_masks_that_the_job_does_not_name_are_left_out(reader, tmp_path, capsys):
    other = painted(color=(1, 2, 3), part=(slice(25, 28), slice(0, 4)))
    colors = dict(zip(NAMES, map(list, COLORS))) | {"other": [1, 2, 3]}
    names = {"categories": [*NAMES, "other"], "colors": colors}
    folder = dataset_of(tmp_path, {"two": [other, painted()]}, **names)
    [sample] = reader.read_dataset(folder)
    assert sample.labels["cells"].classes.tolist() == [0]
    assert sample.labels["cells"].boxes.tolist() == [[8, 5, 30, 20]]
    assert "not named by the job, unknown in maps: other" in capsys.readouterr().err


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


def test_polygons_and_run_lengths_are_read(coco_reader, tmp_path, capsys):
    """They say the same, so that one object remains."""
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
    assert "equal objects left out: 2" in capsys.readouterr().err
    (runs,) = sample.labels["cells"].masks
    np.testing.assert_array_equal(coco_reader.coco_mask.decode(runs), mask)
    for one in given:
        (sample,) = coco_reader.read_dataset(coco(tmp_path, one))
        labels = sample.labels["cells"]
        assert labels.classes.tolist() == [1]
        assert labels.boxes.tolist() == [[3, 5, 30, 25]] and labels.masks == (runs,)


@pytest.mark.parametrize("seed", range(5))
def test_any_mask_survives_its_text(coco_reader, seed):
    rng = np.random.default_rng(seed)
    mask = (cv2.blur(rng.random((67, 301)), (9, 9)) > 0.5).astype(np.uint8)
    runs = coco_reader.coco_mask.encode(np.asfortranarray(mask))
    given = {"size": [67, 301], "counts": runs["counts"].decode()}
    assert coco_reader.mask_runs(given, 67, 301) == runs


WRONG_MASKS = {
    "a polygon of 2 points": [[1, 2, 3, 4]],
    "a polygon of 0 points": [[]],
    "not x and y in turns": [[1, 2, 3, 4, 5, 6, 7]],
    "not x and y in turns: ['a']": [["a"]],
    "neither polygons nor run lengths: []": [],
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
    assert first == f"{path}: problems: 1"
    assert second.startswith("  0.png: annotation 51: ") and said in second


def test_points_that_are_not_finite_are_named(coco_reader, tmp_path):
    path = coco(tmp_path, [[8, 5, 30, float("inf"), 30, 20]])
    with pytest.raises(SystemExit, match="annotation 50: a polygon of 3 points"):
        coco_reader.read_dataset(path)


def test_masks_without_area_are_left_out(coco_reader, tmp_path, capsys):
    flat = [[8, 5, 8, 5, 8, 5]], {"size": [30, 40], "counts": [1200]}
    (sample,) = coco_reader.read_dataset(coco(tmp_path, *flat))
    assert sample.labels["cells"].boxes.shape == (0, 4)
    assert "masks without area left out: 2" in capsys.readouterr().err


def test_huge_polygons_are_cut_off(coco_reader, tmp_path):
    path = coco(tmp_path, [[-1e9, -1e9, 1e9, -1e9, 1e9, 1e9, -1e9, 1e9]])
    (sample,) = coco_reader.read_dataset(path)
    assert sample.labels["cells"].boxes.tolist() == [[0, 0, 40, 30]]


# ---- Demo data ----


@pytest.mark.slow
def test_the_demo_s_masks_are_read(emitted, tmp_path):
    draw_dataset(tmp_path / "shapes", train=12, validation=2)
    colors = list(masks.COLORS.values())
    head = HEAD | {"categories": list(CATEGORIES), "colors": colors}
    dataset = emitted(head, validation="val").dataset
    samples = dataset.read_dataset(tmp_path / "shapes" / "train")
    boxes = yaml.safe_load((tmp_path / "shapes" / "train" / "boxes.yaml").read_text())
    for sample in samples:
        labels, given = sample.labels["cells"], boxes[sample.path.name]
        assert labels.boxes.tolist() == [item["bbox"] for item in given]
        names = [CATEGORIES[i] for i in labels.classes]
        assert names == [item["category"] for item in given]
