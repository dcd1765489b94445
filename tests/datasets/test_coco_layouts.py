"""COCO's layout as tools write it: `specc init`, the job, and what its reader reads."""

from __future__ import annotations

import json
from pathlib import Path

import layouts_coco
import pytest
from layouts_coco import OBJECTS, SEGMENTS, as_written, draw
from test_init import DETECTION, init

from specc.cli import run_cli
from specc.datasets.emitted import load

MASKS, POINTS = "instance_segmentation", "keypoint_detection"
PANOPTIC = "panoptic_segmentation"


def read_all(job: dict) -> dict[str, dict[str, object]]:
    """The label of each image by its name, of each set, as the job's reader has it."""
    reader = load(json.dumps(job).encode()).dataset
    if "validation" not in job["data"]:  # else a part would be held out
        path = job["data"]["train"]
        layout = job["data"].get("layout", {})
        place = [Path(layout["train_images"])] if "train_images" in layout else []
        return {"train": told(reader.read_dataset(Path(path), *place, root=Path()))}
    names = [name for name in ("train", "validation", "test") if name in job["data"]]
    sets = [*reader.read_datasets(Path())]
    if "test" in names:
        sets.append(reader.read_test_set(Path()))
    return {name: told(samples) for name, samples in zip(names, sets)}


def told(samples: list) -> dict[str, str]:
    [[head, *_]] = {tuple(sample.labels) for sample in samples}
    return {
        one.path.name.removeprefix("my "): repr(
            [x.tolist() if hasattr(x, "tolist") else x for x in one.labels[head]]
        )
        for one in samples
    }


@pytest.mark.parametrize("task", [DETECTION, MASKS])
@pytest.mark.parametrize("make", OBJECTS)
def test_a_layout_is_found_and_read_as_it_is(place, make, task):
    names = make(place / "set")
    job, code = init(task, "--data", "set")
    assert code == 0
    found = [x for x in ("train", "validation", "test") if x in job["data"]]
    assert found == names
    [head] = job["model"]["heads"]
    assert head == {"task": task, "categories": ["a", "b"]}
    as_written(place / "plain")
    plain, code = init(task, "--data", "plain", "--force")
    assert code == 0 and "layout" not in plain["data"]
    expected = read_all(plain)
    assert read_all(job) == {name: expected[name] for name in names}
    assert all(expected.values())


def test_roboflow_and_label_studio_need_no_option_but_folders(place):
    layouts_coco.as_roboflow(place / "flow")
    job, _ = init(DETECTION, "--data", "flow")
    assert "layout" not in job["data"]
    layouts_coco.as_label_studio(place / "studio")
    job, _ = init(DETECTION, "--data", "studio", "--force")
    assert job["data"]["layout"] == {"train_images": "studio"}


@pytest.mark.parametrize(
    "make, layout",
    [
        (
            layouts_coco.as_label_studio_uploads,
            {"prefix": "../../label-studio/data/media/upload/3/"},
        ),
        (
            layouts_coco.as_label_studio_links,
            {"file_names": "last_part"},
        ),
        (
            layouts_coco.as_absolute,
            {
                "train_images": "set/pictures",
                "validation_images": "set/pictures",
                "prefix": "C:\\Users\\me\\pictures\\",
            },
        ),
    ],
)
def test_names_of_another_machine(place, make, layout):
    make(place / "set")
    job, _ = init(DETECTION, "--data", "set")
    assert job["data"]["layout"] == layout


def test_keypoints_of_coco_beside_its_instances(place, capsys):
    layouts_coco.as_unpacked(place / "set")
    job, code = init(POINTS, "--data", "set")
    assert code == 0
    assert "set/annotations/person_keypoints_train2017.json" == job["data"]["train"]
    assert job["model"]["heads"][0]["flip_pairs"] == [["left_eye", "right_eye"]]
    assert len(read_all(job)["train"]) == 4
    job, code = init(DETECTION, "--data", "set", "--force")
    said = capsys.readouterr().out
    assert "captions_train2017.json: captions, which no task learns" in said
    assert "person_keypoints_train2017.json: serves other tasks" in said


@pytest.mark.parametrize("make", SEGMENTS)
@pytest.mark.parametrize(
    "task", [PANOPTIC, MASKS, "semantic_segmentation", "multilabel_classification"]
)
def test_segments_of_coco(place, make, task):
    make(place / "set")
    job, code = init(task, "--data", "set")
    assert code == 0
    assert job["data"]["layout"]["train_images"] == "set/train2017"
    assert ("train_labels" in job["data"]["layout"]) == (make is not SEGMENTS[0])
    found = read_all(job)
    assert {name: len(of) for name, of in found.items()} == {
        "train": 4,
        "validation": 4,
    }


def test_a_file_brings_the_other_sets_of_its_kind(place):
    layouts_coco.as_unpacked_in_images(place / "set")
    path = "set/annotations/stuff_train2017.json"
    job, code = init(DETECTION, "--data", path)
    assert code == 0 and job["data"]["train"] == path
    assert job["data"]["validation"] == path.replace("train", "val")
    assert job["data"]["layout"]["validation_images"] == "set/images/val2017"
    job, code = init(DETECTION, "--data", "set/annotations", "--force")
    assert code == 0 and job["data"]["layout"]["train_images"] == "set/images/train2017"


# ---- Bad input ----


def refused(capsys, task: str = DETECTION) -> str:
    assert run_cli(["init", task, "--data", "set"]) == 1
    return capsys.readouterr().err


def test_images_that_are_still_in_a_zip(place, capsys):
    layouts_coco.as_unpacked(place / "set")
    for path in (place / "set" / "train2017").iterdir():
        path.unlink()
    (place / "set" / "train2017.zip").write_bytes(b"")
    said = refused(capsys)
    assert "instances_train2017.json: none of its 4 images, as `train0.png`, is" in said
    assert "train2017.zip is not unpacked" in said
    assert f"help: unzip {Path('set/train2017.zip')} -d set" in said
    assert "mend that file" not in said
