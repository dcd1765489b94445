"""Readers of maps of categories: colors, names, and maps that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml
from map_data import COLORS, ROOM, STREET, make, room_codes, street, street_map
from PIL import Image

ROAD, SKY, CAR = range(3)


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return make(tmp_path_factory.mktemp("street"), STREET)


def read(job, folder: Path) -> np.ndarray:
    """Returns the categories of the first image."""
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
    assert "problems: 1" in said and words.format(path=path) in said


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
