"""A job that names some of a dataset's categories: the others are left out and counted,
in every format; a set may lack some of the job's."""

from __future__ import annotations

import json
from pathlib import Path

import coco_segments
import numpy as np
import pytest
from coco_segments import BIG, CAR, KINDS, PERSON, ROAD, SKY, coco, edit, ids
from emitted_jobs import detecting
from layouts import as_coco, as_csv, as_folders, as_voc, as_yolo
from map_data import COLORS, STREET, street
from small_data import box, native

KIND = {"name": "kind", "task": "multiclass_classification"}
TAGS = {"name": "tags", "task": "multilabel_classification"}
B = detecting("b", name="cells")
LEFT_OUT = "what the job does not name, left out: {}: {}"
SIDES = [4, 4, 24, 20]


def lines_of(capsys) -> set[str]:
    """Returns the messages about a dataset, without its path."""
    lines = capsys.readouterr().err.splitlines()
    return {line.partition(": ")[2] for line in lines}


# ---- Boxes: six images, with a and b in turn ----


@pytest.mark.sample("as_coco-coco-val.json-sides0", rest="slow")
@pytest.mark.parametrize(
    "lay_out, form, validation, sides",
    [
        (as_coco, "coco", "val.json", SIDES),
        (as_voc, "voc", "ImageSets/Main/val.txt", SIDES),
        (as_yolo, "yolo", "data.yaml", [6, 4.5, 26, 19.5]),
    ],
)
def test_objects_of_other_categories_are_left_out(
    emitted, tmp_path, capsys, lay_out, form, validation, sides
):
    lay_out(tmp_path)
    reader = emitted(B, format=form, validation=validation).dataset
    samples = reader.read_dataset(tmp_path / validation)
    labels = [sample.labels["cells"] for sample in samples]
    assert [len(of_image.boxes) for of_image in labels] == [0, 1] * 3
    assert [x.classes.tolist() for x in labels] == [[], [0]] * 3
    np.testing.assert_allclose(labels[1].boxes, [sides], atol=1e-4)
    assert LEFT_OUT.format("a", 3) in lines_of(capsys)


def test_native_objects_of_other_categories_are_left_out(emitted, tmp_path, capsys):
    labels = {"0.png": [box(1, 2, 9, 9), box(3, 4, 8, 9, category="b")], "1.png": []}
    reader = emitted(B, validation="val").dataset
    first, second = reader.read_dataset(native(tmp_path, labels))
    assert first.labels["cells"].boxes.tolist() == [[3, 4, 8, 9]]
    assert len(second.labels["cells"].boxes) == 0
    assert lines_of(capsys) == {LEFT_OUT.format("a", 1)}


@pytest.mark.slow
@pytest.mark.parametrize("form, line", [("coco", ""), ("yolo", "{} .1 .1 .6 .1 .6 .6")])
def test_masks_of_other_categories_are_left_out(emitted, tmp_path, capsys, form, line):
    masks = {"name": "cells", "task": "instance_segmentation", "categories": ["b"]}
    as_yolo(tmp_path, line) if line else as_coco(tmp_path)
    path = "data.yaml" if line else "val.json"
    reader = emitted(masks, format=form, validation=path).dataset
    samples = reader.read_dataset(tmp_path / path)
    classes = [sample.labels["cells"].classes.tolist() for sample in samples]
    assert classes == [[], [0]] * 3
    assert LEFT_OUT.format("a", 3) in lines_of(capsys)


@pytest.mark.slow
def test_quadrilaterals_of_other_categories_are_left_out(emitted, tmp_path, capsys):
    corners = [[1, 1], [9, 1], [9, 9], [1, 9]]
    given = [{"category": name, "quadrilateral": corners} for name in "ab"]
    head = {"name": "pages", "task": "quadrilateral_detection", "categories": ["b"]}
    folder = native(tmp_path, {"0.png": given}, "quadrilateral detection")
    [sample] = emitted(head, validation="val").dataset.read_dataset(folder)
    assert sample.labels["pages"].boxes.tolist() == [[1, 1, 9, 9]]
    assert sample.labels["pages"].classes.tolist() == [0]
    assert lines_of(capsys) == {LEFT_OUT.format("a", 1)}


def test_many_names_are_told_in_twenty_lines(emitted, tmp_path, capsys):
    given = [box(1, 2, 9, 9, category=f"{i:02}") for i in range(30)]
    names = [f"{i:02}" for i in range(30)] + ["b"]
    folder = native(tmp_path, {"0.png": given}, categories=names)
    emitted(B, validation="val").dataset.read_dataset(folder)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 21 and lines[-1] == f"{folder}: and 10 more such lines"


# ---- Names of whole images ----


def test_class_folders_of_other_categories_are_left_out(emitted, tmp_path, capsys):
    as_folders(tmp_path)
    (tmp_path / "train" / "c").mkdir()
    head = KIND | {"categories": ["c", "b"]}
    reader = emitted(head, format="folders", validation="val").dataset
    samples = reader.read_dataset(tmp_path / "train")
    assert [sample.path.parent.name for sample in samples] == ["b"] * 6
    assert {sample.labels["kind"] for sample in samples} == {1}
    assert lines_of(capsys) == {LEFT_OUT.format("a", 6)}


def test_a_validation_set_may_lack_categories(emitted, tmp_path, capsys):
    as_folders(tmp_path)
    for path in (tmp_path / "val" / "b").iterdir():
        path.unlink()
    (tmp_path / "val" / "b").rmdir()
    head = KIND | {"categories": ["b", "a"]}
    data = {"format": "folders", "validation": "val"}
    reader = emitted(head, **data).dataset
    samples = reader.read_dataset(tmp_path / "val")
    assert [sample.labels["kind"] for sample in samples] == [1] * 6
    reader.check_labels(samples, "validate", "kind", ("b", "a"), lambda x: [x])
    assert lines_of(capsys) == {"in no image to validate on, 1 of 2: b"}


def test_names_of_both_alone_are_refused(emitted, tmp_path):
    """The reader does not guess which of them is meant."""
    as_folders(tmp_path)
    head = KIND | {"categories": ["a", "B"]}
    reader = emitted(head, format="folders", validation="val").dataset
    said = "only in the dataset: b\n  only in the job: B"
    with pytest.raises(SystemExit, match=said):
        reader.read_dataset(tmp_path / "train")


@pytest.mark.sample("two heads", rest="slow")
@pytest.mark.parametrize("more", [(), ("price",)], ids=["one head", "two heads"])
def test_rows_of_other_categories_are_left_out(emitted, tmp_path, capsys, more):
    as_csv(tmp_path)
    heads = [KIND | {"categories": ["b", "x"]}]
    heads += [{"name": name, "task": "regression", "range": [0, 9]} for name in more]
    reader = emitted(*heads, format="csv", validation="val.csv").dataset
    samples = reader.read_dataset(tmp_path / "train.csv")
    kinds = [sample.labels.get("kind") for sample in samples]
    assert kinds == ([None, 0] * 3 if more else [0] * 3)
    assert LEFT_OUT.format("a", 3) in lines_of(capsys)


def test_native_images_of_other_categories_are_left_out(emitted, tmp_path, capsys):
    task = {"0.png": "a", "1.png": "b", "2.png": None, "3.png": "no"}
    folder = native(tmp_path, task, "multiclass classification")
    head = KIND | {"categories": ["no", "b"]}
    samples = emitted(head, validation="val").dataset.read_dataset(folder)
    assert [sample.labels["kind"] for sample in samples] == [1, 0]
    told = {LEFT_OUT.format("a", 1), "images left out: null: 1"}
    assert lines_of(capsys) == told


def test_where_all_is_left_out_the_reason_is_told(emitted, tmp_path, capsys):
    folder = native(tmp_path, {"0.png": "a"}, "multiclass classification")
    head = KIND | {"categories": ["no", "b"]}
    with pytest.raises(SystemExit, match="no labeled images"):
        emitted(head, validation="val").dataset.read_dataset(folder)
    assert lines_of(capsys) == {LEFT_OUT.format("a", 1)}


@pytest.mark.slow
def test_other_labels_are_left_out(emitted, tmp_path, capsys):
    given = {"0.png": ["a", "b"], "1.png": ["a"]}
    metadata = {"labels": ["a", "b", "no"]}
    folder = native(tmp_path, given, "multilabel classification", **metadata)
    head = TAGS | {"labels": ["no", "b"]}
    first, second = emitted(head, validation="val").dataset.read_dataset(folder)
    assert first.labels["tags"].tolist() == [0, 1]
    assert second.labels["tags"].tolist() == [0, 0]
    assert lines_of(capsys) == {LEFT_OUT.format("a", 2)}


def test_labels_of_maps_are_those_that_the_job_names(emitted, tmp_path, capsys):
    head = TAGS | {"labels": ["car", "sky"]}
    data = {"task": "semantic_segmentation", "validation": "val"}
    [sample] = emitted(head, **data).dataset.read_dataset(street(tmp_path, count=1))
    assert sample.labels["tags"].tolist() == [1, 1]
    assert lines_of(capsys) == {"not named by the job, unknown in maps: road"}


# ---- Segments ----


def some_of(*names: str, **more) -> dict:
    """The panoptic head, with some of its categories."""
    whole = coco_segments.HEAD
    colors = dict(zip(whole["categories"], whole["colors"]))
    things = [name for name in names if name in whole["things"]]
    options = {"categories": names, "colors": [colors[name] for name in names]}
    return whole | options | {"things": things} | more


@pytest.mark.slow
def test_segments_of_other_categories_are_unknown(emitted, tmp_path, capsys):
    """The file has the crowd of a person too, which no job learns from."""
    head = some_of("road", "car")
    reader = emitted(head, format="coco", validation="val.json").dataset
    [sample] = reader.read_dataset(coco(tmp_path, ids()))
    labels = sample.labels["street"]
    masks = [reader.coco_mask.decode(mask) for mask in labels.masks]
    areas = sorted(zip(labels.classes.tolist(), (int(mask.sum()) for mask in masks)))
    roads = int(np.isin(ids(), [2, 300]).sum())
    cars = [int((ids() == number).sum()) for number in (BIG, 70_000)]
    assert areas == [(0, roads), *((1, area) for area in sorted(cars))]
    assert LEFT_OUT.format("sky", 1) in lines_of(capsys)


@pytest.mark.slow
def test_maps_of_segments_have_the_same_unknown(emitted, tmp_path, capsys):
    head = {"name": "one", "task": "semantic_segmentation", "channels": 8}
    head |= {"categories": ["car", "road"], "colors": [[1, 1, 1], [2, 2, 2]]}
    data = {"format": "coco", "validation": "val.json", "task": "panoptic_segmentation"}
    modules = emitted(head, **data)
    [sample] = modules.dataset.read_dataset(coco(tmp_path, ids()))
    found = modules.data.read_segments(sample.labels["one"])
    wanted = np.full((30, 40), -1)
    wanted[np.isin(ids(), [BIG, 70_000])], wanted[np.isin(ids(), [2, 300])] = 0, 1
    np.testing.assert_array_equal(found, wanted)
    assert LEFT_OUT.format("sky", 1) in lines_of(capsys)


def test_things_are_compared_where_both_have_them(emitted, tmp_path):
    """A file that lacks a thing of the job fits; one in which it is stuff does not."""
    path = coco(tmp_path, ids())
    reader = emitted(coco_segments.HEAD, format="coco", validation="val.json").dataset
    edit(path, "categories", lambda c: [x for x in c if x["id"] != KINDS[PERSON]])
    content = json.loads(path.read_text())
    for item in content["annotations"]:
        segments = item["segments_info"]
        kept = [x for x in segments if x["category_id"] != KINDS[PERSON]]
        item["segments_info"] = kept
    path.write_text(json.dumps(content))
    found = np.where(ids() == 9, 0, ids())
    coco_segments.save_ids(Path(path.parent / "val" / "0-ids.png"), found)
    [sample] = reader.read_dataset(path)
    assert sorted(set(sample.labels["street"].classes.tolist())) == [SKY, CAR, ROAD]
    edit(path, "categories", lambda c: [x | {"isthing": 0} for x in c])
    with pytest.raises(SystemExit, match="the things differ from the job's"):
        reader.read_dataset(path)


# ---- Maps of colors ----


@pytest.mark.slow
def test_a_job_with_some_colors_learns_the_others_as_unknown(emitted, tmp_path, capsys):
    names = ["car", "road"]
    head = STREET | {"categories": names, "colors": [COLORS[name] for name in names]}
    modules = emitted(head, validation="val")
    [sample] = modules.dataset.read_dataset(street(tmp_path, count=1))
    found = modules.data.read_categories(*sample.labels["street"])
    assert found[0, 0] == -1 and found[5, 5] == 1 and found[5, 35] == -1
    assert (found[10:20, 15:25] == 0).all()
    assert lines_of(capsys) == {"not named by the job, unknown in maps: sky"}


# ---- Several that are learned as one ----


def merging(head: dict, name: str, *parts: str, **more) -> dict:
    return head | {"merge": {name: list(parts)}} | more


@pytest.mark.slow
def test_objects_are_merged(emitted, tmp_path, capsys):
    as_coco(tmp_path)
    head = merging(detecting("x", "both", name="cells"), "both", "a", "b")
    with pytest.raises(SystemExit, match="only in the job: x|no labeled"):
        edited = merging(detecting("x", "both", name="cells"), "both", "a")
        data = {"format": "coco", "validation": "val.json"}
        emitted(edited, **data).dataset.read_dataset(tmp_path / "val.json")
    reader = emitted(head, format="coco", validation="val.json").dataset
    samples = reader.read_dataset(tmp_path / "val.json")
    assert [x.labels["cells"].classes.tolist() for x in samples] == [[1]] * 6
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_class_folders_are_merged_and_left_out(emitted, tmp_path, capsys):
    as_folders(tmp_path)
    for name in ("c", "d"):
        folder = tmp_path / "train" / name
        folder.mkdir()
        for number in range(2):
            path = tmp_path / "train" / "a" / f"{2 * number}.png"
            (folder / path.name).write_bytes(path.read_bytes())
    head = merging(KIND | {"categories": ["b", "rest"]}, "rest", "c", "d")
    reader = emitted(head, format="folders", validation="val").dataset
    samples = reader.read_dataset(tmp_path / "train")
    found = {(x.path.parent.name, x.labels["kind"]) for x in samples}
    assert found == {("b", 0), ("c", 1), ("d", 1)}
    assert lines_of(capsys) == {LEFT_OUT.format("a", 6)}


def test_labels_are_merged(emitted, tmp_path):
    given = {"0.png": ["a", "b"], "1.png": ["no"], "2.png": []}
    metadata = {"labels": ["a", "b", "no"]}
    folder = native(tmp_path, given, "multilabel classification", **metadata)
    head = merging(TAGS | {"labels": ["b", "other"]}, "other", "a", "no")
    samples = emitted(head, validation="val").dataset.read_dataset(folder)
    assert [x.labels["tags"].tolist() for x in samples] == [[1, 1], [0, 1], [0, 0]]


def test_maps_are_merged(emitted, tmp_path):
    head = STREET | {"categories": ["sky", "ground"], "colors": [[1, 1, 1], [2, 2, 2]]}
    modules = emitted(merging(head, "ground", "road", "car"), validation="val")
    [sample] = modules.dataset.read_dataset(street(tmp_path, count=1))
    found = modules.data.read_categories(*sample.labels["street"])
    assert found[0, 0] == -1 and found[5, 5] == 1 and found[5, 35] == 0
    assert (found[10:20, 15:25] == 1).all()


@pytest.mark.slow
def test_segments_are_merged(emitted, tmp_path):
    """Stuff becomes one segment; things stay apart."""
    head = some_of("car", "road") | {"categories": ["mobile", "flat"]}
    head |= {
        "things": ["mobile"],
        "merge": {"mobile": ["car"], "flat": ["road", "sky"]},
    }
    reader = emitted(head, format="coco", validation="val.json").dataset
    [sample] = reader.read_dataset(coco(tmp_path, ids()))
    labels = sample.labels["street"]
    assert sorted(labels.classes.tolist()) == [0, 0, 1]
    [flat] = [m for m, kind in zip(labels.masks, labels.classes) if kind == 1]
    wanted = np.isin(ids(), [1, 2, 300])
    np.testing.assert_array_equal(reader.coco_mask.decode(flat) > 0, wanted)
