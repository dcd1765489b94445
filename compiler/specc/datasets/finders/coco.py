"""Finds datasets in COCO's layout: JSON files, and the folders of their images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from specc.datasets.finders import coco_files
from specc.datasets.finders.coco_files import CocoFile
from specc.datasets.finders.coco_images import Place, located
from specc.datasets.files import Unlike, Unreadable
from specc.datasets.found import TRAIN, VALIDATION, Found
from specc.heads import TASKS
from specc.words import number_of

SETS = ("train", "validation", "test")
WORDS = (*TRAIN, *VALIDATION)
SHOWN = 4  # most files whose reasons are told


def find(folder: Path) -> Iterator[Found]:
    """Yields the datasets of a folder, of folders in it, or of a file and the other sets
    beside it. Raises Unreadable."""
    top = folder.parent if os.path.isfile(folder) else folder
    files, unlike, broken = _read(_meant(folder), top)
    refused: list[Unreadable] = []
    yielded = False
    tasks = dict.fromkeys(task for file in files for task in file.tasks)
    for base in dict.fromkeys(file.base for file in files):
        here = [file for file in files if file.base == base]
        others = {file.path for file in here}
        told = [x for x in unlike + broken if x.path not in others]
        told = [str(x) for x in told if base in x.path.parents]
        for task in tasks:
            for sets in _datasets([file for file in here if task in file.tasks], task):
                try:
                    yield _found(task, sets, here, top, told)
                    yielded = True
                except Unreadable as error:
                    refused.append(error)
    if refused or broken and not yielded:
        raise (refused or broken)[0]
    if unlike:
        raise unlike[0]


def _meant(path: Path) -> list[CocoFile]:
    """Returns the files of a folder; of a file for training, those of its dataset."""
    if not os.path.isfile(path):
        return [coco_files.named(file, path) for file in coco_files.json_files(path)]
    one = coco_files.named(path, path.parent)
    if path.suffix.lower() != ".json" or one.role != "train":
        return [one] * (path.suffix.lower() == ".json")
    beside = (
        coco_files.named(x, path.parent) for x in coco_files.json_files_in(path.parent)
    )
    return [x for x in beside if x.kind == one.kind and (x == one or x.role != "train")]


def _read(
    files: list[CocoFile], top: Path
) -> tuple[list[CocoFile], list[Unlike], list[Unreadable]]:
    """Returns what was read; the files that may be of another layout; those that are
    broken. The errors have the `path` of their file."""
    read, unlike, broken = [], [], []
    for file in files:
        try:
            read.append(coco_files.read(file))
            if not read[-1].tasks:
                held = number_of(read[-1].annotations, "annotation")
                held += ", none with a `bbox`"
                raise Unlike(f"{file.path}: {held} or a `segmentation`")
            if read[-1].unnamed:
                what = "keypoints, which no category names by `keypoints`"
                raise Unlike(f"{file.path}: annotations have {what}")
        except Unreadable as error:
            error.path = file.path
            if not isinstance(error, Unlike):
                broken.append(error)
            elif str(error):
                unlike.append(error)
    return read, unlike, broken


def _datasets(files: list[CocoFile], task: str) -> list[dict[str, CocoFile]]:
    """Returns the datasets for a task among the files of one folder: role -> file.

    Files of one kind belong together: `instances_train2017` and `instances_val2017`. A
    set for training without others of its kind takes those that have no set for
    training. Of kinds that hold the same annotations, the one that is meant for the
    task is taken.
    """
    kinds: dict[str, dict[str, CocoFile]] = {}
    for file in sorted(files, key=_order):
        kinds.setdefault(file.kind, {}).setdefault(file.role, file)
    trained = [sets for sets in kinds.values() if "train" in sets]
    if not trained:
        return _of_one_set(list(kinds.values()))
    others = [sets for sets in kinds.values() if "train" not in sets]
    if len(trained) == 1:
        for sets in others:
            trained[0] = sets | trained[0]
    least = min(_rank(sets["train"], task) for sets in trained)
    return [sets for sets in trained if _rank(sets["train"], task) == least]


def _order(file: CocoFile) -> tuple:
    """Sorts `val` before `valid` and so on; shorter names first."""
    words = coco_files.words_of(file.path)
    place = min((WORDS.index(word) for word in words if word in WORDS), default=99)
    return place, len(file.path.name), str(file.path)


def _of_one_set(kinds: list[dict[str, CocoFile]]) -> list[dict[str, CocoFile]]:
    """Returns datasets where no name tells of training: a file alone is for training."""
    unnamed = [sets[""] for sets in kinds if "" in sets]
    alone = unnamed or [next(iter(sets.values())) for sets in kinds if len(sets) == 1]
    return [{"train": file} for file in alone]


def _rank(file: CocoFile, task: str) -> int:
    """Returns 0 for files that are meant for a task, as COCO's are called: boxes and
    masks of all categories are in `instances`, not in `person_keypoints` or `stuff`."""
    if task == "keypoint_detection" or "keypoint_detection" not in file.tasks:
        return int("stuff" in file.kind)
    return 2


def _found(
    task: str,
    sets: dict[str, CocoFile],
    here: list[CocoFile],
    top: Path,
    told: list[str],
) -> Found:
    """Returns a dataset. Raises Unreadable."""
    sets = {role: sets[role] for role in SETS if role in sets}
    if "validation" not in sets and "test" in sets:
        sets["validation"] = sets.pop("test")
    train, *others = sets.values()
    objects = train.crowds == train.annotations  # nobody annotates crowds alone
    for file in sets.values():
        if task in file.refused:
            raise file.refused[task]
        if file.crowds == file.annotations and not objects:
            what = f"all annotations ({file.crowds:,}) have `iscrowd` 1"
            raise Unreadable(f"{file.path}: {what}")
    apart = task == "panoptic_segmentation"
    places, unused = located(list(sets.values()), top, TASKS[task].coco.images, apart)
    sets = {role: file for role, file in sets.items() if file.path in places}
    paths = {role: file.path for role, file in sets.items()}
    used = {*paths.values(), *(file.path for file in others)}
    rest = [_why(x, task) for x in here if x.path not in used]
    missing = places[train.path].missing(train.names)
    if "validation" not in paths and not unused:
        unused = _without_annotations(train, here)
    return Found(
        *("coco", task, train.path, paths.get("validation"), train.options[task]),
        images=places[train.path].images(train.names),
        category=train.category if task == "keypoint_detection" else "",
        unused=unused,
        test=paths.get("test"),
        layout=_layout(sets, places) | ({"crowds": "objects"} if objects else {}),
        notes=(*missing, *_crowds(train, objects), *train.twins, *train.marks),
        beside=(*rest, *told)[:SHOWN],
    )


def _why(file: CocoFile, task: str) -> str:
    """Returns why a file is not read that stands beside those that are."""
    if task not in file.tasks:
        return f"{file.path}: has no annotations for {task}"
    role = f", for {file.role}" * bool(file.role)
    return f"{file.path}: another set{role}; --data names it"


def _crowds(file: CocoFile, objects: bool) -> list[str]:
    """Returns a line on the annotations that COCO's layout marks as crowds."""
    if not file.crowds:
        return []
    have = "has" if file.crowds == 1 else "have"
    what = f"{file.crowds} of {file.annotations} annotations {have} `iscrowd` 1"
    if objects:
        return [f"{what}, as if of crowds: each is taken for an object"]
    return [f'{what}, and are ignored: "crowds": "objects" in `layout` reads them']


def _without_annotations(train: CocoFile, here: list[CocoFile]) -> str:
    """Notes that a file looks like a set for validation; it has no annotations of this
    task."""
    for file in here:
        if file.kind == train.kind and file.role in ("validation", "test"):
            return f"{file.path} has no such annotations"
    return ""


def _layout(sets: dict[str, CocoFile], places: dict[Path, Place]) -> dict[str, str]:
    """Returns the options of a job's layout."""
    layout = {}
    for role, file in sets.items():
        place = places[file.path]
        if place.named:
            layout[f"{role}_images"] = place.folder.as_posix()
        if place.segments is not None:
            layout[f"{role}_labels"] = place.segments.as_posix()
    place = places[sets["train"].path]
    names = {"prefix": place.prefix, "file_names": place.file_names}
    if sets["train"].by_url:
        names["name_key"] = "coco_url"
    return layout | {key: value for key, value in names.items() if value}
