"""Folders of images for tasks without labels: whatever stands below is read."""

from __future__ import annotations

from pathlib import Path

import layouts
import pytest
from PIL import Image
from readings import started

from specc.cli import run_cli

TASKS = ("autoencoding", "view_invariance_learning")


def fill(*names: str):
    for number, name in enumerate(names):
        layouts.save(Path(name), number)


def names(samples: list) -> list[str]:
    return sorted(sample.path.as_posix() for sample in samples)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "paths",
    [
        [f"{number}.png" for number in range(12)],
        [f"{place}/{i}.jpg" for place in ("cat", "2024/May 3", ".") for i in range(4)],
        [f"only/{number}.JPEG" for number in range(12)],
        [f"{place}/{i}.png" for place in ("training", "holidays") for i in range(6)],
    ],
)
def test_all_images_of_a_folder_are_read(place, task, paths):
    fill(*paths, ".hidden/a.png", "__MACOSX/._0.png")
    Path("notes.txt").write_text("no image")
    _, read = started(task)
    assert not read.fatal and not read.problems
    expected = sorted(Path(path).as_posix() for path in paths)
    assert names(read.training + read.validation) == expected
    assert len(read.validation) == 1
    assert all(sample.labels == {task: None} for sample in read.training)


def test_folders_that_are_named_as_sets_are_these(place):
    sets = {"train": range(6), "valid": range(6, 9), "test": range(9, 11)}
    fill(*(f"{name}/day {i}/{i}.png" for name, of in sets.items() for i in of))
    _, read = started("autoencoding")
    found = read.training, read.validation, read.test
    assert [len(samples) for samples in found] == [6, 3, 2]
    assert names(read.validation)[0] == "valid/day 6/6.png"


def test_images_of_a_dataset_are_read_without_its_labels(place):
    """Its folder `images` alone holds images; what stands beside may be maps."""
    fill(*(f"images/{i}.png" for i in range(4)), *(f"maps/{i}.png" for i in range(4)))
    _, read = started("autoencoding")
    assert {x.path.parent.name for x in read.training} == {"images"}


def test_images_beside_maps_are_not_told_apart(place, capsys):
    for i in range(6):
        layouts.save(Path(f"photos/{i}.png"), i)
        Path("masks").mkdir(exist_ok=True)
        Image.new("L", (40, 30), color=i % 2).save(f"masks/{i}.png")
    assert run_cli(["init", "autoencoding", "--data", "."]) == 1
    assert "E421" in capsys.readouterr().err


@pytest.mark.parametrize("task", [*TASKS, "multiclass_classification"])
def test_a_folder_without_images_is_told(place, capsys, task):
    Path("set/deep").mkdir(parents=True)
    Path("set/deep/notes.txt").write_text("no image")
    assert run_cli(["init", task, "--data", "set"]) == 1
    assert "no image is in it, or in a folder below it" in capsys.readouterr().err
