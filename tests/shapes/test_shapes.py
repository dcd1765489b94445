"""The demo's dataset: same bytes for a seed, tight boxes, the native layout."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image, ImageSequence

from specc.resources import install
from specc.shapes.dataset import draw_dataset, keypoints, quadrilaterals
from specc.shapes.maps import COLORS, category_map, depth_map
from specc.shapes.scene import Background, Scene, Shape, coverage, draw, sample_scene
from specc.shapes.scene import boxes as drawn_boxes
from specc.shapes.scene import owners as drawn_owners


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shapes") / "data"
    draw_dataset(folder, train=40, validation=10)
    return folder


@pytest.fixture(scope="module")
def scenes():
    return [sample_scene(np.random.default_rng([7, i])) for i in range(40)]


def digests(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def read(path):
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.mark.slow
def test_equal_seeds_give_equal_bytes(dataset, tmp_path):
    draw_dataset(tmp_path / "again", train=40, validation=10)
    assert digests(tmp_path / "again") == digests(dataset)


def test_another_seed_gives_other_images(tmp_path):
    for seed in (0, 1):
        draw_dataset(tmp_path / str(seed), train=2, validation=1, seed=seed)
    first, second = (digests(tmp_path / name) for name in ("0", "1"))
    name = "train/images/shapes_00000.jpg"
    assert first[name] != second[name]
    assert first[name] != first["val/images/shapes_00000.jpg"]


def test_a_larger_set_begins_with_the_smaller(dataset, tmp_path):
    draw_dataset(tmp_path / "small", train=3, validation=1)
    expected = digests(dataset)
    for name, digest in digests(tmp_path / "small").items():
        if name.endswith(".jpg"):
            assert digest == expected[name]


@pytest.mark.slow
def test_boxes_are_tight_around_the_drawn_pixels(scenes):
    """Removing a shape changes pixels up to its box, within a smooth edge of 1 px."""
    for scene in scenes:
        front = scene.shapes[-1:]  # nothing hides the front shape: all of it is seen
        if not front:
            continue
        without = replace(scene, shapes=scene.shapes[:-1])
        difference = np.abs(draw(scene).astype(int) - draw(without))
        rows, columns = np.nonzero(difference.sum(axis=2))
        drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
        box = drawn_boxes(scene)[-1]
        assert box["category"] == front[0].category
        assert np.abs(np.subtract(box["bbox"], drawn)).max() <= 2
        inner = np.array(drawn) - box["bbox"]
        assert (inner[:2] <= 0).all() and (inner[2:] >= 0).all()


def test_boxes_follow_the_outline_of_an_unclipped_shape():
    shape = Shape("square", (50.0, 40.0), 20.0, 0.0, (255, 0, 0))
    background = Background("plain", ((0, 0, 0), (9, 9, 9)), 20.0, 0.0)
    scene = Scene(80, 100, background, (shape,), 0)
    assert drawn_boxes(scene)[0]["bbox"] == pytest.approx([30, 20, 70, 60], abs=1)


def test_a_shape_in_front_clips_the_box_behind():
    behind = Shape("circle", (40.0, 40.0), 20.0, 0.0, (255, 0, 0))
    front = Shape("square", (75.0, 40.0), 40.0, np.pi / 4, (0, 255, 0))
    background = Background("plain", ((0, 0, 0), (9, 9, 9)), 20.0, 0.0)
    scene = Scene(80, 120, background, (behind, front), 0)
    edge = 75 - 40 * np.cos(np.pi / 4)  # left side of the square
    assert drawn_boxes(scene)[0]["bbox"] == pytest.approx([20, 20, edge, 60], abs=1)
    hidden = replace(front, center=(40.0, 40.0))
    assert len(drawn_boxes(replace(scene, shapes=(behind, hidden)))) == 1


def test_separate_shapes_are_whole_and_do_not_touch():
    several = 0
    for seed in range(40):
        scene = sample_scene(np.random.default_rng([9, seed]), separate=True)
        parts = [coverage(shape, scene.height, scene.width) for shape in scene.shapes]
        assert np.count_nonzero(parts, axis=0).max(initial=0) <= 1
        for shape, part in zip(scene.shapes, parts):
            far = replace(shape, center=(200.0, 200.0))
            assert part.sum() == pytest.approx(coverage(far, 400, 400).sum(), rel=0.01)
        several += len(parts) > 1
    assert several >= 10


def test_boxes_lie_inside_the_image_and_some_touch_its_border(dataset):
    touching = 0
    for name, found in read(dataset / "train" / "boxes.yaml").items():
        height, width = cv2.imread(str(dataset / "train" / "images" / name)).shape[:2]
        for box in found:
            xmin, ymin, xmax, ymax = box["bbox"]
            assert 0 <= xmin < xmax <= width and 0 <= ymin < ymax <= height
            touching += xmin == 0 or ymin == 0 or xmax == width or ymax == height
    assert touching > 0


def by_task(folder: Path) -> dict[str, dict]:
    return {entry["task"]: entry for entry in read(folder / "metadata.yaml")}


def scene_of(*drawn: Shape) -> Scene:
    background = Background("plain", ((0, 0, 0), (9, 9, 9)), 20.0, 0.0)
    return Scene(80, 120, background, drawn, 0)


def test_keypoints_are_where_a_shape_reaches_farthest():
    """Null outside the image and behind another shape."""
    circle = Shape("circle", (40.0, 30.0), 20.0, 0.0, (255, 0, 0))
    front = Shape("square", (65.0, 30.0), 14.0, np.pi / 4, (0, 255, 0))
    (alone,) = keypoints(scene_of(circle))
    expected = {"center": [40, 30], "top": [40, 10], "right": [60, 30]}
    expected |= {"bottom": [40, 50], "left": [20, 30]}
    assert list(alone) == list(expected)
    for name, place in expected.items():
        assert alone[name] == pytest.approx(place, abs=0.1)
    behind, _ = keypoints(scene_of(circle, front))
    assert behind == alone | {"right": None}
    (cut,) = keypoints(scene_of(replace(circle, center=(40.0, 10.0))))
    assert cut["top"] is None and cut["center"] == [40, 10]
    cover = replace(front, radius=60.0, center=(40.0, 30.0))
    assert len(keypoints(scene_of(circle, cover))) == 1


def test_corners_of_squares_go_clockwise_from_the_top_left():
    """They may lie outside the image; hidden squares have none."""
    square = Shape("square", (100.0, 30.0), 40.0, np.pi / 4, (255, 0, 0))
    circle = Shape("circle", (40.0, 30.0), 20.0, 0.0, (255, 0, 0))
    (found,) = quadrilaterals(scene_of(circle, square))
    left, top, right, bottom = np.array([100, 30, 100, 30]) + np.array(
        [-1, -1, 1, 1]
    ) * 40 * np.cos(np.pi / 4)
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    assert found["category"] == "square" and right > 120
    np.testing.assert_allclose(found["quadrilateral"], corners, atol=0.01)
    hidden = replace(square, radius=5.0, center=(40.0, 30.0))
    assert quadrilaterals(scene_of(hidden, circle)) == []


def test_the_layout_is_native(dataset):
    assert sorted(path.name for path in dataset.iterdir()) == [
        "shapes.json",
        "train",
        "val",
    ]
    for split, count in (("train", 40), ("val", 10)):
        folder = dataset / split
        images = {path.name for path in (folder / "images").iterdir()}
        assert len(images) == count
        stems = {Path(name).stem for name in images}
        entries = read(folder / "metadata.yaml")
        assert len(entries) == len({entry["annotations"] for entry in entries}) > 2
        for entry in entries:
            path = folder / entry["annotations"]
            if path.is_dir():
                assert {file.stem for file in path.iterdir()} == stems
            else:
                assert set(read(path)) == images


@pytest.mark.slow
def test_every_category_occurs_and_some_images_are_empty(dataset):
    folder = dataset / "train"
    detection, classification, *_ = read(folder / "metadata.yaml")
    boxes = read(folder / detection["annotations"])
    seen = {box["category"] for found in boxes.values() for box in found}
    assert seen == set(detection["categories"])
    assert [] in boxes.values()
    backgrounds = read(folder / classification["annotations"])
    assert set(backgrounds.values()) == set(classification["categories"])


def test_maps_show_what_the_scene_does():
    scene = sample_scene(np.random.default_rng(3))
    covered = [coverage(s, scene.height, scene.width) for s in scene.shapes]
    categories = category_map(scene, covered)
    owners = drawn_owners(scene)
    colors = [COLORS[shape.category] for shape in scene.shapes]
    expected = np.uint8([*colors, COLORS["background"]])[owners]
    edge = (categories == 0).all(-1)
    assert 0 < edge.mean() < 0.1 and len(colors) > 1
    assert (categories == expected)[~edge].all()
    depths = depth_map(scene, covered)
    assert depths.shape == (scene.height // 2, scene.width // 2)
    assert depths.dtype == np.uint16 and set(np.unique(depths)[:2]) == {0, 1}
    nearest = max(scene.shapes, key=lambda shape: shape.radius)
    share = (4.0 - min(4.0, 0.5 * 60 / nearest.radius)) / 3.5
    assert depths.max() == 1 + round(65534 * share)


@pytest.mark.slow
def test_sizes_vary_and_are_not_square(scenes):
    sizes = {(scene.height, scene.width) for scene in scenes}
    assert len(sizes) > 30
    assert sum(height != width for height, width in sizes) > 0.9 * len(sizes)
    for scene in scenes:
        assert draw(scene).shape == (scene.height, scene.width, 3)


def test_an_earlier_dataset_is_kept(dataset):
    before = digests(dataset)
    draw_dataset(dataset, train=40, validation=10)
    assert digests(dataset) == before


def test_a_dataset_of_other_numbers_is_refused(dataset):
    with pytest.raises(FileExistsError, match="drawn with other numbers"):
        draw_dataset(dataset, train=41, validation=10)


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="name an empty folder"):
        draw_dataset(tmp_path, train=1, validation=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_missing_extra_is_named():
    code = "import sys; sys.modules['cv2'] = None; import specc.shapes"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "cv2 is missing" in result.stderr
    assert install("train") in result.stderr


@pytest.mark.slow
def test_the_masks_are_what_the_boxes_are_around(dataset):
    folder = dataset / "train"
    entry = by_task(folder)["instance segmentation"]
    names = {tuple(color): name for name, color in entry["colors"].items()}
    for name, boxes in read(folder / "boxes.yaml").items():
        with Image.open((folder / "masks" / name).with_suffix(".tif")) as file:
            pages = [np.asarray(page) for page in ImageSequence.Iterator(file)]
        seen = [page for page in pages if page.any()]
        assert len(seen) == len(boxes) and len(pages) == max(1, len(boxes))
        for page, box in zip(seen, boxes):
            rows, columns = page.any(2).nonzero()
            assert names[tuple(page[rows[0], columns[0]])] == box["category"]
            extent = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert extent == box["bbox"]
