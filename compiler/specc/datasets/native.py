"""Finds datasets in the native layout: metadata.yaml, images/, annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os.path import isfile
from pathlib import Path
from typing import Any

from specc.datasets.files import Unlike, Unreadable, folders_in
from specc.datasets.found import Found, left_and_right, pair
from specc.datasets.parts import images_in, names_in, reader
from specc.heads import TASKS
from specc.language.schema import head

OPTIONS = (  # options of a head that the metadata has under the same names
    *("categories", "labels", "identities", "keypoints", "flip_pairs", "tokens"),
    *("range", "colors", "things", "ordered"),
)
NAMELESS = "instance"  # category of keypoints, which native annotations do not name


def find(folder: Path) -> Iterator[Found]:
    """Yields datasets for every task that the metadata names. Raises Unreadable."""
    train, *others = _sets(folder)
    if train is None:
        return
    yield from _of_sets(train, *others)
    entries = entries_of(train)
    if entries and not any(map(tasks_named, entries)):
        given = ", ".join(str(entry.get("task")) for entry in entries)
        raise Unlike(f"{train}: its metadata has no task that is known: {given:.100}")
    for name in ("metadata.yml", "metadata.json.txt", "metadata.yaml.txt"):
        if (train / name).exists():
            raise Unlike(f"{train / name}: is read where it is called metadata.yaml")


def _of_sets(
    train: Path, validation: Path | None, test: Path | None
) -> Iterator[Found]:
    images = tuple(images_in(train / "images"))
    for entry in entries_of(train):
        for task in tasks_named(entry):
            labels = str(entry.get("annotations") or "").rstrip("/")
            options = options_of(entry, task, train)
            reads_text = head(task).get("x-reads-text")
            sets = train, validation, test
            longest = _longest(sets, entry) if reads_text else 0
            named = options, images, labels, longest, NAMELESS
            yield Found("native", task, train, validation, *named, test=test)
    for task in sorted(TASKS):
        if TASKS[task].unlabeled and images:
            yield Found("native", task, train, validation, {}, images, test=test)


def entries_of(folder: Path) -> list[dict]:
    """Returns the entries of metadata.yaml; none if there is no such file."""
    for name in ("metadata.yaml", "metadata.json"):
        if (folder / name).exists():
            value = reader().read_yaml(folder / name)
            value = value if isinstance(value, list) else [value]
            return [entry for entry in value if isinstance(entry, dict)]
    return []


def tasks_named(entry: dict) -> list[str]:
    """Returns the tasks that learn from an entry of the metadata."""
    title = str(entry.get("task")).replace("_", " ")
    return [
        name
        for name, task in TASKS.items()
        if (task.described_as or task.title) == title and not task.unlabeled
    ]


def options_of(entry: dict, task: str, folder: Path) -> dict[str, Any]:
    """Returns the options of a head that the metadata gives. Raises Unreadable."""
    known = head(task)["properties"]
    given = {key: entry[key] for key in OPTIONS if key in known and key in entry}
    for key in ("categories", "labels", "identities", "keypoints", "things"):
        if given.get(key) is not None:
            reader().names_of(folder, given, key)
            given[key] = names_in(folder, key, given[key])
    if isinstance(given.get("range"), list):
        given["range"] = [_number(end) for end in given["range"]]
    if isinstance(given.get("flip_pairs"), list):
        given["flip_pairs"] = [
            [str(name).strip() for name in pair] if isinstance(pair, list) else pair
            for pair in given["flip_pairs"]
        ]
    if "ordered" in given:
        given["ordered"] = str(given["ordered"]).lower() in ("true", "yes", "on")
    if isinstance(given.get("tokens"), list):
        given["tokens"] = [str(token) for token in given["tokens"]]
    if isinstance(given.get("colors"), dict):
        colors = {str(name).strip(): color for name, color in given["colors"].items()}
        given["colors"] = [colors.get(name) for name in given.get("categories", ())]
    missing = [key for key in head(task)["required"] if key not in {*given, "task"}]
    if missing:
        raise Unreadable(f"{folder}: the metadata of {task} lacks {missing[0]}")
    if "keypoints" in given and "flip_pairs" not in given:
        pairs = left_and_right(given["keypoints"])
        given |= {"flip_pairs": pairs} if pairs else {}
    return {key: value for key, value in given.items() if value not in (None, False)}


def _number(value: object) -> object:
    """Returns text such as 1e3 or 2.50 as a number, and other values unchanged."""
    try:
        return value if isinstance(value, int) else float(value)
    except (TypeError, ValueError):
        return value


def _sets(folder: Path) -> tuple[Path | None, Path | None, Path | None]:
    """Returns the folders of the sets for training, validation and test."""
    if _is_set(folder):
        return folder, None, None
    sets = {path.name: path for path in folders_in(folder) if _is_set(path)}
    train, *others = pair(list(sets))
    if train is None and len(sets) == 1:
        return next(iter(sets.values())), None, None
    return sets.get(train), *(sets.get(name) if train else None for name in others)


def _is_set(folder: Path) -> bool:
    return (folder / "images").is_dir() and bool(
        (folder / "metadata.yaml").exists()
        or (folder / "metadata.json").exists()
        or images_in(folder / "images")
    )


def _longest(sets: Iterable[Path | None], entry: dict) -> int:
    """Returns the number of tokens of the longest text in all sets."""
    most = 0
    for folder in filter(None, sets):
        path = reader().below(folder, entry.get("annotations"))
        texts = reader().read_yaml(path) if isfile(path) else {}
        values = texts.values() if isinstance(texts, dict) else ()
        most = max([most, *(len(v) for v in values if isinstance(v, (str, list)))])
    return most
