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
    if "validation" not in job["data"]:  # no part may be held out
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


@pytest.mark.sample(
    "as_written-object_detection",
    "as_roboflow-instance_segmentation",
    "as_unpacked-object_detection",
    "as_cvat-instance_segmentation",
    "as_cvat_tasks-object_detection",
    "as_datumaro-object_detection",
    "as_label_studio-object_detection",
    "as_label_studio_links-instance_segmentation",
    "as_absolute-object_detection",
    "as_supervisely-object_detection",
    "as_encoded-instance_segmentation",
    "as_windows-object_detection",
    "as_text_ids-object_detection",
    "as_lvis-instance_segmentation",
    quick=("as_cvat_tasks-object_detection", "as_datumaro-object_detection"),
)
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


@pytest.mark.slow
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
    people = "person_keypoints_train2017.json: another set, for train; --data names it"
    assert people in said


@pytest.mark.sample(
    "panoptic_segmentation-as_panoptic",
    "instance_segmentation-as_panoptic_apart",
    "semantic_segmentation-as_panoptic",
    quick=("instance_segmentation-as_panoptic_apart",),
)
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


def test_images_that_are_not_there_are_counted(place, capsys):
    layouts_coco.as_datumaro(place / "set")
    (place / "set" / "images" / "train" / "train2.png").unlink()
    (place / "set" / "images" / "val").rename(place / "val")
    job, code = init(DETECTION, "--data", "set")
    said = capsys.readouterr().out
    assert code == 0 and "validation" not in job["data"]
    assert "instances_val.json: its images are not there" in said
    folder = Path("set/images/train")
    assert f"1 of 4 images is not in {folder}, as train2.png" in said


def test_images_in_two_folders_that_names_do_not_tell(place, capsys):
    for name in ("train", "val"):
        draw(place / "set" / "images" / name, name)
    both = layouts_coco.content("train")
    both["images"][3]["file_name"] = "val0.png"
    layouts_coco.write(place / "set" / "objects.json", both)
    init(DETECTION, "--data", "set")
    assert "1 of 4 images is not in set" in capsys.readouterr().out


def crowds(place: Path, names: tuple[str, ...], *places: int) -> None:
    layouts_coco.as_datumaro(place / "set")
    for name in names:
        path = place / "set" / "annotations" / f"instances_{name}.json"
        value = json.loads(path.read_text())
        for number in places:
            value["annotations"][number]["iscrowd"] = 1
        path.write_text(json.dumps(value))


@pytest.mark.sample("object_detection", rest="slow")
@pytest.mark.parametrize("task", [DETECTION, MASKS])
def test_objects_that_are_all_marked_as_crowds(place, capsys, task):
    """As CVAT marks masks of its brush."""
    crowds(place, ("train", "val"), 0, 1, 2, 3)
    job, code = init(task, "--data", "set")
    assert code == 0 and job["data"]["layout"]["crowds"] == "objects"
    said = capsys.readouterr().out
    assert "4 of 4 annotations have `iscrowd` 1, as if of crowds: each is taken" in said
    layouts_coco.as_datumaro(place / "plain")
    plain, _ = init(task, "--data", "plain", "--force")
    assert read_all(job) == read_all(plain)


def test_some_crowds_are_told(place, capsys):
    crowds(place, ("train",), 0)
    job, code = init(MASKS, "--data", "set")
    assert code == 0 and "crowds" not in job["data"]["layout"]
    assert (
        "1 of 4 annotations has `iscrowd` 1, and are ignored" in capsys.readouterr().out
    )


def test_crowds_alone_to_validate_on(place, capsys):
    crowds(place, ("val",), 0, 1, 2, 3)
    path = Path("set/annotations/instances_val.json")
    assert f"{path}: all annotations (4) have `iscrowd` 1" in refused(capsys)


def test_a_split_named_twice(place, capsys):
    layouts_coco.as_roboflow(place / "set")
    (place / "set" / "valid").rename(place / "set" / "val")
    draw(place / "set" / "validation", "val")
    path = place / "set" / "validation" / "_annotations.coco.json"
    layouts_coco.write(path, layouts_coco.content("val"))
    job, code = init(DETECTION, "--data", "set")
    assert code == 0
    assert job["data"]["validation"] == "set/val/_annotations.coco.json"
    told = f"{path.relative_to(place)}: another set, for validation; --data names it"
    assert told in capsys.readouterr().out


def test_two_training_sets(place, capsys):
    for year in (2014, 2017):
        draw(place / "set" / f"train{year}", "train")
        path = place / "set" / "annotations" / f"instances_train{year}.json"
        layouts_coco.write(path, layouts_coco.content("train"))
    said = refused(capsys)
    assert said.startswith("error[E422]: ") and "name one of them by --data" in said
    job, code = init(DETECTION, "--data", path.relative_to(place))
    assert code == 0 and job["data"]["layout"]["train_images"] == "set/train2017"


def test_a_broken_file_beside_good_ones(place):
    layouts_coco.as_cvat(place / "set")
    (place / "set" / "annotations" / "broken.json").write_text("{")
    assert init(DETECTION, "--data", "set")[1] == 0


def test_captions_alone(place, capsys):
    value = layouts_coco.content("train")
    del value["categories"]
    value["annotations"] = [{"id": 0, "image_id": 0, "caption": "a drawing"}]
    layouts_coco.write(place / "set" / "captions_train2017.json", value)
    assert "captions_train2017.json: captions, which no task learns" in refused(capsys)


def test_segments_without_their_pngs(place, capsys):
    layouts_coco.as_panoptic(place / "set")
    for path in (place / "set" / "annotations" / "panoptic_train2017").iterdir():
        path.unlink()
    (place / "set" / "annotations" / "panoptic_train2017.zip").write_bytes(b"")
    said = refused(capsys, PANOPTIC)
    assert "the PNGs of its segments, as `train0.png`, are not in" in said
    assert "help: unzip " in said
