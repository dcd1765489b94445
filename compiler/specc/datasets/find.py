"""Finds the dataset in a folder, or says what was looked for."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from specc.datasets import layouts, native
from specc.datasets.become import become, formats_to, nearest
from specc.datasets.files import Unlike, Unreadable, folders_in, require
from specc.datasets.finders import coco, dota, voc, yolo
from specc.datasets.foreign import exported, packed, recognized
from specc.datasets.found import TEST, TRAIN, VALIDATION, Found
from specc.datasets.maps import find as maps
from specc.datasets.maps import inspections
from specc.datasets.tables.find import find_tables
from specc.diagnostics import fail
from specc.heads import TASKS
from specc.language.schema import head
from specc.words import listed


def _maps(folder: Path) -> Iterator[Found]:
    """Yields images with maps, and normal images with masks of others."""
    places = folder, *folders_in(folder)[:SUBFOLDERS]
    for place in places:
        if any((place / f"metadata.{x}").exists() for x in ("yaml", "json")):
            return  # a native dataset describes its maps
    found = [*inspections.find(folder), *inspections.find_folders(folder)]
    stems = {path.stem for place in places for path in place.glob("*.json")}
    segments = _segments(folder)
    for one in found or maps.find(folder):  # COCO's files describe maps of their names
        labels = one.layout.get("train_labels", "")
        if Path(labels).name not in stems and labels not in segments:
            yield one


def _segments(folder: Path) -> set[str]:
    """Returns the folders of the segments of COCO's files, which are no maps of
    categories."""
    found = set()
    with contextlib.suppress(Unreadable):  # the datasets found before it stay
        for one in coco.find(folder):
            if one.task == "panoptic_segmentation":
                found.add(one.layout.get("train_labels"))
    return found - {None}


FINDERS = {
    "native": native.find,
    "coco": coco.find,
    "voc": voc.find,
    "yolo": yolo.find,
    "dota": dota.find,
    "csv": find_tables,
    "maps": _maps,
    "folders": layouts.find_folders,
}
LOOKED_FOR = {
    "native": "metadata.yaml beside images/, or in train/ and val/",
    "coco": "a .json with images, annotations and categories",
    "voc": "ImageSets/Main/train.txt, or XML files of images",
    "yolo": "a .yaml with names and train, or classes.txt or obj.names",
    "dota": "labelTxt/ beside images/",
    "csv": "a .csv with a column that names images",
    "maps": "a folder of images, and beside it one of maps with the same names",
    "folders": "a folder of images for each category, or these in train/ and val/",
}
UNLABELED = "images, in this folder or below it"
SUBFOLDERS = 50  # most subfolders that are searched if a folder holds no dataset


@dataclass(frozen=True)
class Search:
    found: list[Found]
    problems: list[str]  # files that looked like a dataset and are broken
    unlike: list[str] = field(
        default_factory=list
    )  # files that may be of another layout
    help: str = ""  # a way to mend the problems


def search(path: Path, formats: Sequence[str] = tuple(FINDERS)) -> Search:
    """Returns all datasets in a folder, or of a file, for all tasks.

    Raises JobError E421 if there is no such path, E424 if packages are missing.
    """
    require("PIL", "yaml", "defusedxml")
    if not path.exists():
        fail(
            "E421",
            f"there is no `{path}`",
            help="name the folder of a dataset, or the file that describes it",
        )
    found, problems, unlike, help = [], [], [], "mend that file"
    for name in formats:
        held = [one for one in found if _holds_folders(one)]
        if name == "folders" and held and not _are_in_classes(path, held):
            continue  # folders of another layout look like categories
        if name == "folders" and maps.are_in(path):
            unlike.append(f"{path}: holds images and maps of them, no categories")
            continue
        if name == "maps" and any(not TASKS[x.task].unlabeled for x in found):
            continue  # folders of maps are parts of other layouts
        try:
            for one in FINDERS[name](path):
                found.append(one)
        except Unlike as error:
            unlike.append(str(error))
        except Unreadable as error:
            problems.append(str(error))
            help = error.help or help
    return Search(found, problems, unlike, help)


def _holds_folders(found: Found) -> bool:
    """Returns whether the folders beside a dataset are its own: those of categories may
    lie beside a table of texts, and one of them may be called `images`."""
    texts = found.format == "csv" and head(found.task).get("x-reads-text")
    return not (texts or TASKS[found.task].unlabeled)


def _are_in_classes(path: Path, found: list[Found]) -> bool:
    """Returns whether each of several tables is of the images in its own folder, which
    no name tells to be a set: GTSRB has one in each folder of a class."""
    places = {one.train.parent for one in found}
    apart = all(one.format == "csv" and one.train.is_file() for one in found)
    named = {place.name for place in places} & {*TRAIN, *VALIDATION, *TEST}
    inside = all(place.parent == path for place in places)
    return apart and inside and not named and len(places) > 1


def choose(path: Path, task: str, form: str | None, labels: str | None) -> Found:
    """Returns the one dataset for a task, or else the one that can be converted for it.
    Raises JobError E421, E422."""

    def searched(formats: Sequence[str]) -> Search:
        return search(
            path, [name for name in FINDERS if name in formats and form in (None, name)]
        )

    def fitting(found: list[Found]) -> list[Found]:
        return [one for one in found if labels in (None, one.labels)]

    own = head(task)["x-formats"]
    found = [one for one in fitting(searched(own).found) if one.task == task]
    if found:
        return _only(path, f"for {task}", found)
    if TASKS[task].unlabeled and form in (None, "folders") and path.is_dir():
        if not maps.are_in(path) and (found := list(layouts.find_images(path, task))):
            return found[0]
    formats = [*own, *formats_to(task)]
    everything = searched(formats)
    found = nearest(fitting(everything.found), task)
    if not found:
        _none(path, task, formats, everything, labels)
    return become(_only(path, f"that can become one for {task}", found), task)


def _only(path: Path, what: str, found: list[Found]) -> Found:
    """Returns the only dataset. Raises JobError E422 where there are several."""
    if len(found) > 1:
        _several(path, what, found)
    return found[0]


def natural(searched: Search) -> list[Found]:
    """Returns the datasets of a search, each with the task of the highest rank."""
    chosen: dict[tuple, Found] = {}
    for found in searched.found:
        key = (found.format, found.train, found.labels)
        other = chosen.setdefault(key, found)
        rank, known = TASKS[found.task].rank, TASKS[other.task].rank
        if known and rank > known:
            chosen[key] = found
    labeled = [f for f in chosen.values() if not TASKS[f.task].unlabeled]
    return labeled or list(chosen.values())[:1]


def _none(
    path: Path, task: str, formats: list[str], searched: Search, labels: str | None
) -> None:
    """Raises JobError E421."""
    unlabeled = TASKS[task].unlabeled
    looked = [] if unlabeled else [LOOKED_FOR[name] for name in dict.fromkeys(formats)]
    places = looked or [UNLABELED]
    note = "; ".join([*searched.unlike[:3], f"looked for {listed(places, 'and')}"])
    others = [f for f in searched.found if f.task != task or labels]
    if foreign := recognized(path):
        note = (
            f"it is laid out as {foreign}, which another command brings into a layout"
        )
        native = shlex.quote(f"{path.absolute().name}-native")
        help = f"specc import {shlex.quote(str(path))} --from {foreign} -o {native}"
    elif own := exported(path):
        note, help = own
    elif searched.problems:
        note = "; ".join(searched.problems[:3])
        help = searched.help
    elif others:
        held = list(dict.fromkeys(one.says for one in others[:8]))
        note = "; ".join([f"it holds {held[0]}", *held[1:], *searched.unlike[:3]])
        help = "name one of these tasks, with --labels and --format if they are given"
    elif below := _searched_below(path, task, formats):
        help = f"name a folder in it: {listed(below, 'or')}"
    elif archive := packed(path):
        note, help = archive
    else:
        if path.is_dir() and not any(layouts.images_below(path)):
            note = f"no image is in it, or in a folder below it; {note}"
        elif path.is_dir() and not searched.unlike:
            note = f"its images have no labels that are found; {note}"
        help = (
            "name another folder, or bring the dataset into one of these layouts;"
            " specc docs native describes the first"
        )
    what = f" with the labels `{labels}`" if labels else ""
    fail("E421", f"no dataset for {task}{what} found in `{path}`", note=note, help=help)


def _searched_below(path: Path, task: str, formats: list[str]) -> list[str]:
    """Returns the subfolders that hold a dataset for a task."""
    return [
        folder.name
        for folder in folders_in(path)[:SUBFOLDERS]
        if _holds(search(folder, formats).found, task)
    ]


def _holds(found: list[Found], task: str) -> bool:
    """Returns whether one of the datasets is for a task, or can be converted for it."""
    return any(one.task == task for one in found) or bool(nearest(found, task))


def _several(path: Path, what: str, fitting: list[Found]) -> None:
    """Raises JobError E422."""
    formats = list(dict.fromkeys(found.format for found in fitting))
    labels = list(dict.fromkeys(found.labels for found in fitting if found.labels))
    places = list(dict.fromkeys(str(found.train) for found in fitting))
    if len(labels) > 1:
        help = f"add --labels {' or --labels '.join(labels[:8])}"
        if all(
            set(one.options.get("categories", "?")) <= {"0", "1"} for one in fitting
        ):
            help += ", for one of these columns of 0 and 1"
    elif len(formats) > 1:
        help = f"add --format {' or --format '.join(formats)}"
    else:
        help = f"name one of them by --data: {listed(places[:8], 'or')}"
    note = "; ".join(found.says for found in fitting[:8])
    message = f"`{path}` holds {len(fitting)} datasets {what}"
    fail("E422", message, note=note, help=help)
