"""The reader of COCO's panoptic files: a JSON file, and PNGs of the ids of segments."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from coco_segments import (
    BIG,
    CAR,
    HEAD,
    KINDS,
    PERSON,
    ROAD,
    SEGMENTS,
    SKY,
    coco,
    edit,
    ids,
)

from specc.cli import run_cli
from specc.datasets.emitted import load


@pytest.fixture
def reader(emitted) -> ModuleType:
    return emitted(HEAD, format="coco", validation="val.json").dataset


def test_segments_are_read(reader, tmp_path, capsys):
    first, second = reader.read_dataset(coco(tmp_path, ids(), ids()[::2, ::2]))
    assert first.path == tmp_path / "images/0.png"
    labels = first.labels["street"]
    found = {
        (kind, *box): reader.coco_mask.decode(mask).astype(bool)
        for kind, box, mask in zip(labels.classes, labels.boxes.tolist(), labels.masks)
    }
    expected = {
        (SKY, 0, 0, 40, 15): ids() == 1,
        (ROAD, 0, 15, 40, 29): np.isin(ids(), [2, 300]),  # stuff has no instances
        (CAR, 2, 10, 10, 20): ids() == BIG,
        (CAR, 12, 10, 20, 20): ids() == 70_000,
        (PERSON, 30, 10, 35, 20): ids() == 9,  # the crowd
    }
    assert labels.classes[labels.ignored].tolist() == [PERSON]
    assert found.keys() == expected.keys()
    for key, mask in expected.items():
        np.testing.assert_array_equal(found[key], mask)
    small = second.labels["street"]
    assert sorted(small.classes.tolist()) == sorted(labels.classes.tolist())
    assert all(mask["size"] == [30, 40] for mask in small.masks)
    assert "crowds, ignored in training and in metrics: 2" in capsys.readouterr().err


def test_images_stand_beside_the_file_too(reader, tmp_path):
    path = coco(tmp_path, ids())
    (tmp_path / "images" / "0.png").rename(tmp_path / "0.png")
    (tmp_path / "images").rmdir()
    (sample,) = reader.read_dataset(path)
    assert sample.path == tmp_path / "0.png"


def test_segments_without_pixels_are_counted(reader, tmp_path, capsys):
    more = [*SEGMENTS, {"id": 77, "category_id": KINDS[CAR]}]
    (sample,) = reader.read_dataset(coco(tmp_path, ids(), segments_info=more))
    assert len(sample.labels["street"].labeled().masks) == 4
    assert "segments without area left out: 1" in capsys.readouterr().err


WRONG = {
    "its segments are missing: ": (None, {}),
    "another aspect ratio: 30x40, the image 40x30": (ids().T, {}),
    f"`segments_info` has no segment {BIG}": (
        *(ids(), {"segments_info": [s for s in SEGMENTS if s["id"] != BIG]}),
    ),
    "1-ids.png: `segments_info` has no segment 1": (ids(), {"segments_info": []}),
    "leads out of": (ids(), {"file_name": "../x.png"}),
    "not a file name: 3": (ids(), {"file_name": 3}),
    "0 annotations, not one": (ids(), {"image_id": 7}),
}


@pytest.mark.parametrize("said", WRONG)
def test_wrong_segments_are_named_with_file_and_cause(reader, tmp_path, said):
    found, changes = WRONG[said]
    path = coco(tmp_path, ids(), found, **changes)
    with pytest.raises(SystemExit) as caught:
        reader.read_dataset(path)
    first, *problems = str(caught.value).splitlines()
    assert first.startswith(f"{path}: problems: {len(problems)}")
    assert problems[-1].startswith("  1.png: ") and said in problems[-1]


@pytest.mark.parametrize("content", [b"", b"no png", b"\x89PNG\r\n\x1a\n", b"II*\0"])
def test_files_that_are_no_png_are_named(reader, tmp_path, content):
    path = coco(tmp_path, ids())
    (tmp_path / "val" / "0-ids.png").write_bytes(content)
    with pytest.raises(SystemExit, match="problems: 1\n  0.png: .*0-ids.png"):
        reader.read_dataset(path)


def test_a_category_that_the_file_lacks_is_named(reader, tmp_path):
    segments = [SEGMENTS[0] | {"category_id": 99}]
    path = coco(tmp_path, ids(), segments_info=segments)
    said = "val.json: 0-ids.png: segment 1: no category has the id 99"
    with pytest.raises(SystemExit, match=said):
        reader.read_dataset(path)


def test_a_segment_that_stands_there_twice_is_named(reader, tmp_path):
    """Or it would be what the last one says."""
    path = coco(tmp_path, ids(), segments_info=[*SEGMENTS, SEGMENTS[0]])
    said = "val.json: 0-ids.png: two segments have one `id`, 1"
    with pytest.raises(SystemExit, match=said):
        reader.read_dataset(path)


@pytest.mark.parametrize(
    "key, change, said",
    [
        ("categories", lambda c: [x | {"isthing": 1} for x in c], "road, sky\n.* none"),
        (
            "categories",
            lambda c: [{k: x[k] for k in ("id", "name")} for x in c],
            "none",
        ),
        (
            "categories",
            lambda c: [c[0] | {"name": "x"}, *c[1:]],
            "only in the dataset: x",
        ),
        ("categories", lambda c: 3, "has no list `categories`"),
        ("annotations", lambda a: [{}], "annotations: one has no `image_id`: {}"),
        ("images", lambda i: [], "none has the `image_id` 7"),
    ],
)
def test_a_file_that_does_not_fit_is_told(reader, tmp_path, key, change, said):
    path = coco(tmp_path, ids())
    edit(path, key, change)
    with pytest.raises(SystemExit, match=said):
        reader.read_dataset(path)


def test_other_things_than_the_job_s_are_told(reader, tmp_path):
    path = coco(tmp_path, ids())
    edit(path, "categories", lambda c: [x | {"isthing": x["name"] == "car"} for x in c])
    with pytest.raises(SystemExit, match="the things differ from the job's") as caught:
        reader.read_dataset(path)
    assert "only in the job: person" in str(caught.value)


def renamed(path: Path, things: dict[str, int]) -> None:
    """Calls persons cars; `things` says which of the two are things."""

    def one_name(categories: list[dict]) -> list[dict]:
        kinds = [x | {"isthing": things.get(x["name"], 0)} for x in categories]
        return [x | {"name": x["name"].replace("person", "car")} for x in kinds]

    edit(path, "categories", one_name)


def test_categories_of_one_name_are_one_and_told(place, capsys):
    renamed(coco(place, ids()), {"person": 1, "car": 1})
    assert run_cli(["init", "panoptic_segmentation", "--data", "."]) == 0
    assert "2 categories are called `car`" in capsys.readouterr().out
    job = (place / "job.json").read_text()
    [head] = json.loads(job)["model"]["heads"]
    assert head["categories"].count("car") == 1 and head["things"] == ["car"]
    assert len(head["colors"]) == len(head["categories"])
    of = load(job.encode())
    [sample] = of.dataset.read_dataset(place / "val.json")
    classes = sample.labels["panoptic_segmentation"].classes.tolist()
    assert classes.count(head["categories"].index("car")) == 3


def test_a_thing_and_none_of_one_name_are_refused(place, capsys):
    renamed(coco(place, ids()), {"person": 0, "car": 1})
    assert run_cli(["init", "panoptic_segmentation", "--data", "."]) == 1
    assert "called `car` are a thing and none" in capsys.readouterr().err
