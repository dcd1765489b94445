"""samples.py: what was read is kept as it was, and never serves when it is not true."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import head_jobs
import mutations
import small_sets
import numpy as np
import pytest
from emitted_jobs import CLASSES, DETECTION, load_all, make_reader
from map_data import COLORS, STREET, street
from small_data import box, native, picture

from specc.heads import TASKS

MODULES = ("dataset", "samples", "data", "checkpoints")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    """The datasets of the heads' small jobs."""
    place = tmp_path_factory.mktemp("drawn")
    for name in {small.drawn for small in head_jobs.JOBS.values()}:
        head_jobs.draw(name, place / name)
    return place


def modules_of(folder: Path, *heads: dict, **data) -> SimpleNamespace:
    """The modules of a job that keeps samples, imported anew: `SOURCES` and `NOTES` are
    empty."""
    folder.mkdir(exist_ok=True)
    return load_all(make_reader(folder, heads, data | {"keep_samples": True}), *MODULES)


@pytest.fixture
def root(tmp_path) -> Path:
    """Two sets of four images with boxes, one of which has none inside."""
    labels = {
        "0.png": [box(1, 2, 9, 9), box(3, 3, 30, 20, category="no")],
        "1.png": [],
        "2.png": [box(5, 5, 60, 9), box(4, 4, 4, 9)],
        "3.png": None,
    }
    for part in ("train", "val"):
        native(tmp_path / "root" / part, labels)
    return tmp_path / "root"


def detector(tmp_path: Path) -> SimpleNamespace:
    return modules_of(tmp_path / "job", DETECTION, validation="val")


def stored_files(cache: Path) -> list[Path]:
    return sorted((cache / "specc").glob("*"))


def assert_same(one: object, other: object) -> None:
    """Equal in value and in type, arrays in their kind as well."""
    assert type(one) is type(other)
    if isinstance(one, np.ndarray):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            assert_same(value, other[key])
    elif isinstance(one, (tuple, list)):
        assert len(one) == len(other)
        for values in zip(one, other):
            assert_same(*values)
    else:
        assert one == other


@pytest.mark.slow
@pytest.mark.sample(
    "autoencoding",
    "autoregressive_text_recognition",
    "instance_segmentation",
    "metric_learning",
    "quadrilateral_detection",
    "regression",
    "semantic_segmentation",
)
@pytest.mark.parametrize("task", sorted(TASKS))
def test_samples_are_what_the_reader_gives(task, drawn, tmp_path):
    """When they are read, and when a new process maps them."""
    job = head_jobs.make(tmp_path / "job", task, data={"keep_samples": True})
    wanted = load_all(job, *MODULES).dataset.read_datasets(drawn)
    for _ in ("read", "mapped"):
        found = load_all(job, *MODULES).samples.read_samples(drawn)
        for samples, expected in zip(found, wanted, strict=True):
            assert len(samples) == len(expected)
            for sample, one in zip(samples, expected, strict=True):
                assert_same(plain(sample), plain(one))
            assert_same(plain(samples[1:3][1]), plain(expected[2]))
            images = [(str(x.path), x.height, x.width) for x in expected]
            assert list(samples.images()) == images


def plain(sample: tuple) -> tuple:
    """A sample without its class, which each import makes anew."""
    labels = {
        name: (type(label).__name__, *label) if hasattr(label, "_fields") else label
        for name, label in sample.labels.items()
    }
    return (*sample[:3], labels)


@pytest.mark.slow
def test_images_without_labels_of_a_head_stay_so(tmp_path):
    """And the first images of each head are chosen among those that have labels."""
    root = tmp_path / "root"
    for part in ("train", "val"):
        folder = native(root / part, {f"{i}.png": [box(1, 2, 9, 9)] for i in (0, 2)})
        entries = [
            json.loads(
                json.dumps(
                    {
                        "task": "object detection",
                        "categories": ["a", "b", "no"],
                        "annotations": "labels.yaml",
                    }
                )
            ),
            {
                "task": "multiclass classification",
                "categories": ["a", "b", "no"],
                "annotations": "kinds.yaml",
            },
        ]
        (folder / "metadata.yaml").write_text(json.dumps(entries))
        (folder / "kinds.yaml").write_text(json.dumps({"1.png": "b", "2.png": "no"}))
    made = modules_of(tmp_path / "job", DETECTION, CLASSES, validation="val")
    for _ in ("read", "mapped"):
        training, _ = made.samples.read_samples(root)
        heads = {sample.path.name: set(sample.labels) for sample in training}
        both = {"cells", "kind"}
        assert heads == {"0.png": {"cells"}, "1.png": {"kind"}, "2.png": both}
        kinds = [one.labels["kind"] for one in training if "kind" in one.labels]
        assert kinds == [1, 2]
        few = made.dataset.first_of_heads(training, 1)
        assert [sample.path.name for sample in few] == ["0.png", "1.png"]


def test_colors_of_maps_are_kept_once_for_each_table(tmp_path):
    """A set to validate on may have other colors than the one to train on."""
    for part in ("train", "val"):
        street(tmp_path / part, count=3)
    other = {name: list(color) for name, color in COLORS.items()} | {"road": [9, 9, 9]}
    street(tmp_path / "val", count=3, colors=other)
    made = modules_of(tmp_path / "job", STREET, validation="val")
    place = STREET["categories"].index("road")
    sets = made.samples.read_samples(tmp_path)
    for samples, color in zip(sets, (COLORS["road"], (9, 9, 9)), strict=True):
        assert len(samples.columns["street/colors/ends"]) == 2  # a single text
        tables = [dict(sample.labels["street"].colors) for sample in samples]
        assert [table[tuple(color)] for table in tables] == [place] * 3


@pytest.mark.slow
def test_a_dataset_that_teaches_nothing_is_not_kept(tmp_path, root, cache):
    """Whoever starts again is told again."""
    (root / "train" / "labels.yaml").write_text(json.dumps({"0.png": []}))
    for _ in range(2):
        with pytest.raises(
            SystemExit, match=r"too few kinds of labels, 0 \(images to train on: 1\)"
        ):
            detector(tmp_path).samples.read_samples(root)
    assert not stored_files(cache)


def test_a_second_start_opens_no_image(tmp_path, root, cache, capsys):
    """It says again what the user should know of the dataset."""
    detector(tmp_path).samples.read_samples(root)
    told = capsys.readouterr().err.splitlines()
    (file,) = stored_files(cache)
    assert str(file) in told[-1] and "MB" in told[-1]
    assert "cells: in no image to train on, 1 of 3: b" in told
    made = detector(tmp_path)
    made.dataset.read_datasets = None  # nobody calls it
    made.samples.read_datasets = None
    training, validation = made.samples.read_samples(root)
    assert len(training) == len(validation) == 3
    again = capsys.readouterr().err.splitlines()
    assert again[:-1] == told[:-1] and len(told) > 2
    assert str(file) in again[-1]


def test_other_outputs_share_what_was_read_and_other_jobs_do_not(tmp_path, root, cache):
    detector(tmp_path).samples.read_samples(root)
    shutil.copytree(tmp_path / "job", tmp_path / "copy")
    load_all(tmp_path / "copy", *MODULES).samples.read_samples(root)
    assert len(stored_files(cache)) == 1
    other = DETECTION | {"categories": ("a", "no", "b")}
    made = modules_of(tmp_path / "other", other, validation="val")
    training, _ = made.samples.read_samples(root)
    assert len(stored_files(cache)) == 2
    assert training[0].labels["cells"].classes.tolist() == [0, 1]


@pytest.mark.slow
def test_a_job_with_a_cache_keeps_samples_there(tmp_path, root, cache):
    made = modules_of(tmp_path / "job", DETECTION, validation="val", cache="kept")
    os.chdir(tmp_path)
    made.samples.read_samples(root)
    assert len(list((tmp_path / "kept").glob("*.samples"))) == 1
    assert not stored_files(cache)


def changed_label(root: Path) -> None:
    labels = root / "train" / "labels.yaml"
    labels.write_text(labels.read_text().replace("9\n", "8\n", 1))


def touched_metadata(root: Path) -> None:
    os.utime(root / "val" / "metadata.yaml", ns=(1, 1))


@pytest.mark.sample("touched_metadata", rest="slow")
@pytest.mark.parametrize("change", [changed_label, touched_metadata])
def test_what_changed_is_read_anew(change, tmp_path, root, cache):
    detector(tmp_path).samples.read_samples(root)
    (file,) = stored_files(cache)
    before = file.stat().st_ino
    change(root)
    wanted = detector(tmp_path).dataset.read_datasets(root)
    found = detector(tmp_path).samples.read_samples(root)
    for samples, expected in zip(found, wanted):
        assert [plain_boxes(x) for x in samples] == [plain_boxes(x) for x in expected]
    assert stored_files(cache) == [file] and file.stat().st_ino != before


def plain_boxes(sample: tuple) -> list:
    return sample.labels["cells"].boxes.tolist()


def test_reread_reads_anew(tmp_path, root, cache):
    detector(tmp_path).samples.read_samples(root)
    (file,) = stored_files(cache)
    before = file.stat().st_ino
    cv2.imwrite(str(root / "train" / "images" / "0.png"), picture(60, 80))
    training, _ = detector(tmp_path).samples.read_samples(root)
    assert training[0][1:3] == (30, 40)  # images are not opened again
    training, _ = detector(tmp_path).samples.read_samples(root, reread=True)
    assert training[0][1:3] == (60, 80) and file.stat().st_ino != before


def test_an_image_of_another_size_ends_the_run(tmp_path, root):
    made = detector(tmp_path)
    training, _ = made.samples.read_samples(root)
    made.data.letterbox(training[0])
    for side in (29, 31, 300):
        cv2.imwrite(str(training[0].path), picture(side, 40))
        with pytest.raises(
            made.data.ChangedError, match="0.png: changed since the dataset"
        ):
            made.data.letterbox(training[0])


@pytest.mark.parametrize("reduced", [False, True])
def test_a_jpeg_that_is_decoded_smaller_is_compared_as_well(reduced, tmp_path, root):
    made = detector(tmp_path)
    path = tmp_path / "large.jpg"
    cv2.imwrite(str(path), picture(301, 403) if reduced else picture(61, 83))
    size = (301, 403) if reduced else (61, 83)
    made.data.letterbox(made.dataset.Sample(path, *size, {}))
    other = made.dataset.Sample(path, size[0] + 9, size[1], {})
    with pytest.raises(made.data.ChangedError):
        made.data.letterbox(other)


@pytest.mark.slow
def test_a_damaged_file_is_never_believed(tmp_path, root, cache):
    """Any byte may be another one, and any end may be missing."""
    detector(tmp_path).samples.read_samples(root)
    (file,) = stored_files(cache)
    good, rng = file.read_bytes(), np.random.default_rng(0)
    made = detector(tmp_path)
    assert made.samples.stored(file)
    for place in (0, 3, 8, 12, 16, 20, *rng.integers(0, len(good), 40).tolist()):
        bad = bytearray(good)
        bad[place] ^= 1 << int(rng.integers(8))
        file.write_bytes(bad)
        assert made.samples.stored(file) is None
    for length in (0, 1, 7, 8, 15, 16, 40, len(good) - 1, len(good) // 2):
        file.write_bytes(good[:length])
        assert made.samples.stored(file) is None
    file.write_bytes(good + b"\0")
    assert made.samples.stored(file) is None
    training, _ = detector(tmp_path).samples.read_samples(root)
    assert plain_boxes(training[0]) == [[1, 2, 9, 9], [3, 3, 30, 20]]
    assert file.read_bytes() == good


@pytest.mark.slow
def test_what_a_killed_process_wrote_is_no_file_of_samples(tmp_path, root, cache):
    """It ends within the write; the next one reads as if it had never been."""
    made = detector(tmp_path)
    script = (
        f"import os, sys; sys.path.insert(0, {str(tmp_path / 'job')!r})\n"
        "from pathlib import Path\n"
        "import samples\n"
        "def write_bytes(path, content):\n"
        "    with open(path, 'wb') as file:\n"
        "        file.write(content[:100])\n"
        "    os.kill(os.getpid(), 9)\n"
        "Path.write_bytes = write_bytes\n"
        f"samples.read_samples(Path({str(root)!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert done.returncode == -9
    assert not list((cache / "specc").glob("*.samples"))
    training, _ = made.samples.read_samples(root)
    assert len(training) == 3 and len(list((cache / "specc").glob("*.samples"))) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path, root, cache, capsys):
    cache.parent.mkdir(parents=True, exist_ok=True)
    cache.write_text("a file where a folder should be")
    training, _ = detector(tmp_path).samples.read_samples(root)
    assert len(training) == 3
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.endswith(
        "samples cannot be kept, and are read at each start: Not a directory"
    )


def test_a_full_disk_leaves_nothing_behind(tmp_path, root, cache, monkeypatch, capsys):
    made = detector(tmp_path)

    def fails(path: Path, content: bytes) -> None:
        with path.open("wb") as file:
            file.write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fails)
    training, _ = made.samples.read_samples(root)
    assert len(training) == 3 and not stored_files(cache)
    assert "No space left on device" in capsys.readouterr().err


def test_a_dataset_with_problems_is_not_kept(tmp_path, root, cache):
    labels = root / "val" / "labels.yaml"
    labels.write_text(json.dumps({"0.png": [box(9, 9, 1, 1)]}))
    with pytest.raises(SystemExit, match="not left, top, right, bottom"):
        detector(tmp_path).samples.read_samples(root)
    assert not stored_files(cache)


@pytest.mark.sample("folders", rest="slow")
@pytest.mark.parametrize("form", small_sets.DATASETS)
def test_whatever_changed_kept_samples_are_those_of_a_fresh_reading(
    form, tmp_path, capsys
):
    """Files of all formats change at random, or are new, or gone."""
    head = CLASSES if form in ("csv", "folders") else DETECTION
    data = {"format": form, "validation": "val"}
    made = modules_of(tmp_path / "job", head, **data)
    for seed in range(6):
        root, rng = tmp_path / f"{form}{seed}", random.Random(f"kept {form}{seed}")
        path = small_sets.DATASETS[form][0](root)
        flags = {"split": "train"} if form == "yolo" else {}

        def read(_: Path) -> list:
            return [made.dataset.read_dataset(path, **flags)] * 2

        made.samples.read_datasets = read
        again(made, root)
        mutations.mutate(root, rng)
        if form == "folders":
            small_sets.save_images(root / "a", ("new.png",))
        assert result(again, made, root) == result(lambda *_: read(root)[0], made, root)


def again(made: SimpleNamespace, root: Path) -> list:
    """The samples of a new process, which may be kept ones."""
    made.dataset.SOURCES.clear()
    made.dataset.NOTES.clear()
    return made.samples.read_samples(root)[0]


def result(reading, made: SimpleNamespace, root: Path) -> object:
    """The samples in plain values, or why there are none."""
    try:
        samples = reading(made, root)
    except SystemExit as end:
        return str(end)
    return [str(plain(sample)) for sample in samples]
