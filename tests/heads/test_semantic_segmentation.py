"""Semantic segmentation: maps as labels, the loss, the size of what is predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from map_data import COLORS, ROOM, STREET, make, room_codes, street, street_map
from PIL import Image
from small_data import picture

ROAD, SKY, CAR = range(3)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return make(tmp_path_factory.mktemp("street"), STREET)


@pytest.fixture(scope="module")
def transposing(tmp_path_factory):
    changes = {"transpose": True, "vertical_flip": True}
    folder = tmp_path_factory.mktemp("transposing")
    return make(folder, STREET, augmentation=changes)


def read(job, folder: Path) -> np.ndarray:
    """The categories of the first image."""
    sample = job.dataset.read_dataset(folder)[0]
    return job.data.read_categories(*sample.labels["street"])


# ---- Reading ----


def test_a_map_is_read_by_its_colors(job, tmp_path):
    categories = read(job, street(tmp_path))
    assert (categories[0] == -1).all()  # black
    assert (categories[1:10, :20] == ROAD).all()
    assert (categories[1:10, 20:] == SKY).all()
    assert (categories[10:20, 15:25] == CAR).all()


@pytest.mark.parametrize("mode", ["P", "RGBA"])
def test_maps_of_other_modes_are_read(job, tmp_path, mode):
    street(tmp_path)
    image = Image.fromarray(street_map())
    image = image.quantize(4) if mode == "P" else image.convert(mode)
    image.save(tmp_path / "maps" / "0.png")
    assert Image.open(tmp_path / "maps" / "0.png").mode == mode
    expected = read(job, street(tmp_path / "plain"))
    assert (read(job, tmp_path) == expected).all()


def test_a_smaller_map_of_the_same_shape_is_read(job, tmp_path):
    street(tmp_path)
    small = Image.fromarray(street_map()).resize((20, 15), Image.Resampling.NEAREST)
    small.save(tmp_path / "maps" / "0.png")
    assert read(job, tmp_path).shape == (15, 20)


def refused(job, folder: Path) -> str:
    with pytest.raises(SystemExit) as stopped:
        job.dataset.read_dataset(folder)
    return str(stopped.value)


def save(size: tuple[int, int]):
    return lambda path: Image.new("RGB", size).save(path)


WRONG_MAPS = {
    "missing": (Path.unlink, "1.jpg: its map is missing: {path}"),
    "another shape": (
        save((30, 30)),
        "1.jpg: its map has another aspect ratio: {path} is 30x30, the image 40x30",
    ),
    "no image": (
        lambda path: path.write_text("no"),
        "1.jpg: its map is not an image: {path}",
    ),
    "16 bits": (
        lambda path: Image.fromarray(np.ones((30, 40), np.uint16)).save(path),
        "1.jpg: its map is I;16, not RGB or RGBA or P or L or 1: {path}",
    ),
}


@pytest.mark.parametrize("what", WRONG_MAPS)
def test_a_wrong_map_is_named_before_training(job, tmp_path, what):
    spoil, words = WRONG_MAPS[what]
    path = street(tmp_path) / "maps" / "1.png"
    spoil(path)
    said = refused(job, tmp_path)
    assert "1 problems" in said and words.format(path=path) in said


def test_a_map_without_its_image_is_named(job, tmp_path):
    (street(tmp_path) / "images" / "2.jpg").unlink()
    assert "2.png: no such image" in refused(job, tmp_path)


def test_other_files_in_the_folders_are_left_alone(job, tmp_path):
    street(tmp_path)
    for name in ("images", "maps"):
        (tmp_path / name / ".DS_Store").write_text("x")
    assert len(job.dataset.read_dataset(tmp_path)) == 3


def test_maps_are_read_by_the_colors_of_their_dataset(job, tmp_path):
    colors = {name: list(color) for name, color in COLORS.items()} | {"sky": [9, 9, 9]}
    folder, painted = street(tmp_path, colors=colors), street_map()
    painted[(painted == COLORS["sky"]).all(2)] = 9
    Image.fromarray(painted).save(folder / "maps" / "0.png")
    categories = read(job, folder)
    assert categories[5, 0] == 0 and categories[5, 39] == 1 and categories[0, 0] == -1


@pytest.mark.parametrize(
    "colors",
    [
        *(None, [[1, 2, 3]], "red", {"car": [1, 2, 3]}),
        *(dict.fromkeys(COLORS, wrong) for wrong in ([1, 2], [1, 2, 256], [1, "2", 3])),
    ],
)
def test_each_category_has_a_color(job, tmp_path, colors):
    said = refused(job, street(tmp_path, colors=colors))
    assert "`colors` has no [red, green, blue] for " in said


def test_two_categories_of_one_color_are_told(job, tmp_path):
    said = refused(job, street(tmp_path, colors=dict.fromkeys(COLORS, [9, 9, 9])))
    assert "`colors` has one color for two categories" in said


def test_categories_that_the_job_does_not_name_are_unknown(job, tmp_path, capsys):
    """Their colors are told from those of no category, which are refused."""
    colors = {name: list(color) for name, color in COLORS.items()} | {"bus": [1, 2, 3]}
    folder = street(tmp_path, categories=[*COLORS, "bus"], colors=colors)
    painted = street_map()
    painted[20:25, 5:10] = 1, 2, 3
    Image.fromarray(painted).save(folder / "maps" / "0.png")
    categories = read(job, folder)
    assert (categories[20:25, 5:10] == -1).all() and categories[20, 4] == 0
    path = folder / "metadata.yaml"
    said = f"{path}: not named by the job, unknown in maps: bus\n"
    assert said in capsys.readouterr().err


def test_a_set_may_lack_a_category(job, tmp_path):
    colors = {name: list(COLORS[name]) for name in ("sky", "road")}
    folder = street(tmp_path, categories=["sky", "road"], colors=colors)
    painted = street_map()
    painted[10:20, 15:25] = COLORS["road"]
    Image.fromarray(painted).save(folder / "maps" / "0.png")
    assert np.unique(read(job, folder)).tolist() == [-1, 0, 1]


def test_categories_are_compared_with_the_jobs(job, tmp_path):
    said = refused(job, street(tmp_path, categories=["road", "sky", "bus"]))
    assert "only in the dataset: bus" in said and "only in the job: car" in said


@pytest.mark.parametrize("name", ["nowhere", "../maps", 3, None])
def test_a_folder_that_is_none_is_named(job, tmp_path, name):
    assert "annotations: " in refused(job, street(tmp_path, annotations=name))


def test_a_color_of_no_category_is_told_with_its_place(job, tmp_path):
    path = street(tmp_path) / "maps" / "0.png"
    colors = street_map()
    colors[7, 11] = (1, 2, 3)
    Image.fromarray(colors).save(path)
    with pytest.raises(job.data.ImageError) as told:
        read(job, tmp_path)
    words = f"{path}: no category has the color [1, 2, 3] at x 11, y 7"
    assert str(told.value) == words


def test_it_is_not_replaced_by_another_image(job, tmp_path):
    """As a broken image would be: the labels are wrong, not damaged."""
    colors = street_map()
    colors[7, 11] = (1, 2, 3)
    Image.fromarray(colors).save(street(tmp_path) / "maps" / "0.png")
    training = job.data.TrainingSet(job.dataset.read_dataset(tmp_path), 0)
    with pytest.raises(job.data.ImageError, match="no category has the color"):
        training[0, 0]
    _, _, broken = training[0, 1]
    assert broken == []


def test_a_broken_map_is_named(job, tmp_path):
    street(tmp_path)
    samples = job.dataset.read_dataset(tmp_path)
    path = tmp_path / "maps" / "0.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(job.data.ImageError) as told:
        job.data.TrainingSet(samples, 0)[0, 0]
    assert str(told.value) == f"{path}: cannot be decoded"


def test_an_image_with_a_map_for_one_head_alone_trains_that_head(tmp_path, capsys):
    """Several heads may lack maps, as any other annotations; a single head may not."""
    (tmp_path / "job").mkdir()
    job = make(tmp_path / "job", STREET, ROOM)
    folder = street(tmp_path / "data")
    (folder / "depths").mkdir()
    for i in range(2):
        Image.fromarray(room_codes()).save(folder / "depths" / f"{i}.png")
    entry = {"task": "depth estimation", "range": [1, 5], "annotations": "depths"}
    entries = [yaml.safe_load((folder / "metadata.yaml").read_text()), entry]
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entries))
    samples = job.dataset.read_dataset(folder)
    assert [sorted(sample.labels) for sample in samples] == [
        ["room", "street"],
        ["room", "street"],
        ["street"],
    ]
    assert "images without a label for room: 1" in capsys.readouterr().err
    views = job.data.TrainingSet(samples, 0)
    _, targets, _ = job.data.collate([views[0, 0], views[0, 2]])
    assert targets["street"]["categories"].shape == (2, 64, 96)
    assert targets["room"]["depth"].shape == (2, 64, 96)
    assert targets["room"]["labeled"].tolist() == [True, False]


# ---- Onto the canvas ----


def as_image_and_map(folder: Path, scale=1) -> Path:
    """A dataset whose images are blocks of their categories' colors."""
    street(folder, count=1)
    rng = np.random.default_rng(0)
    blocks = np.uint8(list(COLORS.values()))[rng.integers(0, 3, (6, 8))]
    large = blocks.repeat(40, 0).repeat(40, 1)  # 320x240
    Image.fromarray(large).save(folder / "images" / "0.png")
    (folder / "images" / "0.jpg").unlink()
    small = blocks.repeat(40 // scale, 0).repeat(40 // scale, 1)
    Image.fromarray(small).save(folder / "maps" / "0.png")
    return folder


@pytest.mark.parametrize("scale", [1, 5])
@pytest.mark.parametrize("which", ["job", "transposing"])
def test_maps_move_with_their_images(request, tmp_path, which, scale):
    """Flat colors survive the augmentation, so the canvas shows where each pixel went."""
    job = request.getfixturevalue(which)
    sample = job.dataset.read_dataset(as_image_and_map(tmp_path, scale))[0]
    colors = np.float32(job.dataset.COLORS)
    job.data.COLOR = 0.0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        canvas, transform = job.data.augment(sample, rng)
        truth = job.data.read_categories(*sample.labels["street"])
        found = job.data.warp(truth, sample, transform, -1)
        distance = abs(canvas[:, :, None] - colors).max(-1)
        pure = distance.min(-1) < 3
        assert pure.mean() > 0.25
        wrong = (distance.argmin(-1) != found)[pure]
        assert wrong.mean() < 0.01
        around = (canvas == job.model.PAD).all(-1)
        assert (around != (found == -1)).mean() < 0.03


def test_a_batch_of_maps_is_stacked(job, tmp_path):
    training = job.data.TrainingSet(job.dataset.read_dataset(street(tmp_path)), 0)
    images, targets, _ = job.data.collate([training[0, i] for i in range(3)])
    categories = targets["street"]["categories"]
    assert images.shape == (3, 3, 64, 96) and categories.shape == (3, 64, 96)
    assert set(categories.unique().tolist()) <= {-1, 0, 1, 2}


# ---- Loss ----


def targets(categories: torch.Tensor) -> dict:
    return {"categories": categories.to(torch.int16)}


def test_unlabeled_pixels_teach_nothing(job):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 8, 12, requires_grad=True)
    categories = torch.full((2, 64, 96), -1)
    categories[0, :32] = SKY
    loss = job.model.segmentation_loss(logits, targets(categories))["category"]
    loss.backward()
    assert loss > 0 and logits.grad[0, :, :3].abs().sum() > 0
    assert logits.grad[1].abs().sum() == 0 and logits.grad[0, :, 5:].abs().sum() == 0


def test_a_batch_without_labels_has_no_loss(job):
    logits = torch.randn(2, 3, 8, 12, requires_grad=True)
    loss = job.model.segmentation_loss(logits, targets(torch.full((2, 64, 96), -1)))
    loss["category"].backward()
    assert loss["category"] == 0 and (logits.grad == 0).all()


def test_the_first_category_is_learned_like_any_other(job):
    """Index 0 is no background, and is not ignored."""
    logits = torch.zeros(1, 3, 8, 12, requires_grad=True)
    loss = job.model.segmentation_loss(logits, targets(torch.zeros(1, 64, 96)))
    loss["category"].backward()
    assert loss["category"].item() == pytest.approx(np.log(3))
    assert (logits.grad[:, 0] < 0).all()


def test_the_loss_is_that_of_a_pixel(job):
    """Neither the number of images nor their size changes it, nor unlabeled pixels."""
    torch.manual_seed(0)
    logits, categories = torch.randn(1, 3, 8, 12), torch.randint(0, 3, (1, 8, 12))
    categories = categories.repeat_interleave(8, 1).repeat_interleave(8, 2)
    one = job.model.segmentation_loss(logits, targets(categories))["category"]
    more = job.model.segmentation_loss(
        logits.repeat(3, 1, 1, 1), targets(categories.repeat(3, 1, 1))
    )
    assert more["category"] == pytest.approx(one.item())
    half = torch.zeros(1, 64, 96)
    half[:, 32:] = -1
    few = job.model.segmentation_loss(torch.zeros(1, 3, 8, 12), targets(half))
    assert few["category"].item() == pytest.approx(np.log(3))


# ---- Predictions ----


@pytest.mark.parametrize("size", [(48, 200), (200, 48), (64, 96), (7, 5), (1, 1)])
def test_predictions_have_the_size_of_the_image(job, size):
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    model = job.model.Segmenter().eval()
    found = job.model.predict(model, images)["street"]
    assert list(found) == ["categories"]
    assert found["categories"].shape == (2, *size)


def test_what_is_enlarged_lies_where_it_was(job):
    """A canvas of 64x96 that an image of 128x64 fills to 64x32: only that part counts,
    and its border runs between the cells."""
    logits = torch.zeros(1, 2, 8, 12)
    logits[:, 1, :, 2:] = 8.0  # from column 16 of the canvas, 32 of the image
    logits[:, 0, :, :2] = 8.0
    found = job.model.enlarge(logits, 8, (64, 32), (128, 64)).argmax(1)[0]
    assert found.shape == (128, 64)
    assert (found[:, :31] == 0).all() and (found[:, 33:] == 1).all()


@pytest.mark.parametrize("band", [1, 2**18])
@pytest.mark.parametrize("size", [(128, 64), (37, 211), (1, 5)])
def test_maps_enlarged_in_bands_are_those_enlarged_at_once(
    job, monkeypatch, band, size
):
    """But for pixels whose two best categories are equal up to rounding."""
    monkeypatch.setattr(job.evaluate, "BAND", band)
    generator = torch.Generator().manual_seed(0)
    results = {"logits": torch.randn(2, 3, 8, 12, generator=generator)}
    sample, seen = job.dataset.Sample(Path(), *size, {}), job.model.fit(*size)
    found = job.evaluate.to_category_map(results, 1, 8, sample, seen)
    whole = job.model.enlarge(results["logits"][1:], 8, seen, size)[0]
    assert found.shape == size and found.dtype == np.int16
    chosen = whole.gather(0, torch.from_numpy(found).long()[None])[0]
    assert (whole.amax(0) - chosen).max() < 1e-5
    assert (whole.argmax(0).numpy() == found).mean() > 0.99


def test_both_ways_to_predict_agree(job, tmp_path):
    """evaluate.py's, from the canvas of data.py, and model.py's."""
    torch.manual_seed(0)
    folder = street(tmp_path, count=1)
    Image.fromarray(picture(90, 50)).save(folder / "images" / "0.png")
    (folder / "images" / "0.jpg").unlink()
    save((50, 90))(folder / "maps" / "0.png")
    (sample,) = job.dataset.read_dataset(folder)
    model = job.model.Segmenter().eval()
    (words,) = job.evaluate.predict_samples(model, [sample], torch.device("cpu"))
    image = torch.from_numpy(job.data.read_image(sample, 90, 50)).permute(2, 0, 1)
    found = job.model.predict(model, image[None])["street"]["categories"][0]
    assert words["street"].shape == found.shape == (90, 50)
    assert (torch.from_numpy(words["street"]) == found).float().mean() > 0.97


# ---- Drawings ----


def test_labeled_pixels_are_tinted(job):
    image = np.full((2, 2, 3), 100, np.uint8)
    categories = np.int16([[0, -1], [1, 2]])
    drawn = job.draw.draw_categories(image, categories, job.dataset.COLORS)
    assert drawn[0, 1].tolist() == [100, 100, 100]
    assert drawn[1, 0].tolist() == [50, 50, 178]


def test_labels_are_drawn_at_the_size_of_the_image(job, tmp_path):
    street(tmp_path)
    small = Image.fromarray(street_map()).resize((20, 15), Image.Resampling.NEAREST)
    small.save(tmp_path / "maps" / "0.png")
    sample = job.dataset.read_dataset(tmp_path)[0]
    assert job.draw.labels_of(sample)["street"].shape == (30, 40)
    found = job.draw.sheet([sample], [job.draw.labels_of(sample)])
    assert found.shape == (400, 1600, 3)


# ---- Many categories ----


def test_many_colors_stand_in_a_file_of_their_own(tmp_path):
    names = [f"kind {i}" for i in range(133)]
    colors = [[i, 1, 2] for i in range(133)]
    job = make(tmp_path, STREET | {"categories": names, "colors": colors})
    assert job.dataset.COLORS == tuple(map(tuple, colors))
    assert job.model.CATEGORIES == tuple(names)
    assert "77, 1, 2" not in (tmp_path / "dataset.py").read_text()
    assert "`colors.json`" in (tmp_path / "README.md").read_text()
