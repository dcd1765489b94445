"""Panoptic segmentation: segments from the annotation to the prediction, and its score."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import yaml
from emitted_jobs import MODEL_SIZE, load, load_all, make
from instance_jobs import PANOPTIC
from PIL import Image
from predictions import certain, predictions_for
from small_data import picture

from specc.shapes.dataset import draw_dataset
from specc.shapes.masks import write_pages

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = MODEL_SIZE
SKY, CAR, ROAD, PERSON = range(4)
NAMES = ("sky", "car", "road", "person")
COLORS = ((70, 130, 180), (0, 0, 142), (128, 64, 128), (220, 20, 60))
HEAD = {
    "name": "street",
    "task": "panoptic_segmentation",
    "categories": NAMES,
    "things": ("car", "person"),
    "colors": COLORS,
    "layers": 1,
    "channels": 16,
}


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("panoptic"), [HEAD])
    return load_all(folder, "model", "dataset", "data", "evaluate", "draw")


# ---- From logits to segments ----


def drawing(model: ModuleType, boxes: dict[tuple, int], horizon: int):
    """Predictions of things that fill their boxes, the best first; above the horizon is
    sky, below it road; both in pixels of the canvas."""
    seen, pixels = {}, torch.zeros(HEIGHT, WIDTH)
    for (left, top, right, bottom), kind in boxes.items():
        middle = (left + right) / 2, (top + bottom) / 2
        seen[middle] = (kind, left, top, right, bottom)
        pixels[top:bottom, left:right] = 1
    objects = certain(predictions_for(model, (HEIGHT, WIDTH)), seen)
    c = model.MASK_CHANNELS
    features = torch.zeros(1, c, HEIGHT // 4, WIDTH // 4)
    features[0, 0] = torch.nn.functional.avg_pool2d(pixels[None], 4)
    kernels = torch.zeros(1, objects.logits.shape[1], c * c + 4 * c + 1)
    kernels[..., 0] = kernels[..., c * c + 3 * c] = 1
    kernels[..., -1] = -0.4
    instances = model.InstancePredictions(
        objects, kernels, features, model.Grid(4)(features)[0]
    )
    stuff = torch.zeros(1, 3, HEIGHT // 8, WIDTH // 8)
    stuff[:, 1, : horizon // 8] = stuff[:, 2, horizon // 8 :] = 5
    return model.PanopticPredictions(instances, stuff)


@pytest.mark.parametrize("size", [(96, 160), (192, 320), (120, 500), (700, 300)])
def test_segments_lie_where_they_belong(modules, size):
    model, words = modules.model, modules.evaluate
    fitted = model.fit(*size)
    unit = min(fitted) // 8
    boxes = {
        (unit, unit, 3 * unit, 4 * unit): 0,
        (4 * unit, 2 * unit, 7 * unit, 6 * unit): 1,
    }
    outputs = drawing(model, boxes, horizon=8 * round(fitted[0] / 16))
    network = model.Segmenter().eval()
    network.register_forward_hook(lambda *_: outputs)
    found = model.predict(network, torch.zeros(1, 3, *size, dtype=torch.uint8))[
        "street"
    ]
    assert found["categories"].shape == found["instances"].shape == (1, *size)

    sample = words.Sample(Path("x.png"), *size, {})
    said = words.to_annotations(model.decode(outputs), 0, sample, fitted)["street"]
    for name in ("categories", "instances"):
        np.testing.assert_array_equal(said[name], found[name][0].numpy())
    assert len(said["scores"]) == 2
    y = (np.arange(size[0])[:, None] + 0.5) * fitted[0] / size[0]
    x = (np.arange(size[1]) + 0.5) * fitted[1] / size[1]
    for number, ((left, top, right, bottom), kind) in enumerate(boxes.items(), 1):
        inside = (x > left) & (x < right) & (y > top) & (y < bottom)
        drawn = said["instances"] == number
        assert (drawn & inside).sum() > 0.9 * (drawn | inside).sum()
        assert set(said["categories"][drawn]) == {(CAR, PERSON)[kind]}
    outside = said["instances"] == 0
    assert set(said["categories"][outside]) == {SKY, ROAD}
    assert said["categories"][0, 0] == SKY and said["categories"][-1, -1] == ROAD


def test_better_instances_lie_on_top_and_hidden_ones_are_left_out(modules):
    boxes = {
        (16, 16, 64, 64): 0,
        (24, 16, 72, 64): 1,  # most of it is hidden
        (48, 16, 96, 64): 1,  # two thirds of it are seen
    }
    outputs = drawing(modules.model, boxes, horizon=48)
    sample = modules.evaluate.Sample(Path("x.png"), HEIGHT, WIDTH, {})
    decoded = modules.model.decode(outputs)
    said = modules.evaluate.to_annotations(decoded, 0, sample, (HEIGHT, WIDTH))[
        "street"
    ]
    assert len(said["scores"]) == 3
    assert set(np.unique(said["instances"])) == {0, 1, 3}
    assert (said["instances"][20:60, 20:60] == 1).all()
    assert (said["instances"][20:60, 68:92] == 3).all()


def test_little_stuff_is_left_out(modules):
    outputs = drawing(modules.model, {}, horizon=0)
    alone = outputs.stuff.clone()
    alone[:, :, -1, -1] = torch.tensor([0, 5, 0])  # a cell of sky, 0.4 % of the road
    sample = modules.evaluate.Sample(Path("x.png"), HEIGHT, WIDTH, {})
    decoded = modules.model.decode(outputs._replace(stuff=alone))
    said = modules.evaluate.to_annotations(decoded, 0, sample, (HEIGHT, WIDTH))[
        "street"
    ]
    assert set(np.unique(said["categories"])) == {-1, ROAD}
    assert (said["categories"] == -1).sum() <= 64
    assert said["scores"] == [] and not said["instances"].any()


# ---- From annotations to targets ----


def segments(data: ModuleType, maps: list[tuple[int, np.ndarray]]):
    masks = [data.coco_mask.encode(np.asfortranarray(m, np.uint8)) for _, m in maps]
    boxes = data.coco_mask.toBbox(masks).reshape(-1, 4).astype(np.float32)
    boxes[:, 2:] += boxes[:, :2]
    classes = np.array([kind for kind, _ in maps], np.int64)
    return data.Instances(boxes, classes, tuple(masks))


def street(height=HEIGHT, width=WIDTH) -> list[tuple[int, np.ndarray]]:
    """Sky, road, two cars and a person; nothing is known of the lowest rows."""
    kinds = np.full((height, width), -1)
    kinds[: height // 2], kinds[height // 2 : height - 8] = SKY, ROAD
    numbers = np.zeros((height, width), int)
    for number, (kind, left) in enumerate([(CAR, 8), (CAR, 48), (PERSON, 100)], 1):
        kinds[height // 3 : height // 3 * 2, left : left + 32] = kind
        numbers[height // 3 : height // 3 * 2, left : left + 32] = number
    found = [(kind, (kinds == kind) & (numbers == 0)) for kind in (SKY, ROAD)]
    return found + [(kinds[numbers == n][0], numbers == n) for n in (1, 2, 3)]


def test_things_and_stuff_become_targets(modules):
    data, model = modules.data, modules.model
    still = data.Transform(np.float32([1, 1]), np.zeros(2, np.float32))
    given = segments(data, street())
    grids, stuff = data.moved_panoptic(given, still, model.THINGS, model.STUFF, 4)
    assert grids.classes.tolist() == [0, 0, 1]  # among the things
    assert grids.boxes.tolist()[0] == [8, 32, 40, 64]
    assert stuff.shape == (HEIGHT // 4, WIDTH // 4)
    assert stuff[0, 0] == 1 and stuff[-4, -1] == 2  # sky and road
    assert stuff[10, 4] == 0 and stuff[-1, 0] == -1  # a car, and what is unknown
    stacked = data.stack_panoptic([(grids, stuff), (grids, stuff)])
    assert stacked["stuff"].shape == (2, *stuff.shape)
    assert stacked["boxes"].shape == (2, 16, 4)


def test_the_right_maps_have_little_loss(modules):
    data, model = modules.data, modules.model
    still = data.Transform(np.float32([1, 1]), np.zeros(2, np.float32))
    nothing = segments(data, street()[:2])
    placed = data.moved_panoptic(nothing, still, model.THINGS, model.STUFF, 4)
    targets = data.stack_panoptic([placed])
    outputs = drawing(model, {}, horizon=48)
    # Where the things would be, nothing is known.
    right = model.panoptic_loss(
        outputs._replace(stuff=4 * outputs.stuff), targets, 2.0, 1.0
    )
    wrong = model.panoptic_loss(
        outputs._replace(stuff=-outputs.stuff), targets, 2.0, 1.0
    )
    assert right["stuff"] < 0.2 and wrong["stuff"] > 2
    assert right["mask"] == 0
    assert set(right) == {"class", "box", "bins", "mask", "stuff"}
    assert all(term.isfinite() for term in wrong.values())


@pytest.mark.parametrize("things", [NAMES, ("car",)])
def test_heads_without_stuff_or_with_one_thing_work(tmp_path, things):
    head = HEAD | {"things": things}
    model = load(make(tmp_path, [head]) / "model.py")
    network = model.Segmenter().eval()
    outputs = network(torch.zeros(1, 3, HEIGHT, WIDTH))
    assert outputs.stuff.shape[1] == 1 + 4 - len(things)
    assert outputs.instances.objects.logits.shape[2] == len(things)
    found = model.predict(network, torch.zeros(1, 3, 50, 70, dtype=torch.uint8))
    assert found["street"]["categories"].shape == (1, 50, 70)


# ---- Panoptic quality ----


def score(modules, truth: list, found: list) -> dict:
    data, words = modules.data, modules.evaluate
    maps = [
        data.maps_of_segments(segments(data, side), (CAR, PERSON), HEIGHT, WIDTH)
        for side in (truth, found)
    ]
    counts = words.count_segments(*maps, len(NAMES))
    return words.panoptic_metrics([counts], (CAR, PERSON))


def test_the_truth_scores_one(modules):
    whole = score(modules, street(), street())
    assert whole == dict.fromkeys(("pq", "sq", "rq", "pq_things", "pq_stuff"), 1.0)


def test_quality_by_hand(modules):
    """A car is missed, a person is too small by a quarter, a car is found in vain."""
    found = [list(segment) for segment in street()]
    found[3][1] = np.zeros((HEIGHT, WIDTH), bool)
    found[3][1][-4:, :4] = True  # where nothing is known: does not count
    found[4][1] = found[4][1].copy()
    found[4][1][32:40] = False
    found.append([CAR, np.zeros((HEIGHT, WIDTH), bool)])
    found[-1][1][0:4, 0:4] = True
    got = score(modules, street(), [tuple(segment) for segment in found])
    cars = 1 / (1 + 1 / 2 + 1 / 2)  # one right, one missed, one in vain
    person = 24 / 32
    assert got["pq_things"] == pytest.approx((cars + person) / 2)
    sky = 1 - 16 / street()[0][1].sum()
    assert got["pq_stuff"] == pytest.approx((1 + sky) / 2)
    assert got["rq"] == pytest.approx((cars + 3) / 4)
    assert got["sq"] == pytest.approx((1 + person + 1 + sky) / 4)


def test_matches_of_images_are_added(modules):
    """A car is found with an IoU of 0.75 in one image of four, and missed in another."""
    counts = np.zeros((4, 4, len(NAMES)))
    counts[0, :2, CAR], counts[1, 3, CAR] = (0.75, 1), 1
    got = modules.evaluate.panoptic_metrics([*counts], (CAR, PERSON))
    quality = 0.75 / (1 + 1 / 2)
    expected = {"pq": quality, "sq": 0.75, "rq": 1 / (1 + 1 / 2), "pq_things": quality}
    assert got == pytest.approx(expected)


def test_nothing_found_scores_nothing(modules):
    got = score(modules, street(), [])
    assert set(got.values()) == {0.0}
    assert score(modules, [], []) == {}
    of_stuff = score(modules, street()[:1], street()[:1])
    assert of_stuff == {"pq": 1, "sq": 1, "rq": 1, "pq_stuff": 1}  # no thing occurs


# ---- Native annotations ----


def pages() -> list[np.ndarray]:
    kinds, numbers = np.zeros((30, 40, 3), np.uint8), np.zeros((30, 40), np.uint8)
    kinds[:15], kinds[15:] = COLORS[SKY], COLORS[ROAD]
    for number, left in ((1, 2), (7, 12)):
        kinds[10:20, left : left + 8] = COLORS[CAR]
        numbers[10:20, left : left + 8] = number
    kinds[10:20, 30:35] = COLORS[PERSON]  # without a number: a crowd
    numbers[:10] = 5  # stuff has no instances, whatever its numbers
    kinds[29:] = 0
    return [kinds, numbers]


def dataset_of(folder: Path, *of_images: list[np.ndarray], **metadata) -> Path:
    for name in ("images", "maps"):
        (folder / name).mkdir(parents=True)
    for number, both in enumerate(of_images):
        picture_path = folder / "images" / f"{number}.png"
        Image.fromarray(picture(seed=number)).save(picture_path)
        if both:
            write_pages(folder / "maps" / f"{number}.tif", both)
    entry = {
        "task": "panoptic segmentation",
        "categories": list(NAMES),
        "colors": {name: list(color) for name, color in zip(NAMES, COLORS)},
        "annotations": "maps",
    }
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry | metadata))
    return folder


@pytest.fixture
def reader(emitted) -> ModuleType:
    return emitted(HEAD, validation="val").dataset


def test_two_pages_are_read(reader, tmp_path):
    small = [page[::2, ::2] for page in pages()]
    first, second = reader.read_dataset(dataset_of(tmp_path, pages(), small))
    labels = first.labels["street"]
    assert sorted(labels.classes.tolist()) == [SKY, CAR, CAR, ROAD]
    boxes = dict(zip(map(tuple, labels.boxes.tolist()), labels.classes.tolist()))
    assert boxes[2, 10, 10, 20] == boxes[12, 10, 20, 20] == CAR
    assert boxes[0, 0, 40, 15] == SKY and boxes[0, 15, 40, 29] == ROAD
    assert len(second.labels["street"].masks) == 4
    assert second.labels["street"].masks[0]["size"] == [30, 40]


def test_ids_of_16_bits_are_read(reader, tmp_path):
    both = pages()
    both[1] = both[1].astype(np.uint16) * 300
    (sample,) = reader.read_dataset(dataset_of(tmp_path, both))
    assert sorted(sample.labels["street"].classes.tolist()) == [SKY, CAR, CAR, ROAD]


def odd_color() -> list[np.ndarray]:
    both = pages()
    both[0][3, 4] = (1, 2, 3)
    return both


WRONG_MAPS = {
    "not 2 pages": lambda: pages()[:1],
    "not 2 pages: ": lambda: [*pages(), pages()[1]],
    "no category has the color [1, 2, 3] at x 4, y 3": odd_color,
    "another aspect ratio: 30x40": lambda: [p.swapaxes(0, 1).copy() for p in pages()],
    "page 2 is not gray": lambda: [pages()[0], pages()[0]],
    "or not of the size of page 1": lambda: [pages()[0], pages()[1][::2, ::2].copy()],
    "no file of its masks": list,
}


@pytest.mark.parametrize("said", WRONG_MAPS)
def test_wrong_maps_are_named_with_file_and_cause(reader, tmp_path, said):
    folder = dataset_of(tmp_path, pages(), WRONG_MAPS[said]())
    with pytest.raises(SystemExit) as caught:
        reader.read_dataset(folder)
    first, second = str(caught.value).splitlines()
    assert first == f"{folder}: problems: 1"
    assert second.startswith("  1.png: ") and said in second


def test_other_things_than_the_job_s_are_told(reader, tmp_path):
    folder = dataset_of(tmp_path, pages(), things=["car"])
    with pytest.raises(SystemExit, match="the things differ from the job's") as caught:
        reader.read_dataset(folder)
    assert "only in the job: person" in str(caught.value)


@pytest.mark.slow
def test_the_demo_s_maps_are_read(emitted, tmp_path):
    draw_dataset(tmp_path / "shapes", train=8, validation=2)
    dataset = emitted(PANOPTIC, validation="val").dataset
    folder = tmp_path / "shapes" / "train"
    boxes = yaml.safe_load((folder / "boxes.yaml").read_text())
    for sample in dataset.read_dataset(folder):
        labels = sample.labels["scene"]
        found = sorted(labels.boxes[labels.classes > 0].tolist())
        assert found == sorted(item["bbox"] for item in boxes[sample.path.name])
        assert (labels.classes == 0).sum() == 1
