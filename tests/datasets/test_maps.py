"""Images beside maps, in the arrangements that people have: found by `init`, and read
as they are."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import layouts_maps
import numpy as np
import pytest
from layouts_maps import meters, millimeters, numbers, values
from PIL import Image

from specc.build import analyze
from specc.cli import run_cli
from specc.datasets.emitted import load, read, words_of

pytestmark = pytest.mark.usefixtures("one_thread")

SEMANTIC = "semantic_segmentation"
INSTANCES, DEPTH = "instance_segmentation", "depth_estimation"
CLASSES = {"categories": ["class_0", "class_1", "class_2"], "values": [0, 1, 2]}
BINARY = {"categories": ["background", "foreground"], "values": [0, 255]}
NAMED = {"categories": ["background", "road", "sky"]}
COLORS = {"colors": [[0, 0, 0], [128, 0, 0], [0, 128, 0]]}


def init(task: str, folder: Path) -> dict:
    """The job of a task that is written in the current folder."""
    path = Path("job.json")
    path.unlink(missing_ok=True)
    assert run_cli(["init", task, "--data", str(folder)]) == 0
    job = json.loads(path.read_text("utf-8"))
    assert analyze(path.read_bytes())[2] == []
    return job


def first_of(job: dict, trained: int, held_out: int):
    """The modules, and the label of the first training image, drawn as words."""
    emitted = load(json.dumps(job).encode())
    reading = read(emitted, Path())
    assert not reading.problems and not reading.fatal and not reading.hopeless
    assert (len(reading.training), len(reading.validation)) == (trained, held_out)
    first = min(reading.training, key=lambda sample: sample.path.name)
    return first, next(iter(words_of(emitted, first).values()))


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def truth(first, *given: int) -> np.ndarray:
    """The map of an image, by the number at the end of its name."""
    digits = "".join(x for x in first.path.stem.split("_")[-1] if x.isdigit())
    return values(int(digits), *given).astype(np.int16)


# ---- Semantic masks ----


@pytest.mark.sample("as_carvana---", "one_folder---", rest="slow")
@pytest.mark.parametrize(
    "make, sets, options, layout",
    [
        (layouts_maps.index_masks, (5, 3), CLASSES | {"ignored": [255]}, {}),
        (layouts_maps.binary_masks, (7, 1), BINARY, {"label_ending": "_mask.png"}),
        (layouts_maps.one_folder, (7, 1), BINARY, {"label_ending": "_mask.png"}),
        (
            layouts_maps.twins,
            (7, 1),
            CLASSES,
            {"image_ending": ".jpg", "label_ending": ".png"},
        ),
        (
            layouts_maps.of_beginnings,
            (5, 3),
            CLASSES,
            {"image_beginning": "image_", "label_beginning": "mask_"},
        ),
        (
            layouts_maps.of_label_beginnings,
            (7, 1),
            CLASSES,
            {"label_beginning": "gt_"},
        ),
        (layouts_maps.as_camvid, (5, 3), CLASSES, {}),
        (
            layouts_maps.as_carvana,
            (5, 3),
            BINARY | {"values": [0, 1]},
            {"label_ending": "_mask.gif"},
        ),
        (layouts_maps.of_colors, (5, 3), NAMED | COLORS, {}),
        (
            layouts_maps.of_unnamed_colors,
            (7, 1),
            {"categories": ["class_0", "class_1", "class_2"]}
            | {"colors": [[0, 0, 0], [0, 128, 0], [128, 0, 0]]},
            {"label_ending": "_L.png"},
        ),
        (
            layouts_maps.of_codes,
            (7, 1),
            {"categories": ["Road", "Sky"], "values": [0, 1], "ignored": [2]},
            {"label_ending": "_P.png"},
        ),
        (layouts_maps.as_voc, (5, 3), CLASSES | {"ignored": [255]}, {}),
        (
            layouts_maps.as_cvat,
            (7, 1),
            {"categories": ["background", "cat", "dog"], "values": [0, 1, 2]},
            {},
        ),
    ],
    ids=lambda x: getattr(x, "__name__", ""),
)
def test_semantic_masks_are_found_and_read(place, make, sets, options, layout):
    job = init(SEMANTIC, make(Path("streets")))
    assert job["data"]["format"] == "maps"
    (head,) = job["model"]["heads"]
    assert head == {"task": SEMANTIC} | options
    named = ("beginning", "ending")
    names = {k: v for k, v in job["data"]["layout"].items() if k.endswith(named)}
    assert names == layout
    first, categories = first_of(job, *sets)
    known = (
        [head["values"].index(v) if v in head["values"] else -1 for v in (0, 1, 2)]
        if "values" in head
        else [0, 1, 2]
    )
    if make is layouts_maps.of_unnamed_colors:
        known = [0, 2, 1]
    if make in (
        layouts_maps.binary_masks,
        layouts_maps.one_folder,
        layouts_maps.as_carvana,
    ):
        expected = truth(first, 0, 1)
    elif make in (layouts_maps.index_masks, layouts_maps.as_voc):
        expected = truth(first, 0, 1, 2, 255)
    else:
        expected = truth(first, 0, 1, 2)
    table = np.full(256, -1)
    table[: len(known)] = (
        known if len(head["categories"]) > 2 or "ignored" in head else [0, 1, 1]
    )
    np.testing.assert_array_equal(categories, table[expected])


def test_the_current_folder_may_hold_images_and_masks(place):
    job = init(SEMANTIC, layouts_maps.one_folder(Path()))
    assert (job["data"]["train"], job["data"]["layout"]["train_labels"]) == (".", ".")
    first_of(job, 7, 1)


@pytest.mark.slow
def test_train_ids_of_cityscapes_are_taken(place):
    job = init(SEMANTIC, layouts_maps.as_cityscapes(Path("city")))
    layout = job["data"]["layout"]
    assert layout["image_ending"] == "_leftImg8bit.png"
    assert layout["label_ending"] == "_gtFine_labelTrainIds.png"
    (head,) = job["model"]["heads"]
    assert head["values"] == [0, 1, 2] and head["ignored"] == [255]
    emitted = load(json.dumps(job).encode())
    reading = read(emitted, Path())
    assert [len(reading.training), len(reading.validation)] == [5, 3]
    found = words_of(emitted, reading.training[0])[SEMANTIC]
    expected = values(0, 255, 0, 1, 2).astype(int)
    np.testing.assert_array_equal(found, np.where(expected == 255, -1, expected))


# ---- Depth, instances, anomalies ----


@pytest.mark.sample("of_floats-None-None", rest="slow")
@pytest.mark.parametrize(
    "make, unit, scale",
    [
        (layouts_maps.of_millimeters, 0.001, 0.001),
        (layouts_maps.of_arrays, None, None),
        (layouts_maps.of_floats, None, None),
        (layouts_maps.of_arrays_in_one_folder, None, None),
        (layouts_maps.as_kitti, 1 / 256, 1 / 256),
    ],
)
def test_depths_are_in_meters(place, make, unit, scale):
    job = init(DEPTH, make(Path("rooms")))
    (head,) = job["model"]["heads"]
    assert head.get("unit") == unit
    first, depth = first_of(
        job, *((5, 3) if make is layouts_maps.of_millimeters else (7, 1))
    )
    number = int(first.path.stem.split("_")[-1])
    expected = meters(number) if scale is None else millimeters(number) * scale
    unknown = ~(expected > 0)
    assert (depth[unknown] == -1).all()
    np.testing.assert_allclose(depth[~unknown], expected[~unknown], rtol=1e-6)
    low, high = head["range"]
    assert low <= expected[~unknown].min() and expected[~unknown].max() <= high


@pytest.mark.slow
@pytest.mark.parametrize("task", [INSTANCES, "object_detection"])
def test_each_number_is_an_instance(place, task):
    job = init(task, layouts_maps.of_numbers(Path("cells")))
    assert job["model"]["heads"][0]["categories"] == ["object"]
    first, found = first_of(job, 7, 1)
    pixels = numbers(int(first.path.stem))
    assert len(found) == len(np.unique(pixels)) - 1
    for item in found:
        left, top, right, bottom = map(int, item["bbox"])
        assert (right - left, bottom - top) == (12, 8)
        assert len(np.unique(pixels[top:bottom, left:right])) == 1


@pytest.mark.slow
@pytest.mark.parametrize("task", [INSTANCES, "object_detection"])
def test_each_file_of_a_folder_is_an_instance(place, task):
    job = init(task, layouts_maps.as_bowl(Path("bowl")))
    assert job["data"]["layout"] == {"label_folder": "masks"}
    assert job["data"]["train"] == "bowl/stage1_train"
    assert "validation" not in job["data"]
    first, found = first_of(job, 4, 1)
    pixels = numbers(int(first.path.stem[1:]))
    boxes = {tuple(map(int, item["bbox"])) for item in found}
    assert len(boxes) == len(found) == 6
    for left, top, right, bottom in boxes:
        assert (right - left, bottom - top) == (12, 8)
        assert len(np.unique(pixels[top:bottom, left:right])) == 1


@pytest.mark.slow
def test_mvtec_trains_on_good_parts_and_is_measured_on_all(place):
    job = init("anomaly_detection", layouts_maps.as_mvtec(Path("bottle")))
    assert job["data"]["layout"]["label_ending"] == "_mask.png"
    emitted = load(json.dumps(job).encode())
    reading = read(emitted, Path())
    assert not reading.problems and not reading.fatal
    assert {x.path.parent.name for x in reading.training} == {"good"}
    kinds = {
        x.path.parent.name: x.labels["anomaly_detection"] for x in reading.validation
    }
    assert {k: x.anomalous for k, x in kinds.items()} == {
        "good": False,
        "broken": True,
        "dirt": True,
    }
    sample = next(x for x in reading.validation if x.path.parent.name == "dirt")
    words = words_of(emitted, sample)["anomaly_detection"]
    mask = values(int(sample.path.stem), 0, 255) > 0
    np.testing.assert_array_equal(words["map"] > 0, mask)


# ---- What is refused, and what is told ----


def refusal(capsys, task: str, folder: Path) -> str:
    assert run_cli(["init", task, "--data", str(folder), "--force"]) == 1
    return capsys.readouterr().err


def test_colors_are_told_as_colors(place, capsys):
    """A pair of keypoints is told as `left - right`; the parts of a color are no range."""
    init(SEMANTIC, layouts_maps.of_colors(Path("streets")))
    said = capsys.readouterr().out
    assert "colors       (0, 0, 0), (128, 0, 0), (0, 128, 0)\n" in said


def test_images_and_masks_are_no_two_classes(place, capsys):
    said = refusal(capsys, "multiclass_classification", layouts_maps.twins(Path("a")))
    layouts_maps.places("a/{n}.png", "b/{n}.png")(Path("c"), lambda n: values(n, 0, 1))
    said = refusal(capsys, "multiclass_classification", Path("c"))
    assert "holds images and maps of them, no categories" in said


def test_classes_with_equal_names_are_no_maps(place):
    for number in range(6):
        layouts.save(Path("pets", "cat", f"{number}.png"), number)
        layouts.save(Path("pets", "dog", f"{number}.png"), 100 + number)
    job = init("multiclass_classification", Path("pets"))
    assert job["model"]["heads"][0]["categories"] == ["cat", "dog"]


def test_masks_as_jpeg_are_refused_with_the_pixel(place, capsys):
    make = layouts_maps.places("images/{n}.jpg", "masks/{n}.jpg")
    said = refusal(capsys, SEMANTIC, make(Path("a"), lambda n: values(n, 0, 255)))
    assert "masks/0.jpg: a value of" in said and "export them as PNG" in said


def test_depths_that_cannot_be_read_are_named(place, capsys):
    bytes_ = layouts_maps.places("images/{n}.png", "depth/{n}.png")
    made = bytes_(Path("a"), lambda n: (millimeters(n) // 16).astype(np.uint8))
    assert "depths of 8 bits, whose unit nothing tells" in refusal(capsys, DEPTH, made)
    layouts_maps.of_arrays(Path("b"))
    for path in list(Path("b", "depth").iterdir()):
        path.rename(path.with_suffix(".exr"))
    said = refusal(capsys, DEPTH, Path("b"))
    assert "b/depth/0.exr: OpenCV's packages do not read OpenEXR" in said
    assert "help: pip install OpenEXR && python -c " in said
    assert "in sys.argv[1:]]' b/depth/*.exr\n" in said
    for path in list(Path("b", "depth").iterdir()):
        path.rename(path.with_suffix(".pfm"))
    assert "write them as TIFF of float32, in meters" in refusal(
        capsys, DEPTH, Path("b")
    )


@pytest.mark.parametrize("kind", [str, bool, complex])
def test_arrays_of_no_depths_are_refused(place, capsys, kind):
    make = layouts_maps.places("images/{n}.png", "depth/{n}.npy")
    folder = make(Path("rooms"), lambda n: millimeters(n).astype(kind))
    said = refusal(capsys, DEPTH, folder)
    assert "rooms/depth/0.npy: its pixels cannot be read" in said


def test_parts_without_masks_are_refused(place, capsys):
    folder = layouts_maps.as_mvtec(Path("bottle"))
    (folder / "ground_truth" / "dirt" / "000_mask.png").rename(folder / "x.png")
    said = refusal(capsys, "anomaly_detection", folder)
    assert "no mask of this name" in said


@pytest.fixture
def found(place) -> tuple[dict, Path]:
    folder = layouts_maps.index_masks(Path("streets"))
    return init(SEMANTIC, folder), folder


def reading_of(job: dict):
    emitted = load(json.dumps(job).encode())
    return emitted, read(emitted, Path())


def test_a_value_of_no_category_is_named_with_its_pixel(found):
    job, folder = found
    pixels = values(0, 0, 1)
    pixels[7, 9] = 33
    Image.fromarray(pixels).save(folder / "masks" / "train" / "0.png")
    emitted, reading = reading_of(job)
    with pytest.raises(
        ValueError, match=r"0.png: no category has the value 33 at x 9, y 7: add it"
    ):
        words_of(emitted, reading.training[0])


def test_what_lacks_its_other_half_is_counted(found):
    job, folder = found
    (folder / "masks" / "train" / "0.png").unlink()
    (folder / "images" / "train" / "1.jpg").unlink()
    _, reading = reading_of(job)
    assert len(reading.training) == 3
    assert reading.counts == {
        "images left out: they have no map": 1,
        "maps left out: they have no image": 1,
    }


def test_maps_of_another_shape_or_of_no_image_are_problems(found):
    job, folder = found
    Image.fromarray(values(0, 0, 1)[:, :30]).save(folder / "masks" / "train" / "0.png")
    (folder / "masks" / "train" / "1.png").write_text("none")
    problems = reading_of(job)[1].problems
    assert len(problems) == 2
    assert "another aspect ratio" in problems[0] and "30x48" in problems[0]
    assert "its map is not an image" in problems[1]


def test_no_pair_at_all_is_said_with_both_folders(found):
    job, folder = found
    for path in list((folder / "masks" / "train").iterdir()):
        path.rename(path.with_name(f"other{path.name}"))
    fatal = reading_of(job)[1].fatal
    assert "5 images in streets/images/train, 5 maps in streets/masks/train" in fatal
    assert "no two of one name: 0 and other0" in fatal
