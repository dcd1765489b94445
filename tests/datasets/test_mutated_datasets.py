"""Datasets of strangers, as the emitted readers take them: they end in words, and no label
comes out that the file does not say."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path
from types import ModuleType

import mutations
import small_sets
import pytest
from emitted_jobs import CLASSES, DETECTION, NAMES

QUICK, ALL = 34, 334  # datasets of each of six formats: 200, and 2,000


def reader_of(emitted, form: str) -> ModuleType:
    head = CLASSES if form in ("csv", "folders") else DETECTION
    return emitted(head, format=form, validation="val").dataset


@pytest.mark.sample("native", rest="slow")
@pytest.mark.parametrize("form", small_sets.DATASETS)
def test_mutated_datasets_are_read_or_refused_in_words(emitted, tmp_path, capsys, form):
    reader = reader_of(emitted, form)
    outcomes = [check(reader, tmp_path, capsys, form, seed) for seed in range(QUICK)]
    assert sum(outcomes) > 3  # some are read, and of files of text some are refused
    assert form == "folders" or not all(outcomes)


@pytest.mark.soak
@pytest.mark.parametrize("form", small_sets.DATASETS)
def test_many_mutated_datasets(emitted, tmp_path, capsys, form):
    reader = reader_of(emitted, form)
    for seed in range(QUICK, ALL):
        check(reader, tmp_path, capsys, form, seed)


@pytest.mark.parametrize("form", small_sets.DATASETS)
def test_a_dataset_as_it_is_gives_all_labels_without_a_word(
    emitted, tmp_path, capsys, form
):
    make, plain = small_sets.DATASETS[form]
    path = make(tmp_path / form)
    samples = read(reader_of(emitted, form), form, path)
    assert labels_of(samples) == expected(plain, path)
    assert len(labels_of(samples)) >= 4 and capsys.readouterr().err == ""


def check(reader: ModuleType, root: Path, capsys, form: str, seed: int) -> bool:
    """Read one; returns whether there are samples. All that is left out must be told."""
    make, plain = small_sets.DATASETS[form]
    folder = root / f"{form}{seed}"
    path = make(folder)
    done = mutations.mutate(folder, random.Random(f"{form}{seed}"))
    capsys.readouterr()
    try:
        samples = read(reader, form, path)
    except SystemExit as end:
        said = str(end)
        assert str(path) in said or str(folder) in said, (folder, done, said)
        fault = re.search(r"(Key|Type|Index|Attribute|Unbound|Zero)\w*Error", said)
        assert not fault, (folder, done, said)
        return False
    told = capsys.readouterr().err
    found, wanted = labels_of(samples), expected(plain, path)
    assert found <= wanted, (folder, done, sorted(found - wanted))
    if not told:
        assert found == wanted, (folder, done, sorted(wanted - found))
    return True


def read(reader: ModuleType, form: str, path: Path) -> list:
    if form == "yolo":
        return reader.read_dataset(path, "train")
    return reader.read_dataset(path, training=True)


def labels_of(samples: list) -> set[tuple]:
    """The file of each image, a category and a box, to a thousandth of a pixel."""
    found = set()
    for sample in samples:
        file = os.path.realpath(sample.path)
        for label in sample.labels.values():
            if isinstance(label, int):
                found.add((file, NAMES[label], None))
                continue
            for box, category in zip(label.boxes.tolist(), label.classes.tolist()):
                found.add((file, NAMES[category], rounded(box)))
    return found


def expected(plain: small_sets.Reading, path: Path) -> set[tuple]:
    """The same of what the file says: boxes cut at the edge of the image, those without
    area left out; of names that no image has, nothing."""
    found = set()
    for name, folder, category, box in plain(path):
        files = {name, name.strip().replace("\\", "/")}
        files = [folder / x for x in files if os.path.isfile(folder / x)]
        if box is not None:
            left, top, right, bottom = box
            box = max(left, 0), max(top, 0)
            box += min(right, small_sets.WIDTH), min(bottom, small_sets.HEIGHT)
            if not (box[0] < box[2] and box[1] < box[3]):
                continue
            box = rounded(box)
        if category in NAMES:
            found |= {(os.path.realpath(file), category, box) for file in files}
    return found


def rounded(box) -> tuple:
    return tuple(round(side, 3) + 0.0 for side in box)
