"""Tables as people have them: small sets of images 40x30, and what is learned of each.

A layout is a function of a folder; it returns the task, and for each image that is
trained on its label in plain words.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from layouts import save

PETS = ("cat", "dog", "cat", "dog", "cat", "dog", "cat", "dog")


class Case(NamedTuple):
    task: str
    labels: dict[str, Any]  # name of an image -> its label
    held_out: int = 0  # images of the validation set; 0: none is found


def images(folder: Path, names: list[str], seed: int = 0) -> None:
    for number, name in enumerate(names):
        save(folder / name, seed + number)


def table(path: Path, header: list[str] | None, rows: list[list], sign=",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=sign)
        writer.writerows([header, *rows] if header else rows)
    return path


def lines(path: Path, entries: list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [x if isinstance(x, str) else json.dumps(x) for x in entries]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")


# ---- Categories ----


def kaggle_ids(folder: Path) -> Case:
    """Names without suffix, a folder of the set's name, a test set without labels."""
    names = [f"{i:03}" for i in range(8)]
    images(folder / "train", [f"{name}.jpg" for name in names])
    images(folder / "test", ["900.jpg", "901.jpg"], 50)
    table(folder / "labels.csv", ["id", "breed"], [*map(list, zip(names, PETS))])
    table(folder / "sample_submission.csv", ["id", "breed"], [["900", "cat"]])
    return Case(
        "multiclass_classification", dict(zip([f"{x}.jpg" for x in names], PETS))
    )


def kaggle_test(folder: Path) -> Case:
    names = [f"{i}.png" for i in range(8)]
    images(folder / "train_images", names)
    images(folder / "test_images", ["a.png"], 50)
    table(folder / "train.csv", ["image_id", "label"], [*map(list, zip(names, PETS))])
    table(folder / "test.csv", ["image_id"], [["a.png"]])
    return Case("multiclass_classification", dict(zip(names, PETS)))


def excel(folder: Path) -> Case:
    """Semicolons, a byte order mark, spaces in names of columns, and around cells."""
    names = [f"Bild {i}.png" for i in range(8)]
    images(folder / "Bilder", names)
    rows = [f"{name} ; {pet} ;x" for name, pet in zip(names, PETS)]
    text = "\ufeff" + "\r\n".join([" File Name;Breed Name;", *rows])
    (folder / "tiere.csv").write_text(text, encoding="utf-8", newline="")
    return Case("multiclass_classification", dict(zip(names, PETS)))


def two_sets(folder: Path) -> Case:
    """Paths in two columns of data, tabs, and a folder for each set."""
    names = [f"{i}.png" for i in range(8)]
    for seed, part in ((0, "train"), (50, "val")):
        images(folder / part, names, seed)
        rows = [[name, pet] for name, pet in zip(names, PETS)]
        table(folder / f"{part}.tsv", ["img", "class"], rows, "\t")
    return Case("multiclass_classification", dict(zip(names, PETS)), 8)


def without_header(folder: Path) -> Case:
    names = [f"a/{i}.png" for i in range(8)]
    images(folder, names)
    table(folder / "annotations.csv", None, [*map(list, zip(names, PETS))])
    labels = {Path(name).name: pet for name, pet in zip(names, PETS)}
    return Case("multiclass_classification", labels)


def one_hot(folder: Path) -> Case:
    """One column with a 1 in each row, as HAM10000 and ISIC have it."""
    names = [f"ISIC_{i}" for i in range(8)]
    images(folder / "input", [f"{name}.jpg" for name in names])
    rows = [[n, 1.0 * (p == "cat"), 1.0 * (p == "dog")] for n, p in zip(names, PETS)]
    table(folder / "truth.csv", ["image", "CAT", "DOG"], rows)
    return Case(
        "multiclass_classification",
        {f"{name}.jpg": pet.upper() for name, pet in zip(names, PETS)},
    )


def hugging_face(folder: Path) -> Case:
    names = [f"{i}.png" for i in range(8)]
    for seed, part in ((0, "train"), (50, "validation")):
        images(folder / part, names, seed)
        rows = [*map(list, zip(names, PETS))]
        table(folder / part / "metadata.csv", ["file_name", "label"], rows)
    return Case("multiclass_classification", dict(zip(names, PETS)), 8)


def hugging_face_lines(folder: Path) -> Case:
    names = [f"{i}.png" for i in range(8)]
    for seed, part in ((0, "train"), (50, "test")):
        images(folder / part, names, seed)
        entries = [{"file_name": x, "label": i % 2} for i, x in enumerate(names)]
        lines(folder / part / "metadata.jsonl", entries)
    return Case(
        "multiclass_classification", {x: str(i % 2) for i, x in enumerate(names)}, 8
    )


# ---- Labels ----

TAGS = (
    "haze water",
    "haze",
    "clear road",
    "clear",
    "haze road",
    "water",
    "road",
    "clear",
)


def planet(folder: Path) -> Case:
    names = [f"train_{i}" for i in range(8)]
    images(folder / "train-jpg", [f"{name}.jpg" for name in names])
    table(
        folder / "train_v2.csv", ["image_name", "tags"], [*map(list, zip(names, TAGS))]
    )
    labels = {f"{x}.jpg": sorted(tags.split()) for x, tags in zip(names, TAGS)}
    return Case("multilabel_classification", labels)


def chest(folder: Path) -> Case:
    names = [f"{i}.png" for i in range(8)]
    images(folder / "images_001" / "images", names)
    cells = [tags.replace(" ", "|") for tags in TAGS]
    table(
        folder / "Data_Entry.csv",
        ["Image Index", "Finding Labels"],
        [*map(list, zip(names, cells))],
    )
    labels = {x: sorted(tags.split()) for x, tags in zip(names, TAGS)}
    return Case("multilabel_classification", labels)


def flags(folder: Path) -> Case:
    """Roboflow's file of flags in the folder of each set, with spaces after commas."""
    kinds, names = ["clear", "haze", "road", "water"], [f"{i}.jpg" for i in range(8)]
    for seed, part in ((0, "train"), (50, "valid")):
        images(folder / part, names, seed)
        rows = [
            ", ".join([x, *(str(int(kind in tags)) for kind in kinds)])
            for x, tags in zip(names, TAGS)
        ]
        lines(folder / part / "_classes.csv", [", ".join(["filename", *kinds]), *rows])
    labels = {x: sorted(tags.split()) for x, tags in zip(names, TAGS)}
    return Case("multilabel_classification", labels, 8)


def minus_ones(folder: Path) -> Case:
    """1 and -1, as CelebA has it."""
    kinds, names = ["Clear", "Wavy_Road"], [f"{i}.jpg" for i in range(8)]
    images(folder / "img", names)
    rows = [[x, i % 2 * 2 - 1, 1 - i // 4 * 2] for i, x in enumerate(names)]
    table(folder / "attributes.csv", ["image_id", *kinds], rows)
    labels = {
        x: [kind for kind, on in zip(kinds, (i % 2, i < 4)) if on]
        for i, x in enumerate(names)
    }
    return Case("multilabel_classification", labels)


def lists_of_labels(folder: Path) -> Case:
    names = [f"{i}.png" for i in range(8)]
    images(folder, names)
    found = [{"image": x, "labels": tags.split()} for x, tags in zip(names, TAGS)]
    found[3]["labels"] = []
    lines(folder / "all.jsonl", found)
    labels = {x: sorted(tags.split()) for x, tags in zip(names, TAGS)} | {"3.png": []}
    return Case("multilabel_classification", labels)


# ---- Numbers ----


def decimal_commas(folder: Path) -> Case:
    names, ages = [f"{i}.png" for i in range(8)], [f"{i},5" for i in range(8)]
    images(folder / "faces", names)
    rows = [*map(list, zip(names, [*ages[:7], "NaN"]))]
    table(folder / "ages.csv", ["file", "Age (years)"], rows, ";")
    return Case("regression", {f"{i}.png": i + 0.5 for i in range(7)})


# ---- Texts ----

WORDS = ("A1", 'say "hi"', "no", 'x"y', "B 2", "zoo", "Ö", "ice")


def tabbed_text(folder: Path) -> Case:
    """PaddleOCR's lists: paths from the root, quotes as they are."""
    for seed, part in ((0, "train"), (50, "test")):
        images(folder / part, [f"word_{i}.png" for i in range(8)], seed)
        rows = [f"{part}/word_{i}.png\t{word}" for i, word in enumerate(WORDS)]
        lines(folder / f"rec_gt_{part}.txt", rows)
    labels = {f"word_{i}.png": word for i, word in enumerate(WORDS)}
    return Case("scene_text_recognition", labels, 8)


def spaced_text(folder: Path) -> Case:
    images(folder / "images", [f"{i}.png" for i in range(8)])
    lines(folder / "labels.txt", [f"{i}.png {word}" for i, word in enumerate(WORDS)])
    labels = {f"{i}.png": word for i, word in enumerate(WORDS)}
    return Case("autoregressive_text_recognition", labels)


def text_column(folder: Path) -> Case:
    images(folder / "plates", [f"{i}.png" for i in range(8)])
    rows = [[f"{i}.png", word, "EU"] for i, word in enumerate(WORDS)]
    table(folder / "plates.csv", ["filename", "text", "region"], rows)
    return Case("scene_text_recognition", {f"{i}.png": x for i, x in enumerate(WORDS)})


def quoted_text(folder: Path) -> Case:
    """ICDAR's lists: a comma, a space, a text in quotes."""
    words = [f"w{i}, {i}" for i in range(8)]
    images(folder, [f"word_{i}.png" for i in range(8)])
    lines(
        folder / "gt.txt", [f'word_{i}.png, "{word}"' for i, word in enumerate(words)]
    )
    return Case(
        "scene_text_recognition", {f"word_{i}.png": x for i, x in enumerate(words)}
    )


def formulas(folder: Path) -> Case:
    texts = [rf"\frac {{ {i} }} {{ x }}" for i in range(8)]
    images(folder / "formula_images", [f"{i}.png" for i in range(8)])
    entries = [{"image": f"{i}.png", "latex": text} for i, text in enumerate(texts)]
    lines(folder / "train.jsonl", entries)
    labels = {f"{i}.png": text.split() for i, text in enumerate(texts)}
    return Case("autoregressive_text_recognition", labels)


# ---- One table of all sets ----


def split_column(folder: Path) -> Case:
    """Names of sets in a column; some rows are of none of them."""
    names = [f"{i}.png" for i in range(14)]
    images(folder / "all", names)
    parts = [*["Train"] * 8, *["Val"] * 3, *["Test"] * 2, "extra"]
    rows = [*map(list, zip(names, 2 * PETS, parts))]
    table(folder / "all.csv", ["image", "kind", "Split"], rows)
    return Case("multiclass_classification", dict(zip(names, PETS)), 3)


def is_valid(folder: Path) -> Case:
    """A flag tells the images to validate on, as in tables of fast.ai."""
    names = [f"{i}.jpg" for i in range(12)]
    images(folder / "train", names)
    held_out = [i >= 8 for i in range(12)]
    rows = [*map(list, zip(names, [*TAGS, *TAGS[:4]], held_out))]
    table(folder / "train.csv", ["fname", "labels", "is_valid"], rows)
    labels = {x: sorted(tags.split()) for x, tags in zip(names, TAGS)}
    return Case("multilabel_classification", labels, 4)


def split_folders(folder: Path) -> Case:
    """The same names in a folder of each set; without a set to validate on, the one to
    test on is it."""
    names, entries = [f"{i}.png" for i in range(8)], []
    for seed, part in ((0, "train"), (50, "test")):
        images(folder / part, names, seed)
        entries += [
            {"file_name": x, "age": i + 0.5 + seed, "split": part}
            for i, x in enumerate(names)
        ]
    lines(folder / "all.jsonl", entries)
    return Case("regression", {x: i + 0.5 for i, x in enumerate(names)}, 8)


LAYOUTS: dict[str, Callable[[Path], Case]] = {
    one.__name__: one
    for one in (
        *(kaggle_ids, kaggle_test, excel, two_sets, without_header, one_hot),
        *(hugging_face, hugging_face_lines, planet, chest, flags, minus_ones),
        *(lists_of_labels, decimal_commas, tabbed_text, spaced_text, text_column),
        *(quoted_text, formulas, split_column, is_valid, split_folders),
    )
}
