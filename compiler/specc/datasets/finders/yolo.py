"""Finds datasets with YOLO's labels: by a data.yaml, or by a file of names beside
folders or lists of images."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from specc.datasets.files import (
    Unlike,
    Unplaced,
    Unreadable,
    entries,
    folders_in,
    read_text,
)
from specc.datasets.found import Found, pair
from specc.datasets.finders.pairs import (
    all_images,
    image_sets,
    label_folders,
    lone_labels,
    some_of,
)
from specc.datasets.parts import names_in, reader
from specc.datasets.finders.yolo_labels import (
    LOOKED_AT,
    Labels,
    files_of,
    lines_of,
    tasks_of_labels,
    without_labels,
)
from specc.datasets.finders.yolo_paths import (
    prefix_of_line,
    prefixes,
    way_to,
    whole_path,
    without_train,
)
from specc.datasets.finders.yolo_poses import unnamed

FOLDERS = 50  # most folders of a folder that are looked in
NAME_FILES = ("classes.txt", "obj.names", "_darknet.labels", "classes.names")
NO_LABELS = (*NAME_FILES, "train.txt", "val.txt", "valid.txt", "test.txt")


def find(folder: Path) -> Iterator[Found]:
    """Yields the datasets of data.yaml, or of another file with `names` and `train`, in
    the folder or else in one of it; where there is none, that of a file of names.
    Raises Unreadable."""
    files = [folder] if os.path.isfile(folder) else entries(folder)
    described = _described(files)
    for path, entry in described.items():
        yield from _of_yaml(path, entry)
    if not described and os.path.isdir(folder):
        found, faults = _below(folder)
        found = found or [*_of_names(folder)]
        yield from found
        if faults and not found:
            raise faults[0]


def _below(folder: Path) -> tuple[list[Found], list[Unreadable]]:
    """Returns the datasets of a data.yaml in a folder of the folder, and what is wrong
    with others, which may be examples of a tool."""
    found, faults = [], []
    for place in folders_in(folder)[:FOLDERS]:
        try:
            for path, entry in _described(entries(place)).items():
                found += _of_yaml(path, entry)
        except Unreadable as error:
            faults.append(error)
    return found, faults


def _described(files: list[Path]) -> dict[Path, dict]:
    """Returns what the files of YAML hold that have `names` and `train`. Raises
    Unreadable."""
    found = {}
    for path in files:
        if path.suffix.lower() in (".yaml", ".yml"):
            entry = reader().read_yaml(path)
            if isinstance(entry, dict) and {"names", "train"} <= entry.keys():
                found[path] = entry
    return found


# ---- data.yaml ----


def _of_yaml(path: Path, entry: dict) -> Iterator[Found]:
    """Yields the datasets of a data.yaml. Raises Unreadable."""
    categories = _categories(path, entry)
    prefix, images = _images(path, entry)
    labels = reader().labels_path
    if not any(map(lines_of, map(labels, images[:LOOKED_AT]))):
        yield from _elsewhere(path, entry, prefix, images)
        return
    held_out, unused = _validation(path, entry, prefix, images)
    places = {labels(image).parent for image in some_of(images)}
    notes = [lone_labels(images, place, ".txt", NO_LABELS) for place in sorted(places)]
    layout = {"prefix": prefix} if prefix else {}
    if held_out is None and entry.get("test") and not entry.get("val"):
        sets = [_one_folder(path, entry, one, prefix) for one in ("train", "test")]
        if all(sets) and _is_set(sets[1]):
            train, held_out, unused = *sets, ""
            layout = {"names": path.as_posix()}
            path = train
    test = path if held_out == path and _is_test(path, entry, prefix) else None
    for task, options in tasks_of_labels(path, images, entry, categories):
        where = "yolo", task, path, held_out, options, images
        told = _told([*notes, *unnamed(entry, task)])
        yield Found(*where, unused=unused, test=test, layout=layout, notes=told)


def _is_test(path: Path, entry: dict, prefix: str) -> bool:
    """Returns whether `test` names images with labels."""
    try:
        images = _of_split(path, entry, "test", prefix) if entry.get("test") else ()
    except Unreadable:
        return False
    return any(map(os.path.isfile, map(reader().labels_path, some_of(images))))


def _categories(path: Path, entry: dict) -> list[str]:
    categories, names = reader().yolo_names(path, entry), entry["names"]
    names_in(path, "names", list(names.values() if isinstance(names, dict) else names))
    return categories


def _told(notes: list[str]) -> tuple[str, ...]:
    return tuple(filter(None, notes))


def _images(path: Path, entry: dict) -> tuple[str, tuple[Path, ...]]:
    """Returns the images of the training set, and the prefix without which their paths
    lead to them: "" where they do as they stand. Raises Unreadable."""
    train = entry["train"]
    names = [
        whole_path(entry, name)
        for name in (train if isinstance(train, list) else [train])
    ]
    fault, outside, gone, there = "", None, None, 0
    for prefix in dict.fromkeys(prefixes(path, entry)):
        try:
            images = _of_split(path, entry, "train", prefix)
        except Unreadable as error:
            if not prefix and os.path.exists(path.parent / names[0]):
                outside = error  # exists, outside of all folders that are allowed
            continue
        missing = [image for image in images[:20] if not os.path.exists(image)]
        if images and not missing:
            return prefix, images
        gone = gone or next(iter(missing), None)
        fault = f", such as {gone}" if gone else ""
        there = max(there, len(images[:20]) - len(missing))
    if outside:
        raise outside
    where = f"{', '.join(names):.200}, seen from {path.parent.absolute()}{fault}"
    how = "images that are not there" if there else "no images"
    what = f"{path}: `train` leads to {how}: {where}"
    place = path.parent
    lost = way_to(place, gone.name) if gone else "put the images there, or mend `train`"
    raise Unplaced(what, lost)


def _of_split(path: Path, entry: dict, split: str, prefix: str) -> tuple[Path, ...]:
    """Returns the images of a split, as an emitted reader finds them."""
    given = path, entry, split, Path(), Counter()
    found = (
        reader().images_moved(prefix, *given) if prefix else reader().images_of(*given)
    )
    return tuple(found)


def _validation(
    path: Path, entry: dict, prefix: str, images: tuple[Path, ...]
) -> tuple[Path | None, str]:
    """Returns the file if its `val` is a set to validate on, or else why not."""
    if not entry.get("val"):
        return None, ""
    try:
        others = _of_split(path, entry, "val", prefix)
    except Unreadable as error:
        return None, str(error)
    if not others or not os.path.exists(others[0]):
        where = f"{others[0]} is not there" if others else "it has no images"
        return None, f"{path}: val: {where}"
    if set(images) <= set(others):
        return None, "`val` has all images of `train`"
    return path, ""


def _one_folder(path: Path, entry: dict, split: str, prefix: str) -> Path | None:
    """Returns the folder of a split; None if it is a list, or several."""
    name = entry[split]
    if isinstance(name, list) or not name:
        return None
    folder = path.parent / whole_path(entry, name).removeprefix(prefix)
    return folder if os.path.isdir(folder) else None


def _is_set(folder: Path) -> bool:
    """Returns whether images of a folder have labels."""
    labels = map(reader().labels_path, some_of(all_images(folder)))
    return any(map(os.path.isfile, labels))


def _elsewhere(
    path: Path, entry: dict, prefix: str, images: tuple[Path, ...]
) -> Iterator[Found]:
    """Yields the datasets of a data.yaml whose labels are not where YOLO looks for
    them. Raises Unreadable where there are none."""
    train = _one_folder(path, entry, "train", prefix)
    sets = {"train": train} if train else {}
    held_out = _one_folder(path, entry, "val", prefix) if entry.get("val") else None
    if held_out and held_out != train:
        sets["validation"] = held_out
    labels = _labels(path.parent, sets) if sets else {}
    if "train" not in labels:
        first = reader().labels_path(images[0])
        raise without_labels(path, images, first)
    yield from _of_folders(path, entry, sets, labels)


# ---- A file of names ----


def _holds_texts(folder: Path) -> bool:
    """Returns whether a folder holds files of labels, or folders of sets; one of JSON
    files alone is of another layout."""
    suffixes = {path.suffix.lower() for path in entries(folder)}
    return bool(suffixes) and suffixes != {".json"}


def _of_names(folder: Path) -> Iterator[Found]:
    """Yields the dataset of a file with a name a line, and of folders or lists."""
    names = _names_file(folder)
    if names is None:
        if image_sets(folder) and _holds_texts(folder / "labels"):
            if lone := without_train(folder):
                raise Unlike(lone)
            what = "has images and labels; the names of the categories are missing"
            raise Unlike(f"{folder}: {what}: write them to classes.txt, one a line")
        return
    categories = names_in(names, "names", reader().listed_names(names))
    entry = {"names": categories}
    lists = _lists(folder, names)
    if lists:
        yield from _of_lists(folder, names, entry, lists)
        return
    sets = image_sets(folder)
    train, validation, test = (
        pair(list(sets)) if len(sets) > 1 else (next(iter(sets), None), None, None)
    )
    if train is None:
        raise Unlike(f"{names}: names of categories, beside them no folder of images")
    sets = {
        key: sets[name]
        for key, name in (("train", train), ("validation", validation), ("test", test))
        if name is not None
    }
    labels = _labels(folder, sets)
    if "train" in labels:
        yield from _of_folders(names, entry, sets, labels)
    else:
        raise Unlike(
            f"{names}: names of categories; {sets['train']} has no labels of YOLO"
        )


def _names_file(folder: Path) -> Path | None:
    """Returns the file of names of a dataset, which may lie beside its labels. Raises
    Unreadable where two such files differ."""
    places = [folder, *folders_in(folder)]
    places += [inner for place in places[1:] for inner in folders_in(place)]
    files = [place / name for place in places for name in NAME_FILES]
    files = [path for path in files if os.path.isfile(path)]
    files.sort(
        key=lambda path: path.parent != folder and pair([path.parent.name])[0] is None
    )
    for other in files[1:]:
        if reader().listed_names(other) != reader().listed_names(files[0]):
            raise Unreadable(f"{other}: other names than in {files[0]}")
    return files[0] if files else None


def _lists(folder: Path, names: Path) -> dict[str, Path]:
    """Returns text files that list images, by the set that they are of."""
    found = {}
    for place in dict.fromkeys((folder, names.parent)):
        for path in entries(place):
            if path.suffix.lower() != ".txt" or path.name in NAME_FILES:
                continue
            lines = read_text(path).split("\n", 1)[:1]
            if any(pair([path.stem])) and reader().is_image(lines[0].strip()):
                found.setdefault(path.stem, path)
    return found


def _of_lists(
    folder: Path, names: Path, entry: dict, lists: dict[str, Path]
) -> Iterator[Found]:
    train, validation, test = pair(list(lists))
    if train is None:
        raise Unreadable(
            f"{folder}: lists images in {', '.join(lists)}, none to train on"
        )
    path, base = lists[train], names.parent
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    prefix = prefix_of_line(base, lines[0])
    if prefix is None:
        what = f"line 1: {lines[0]!r:.100} leads to no image from {base}"
        raise Unplaced(f"{path}: {what}", way_to(base, lines[0]))

    def images_of(one: Path) -> tuple[Path, ...]:
        return tuple(
            reader().images_in_list(
                one,
                lambda line: reader().below(base, line.removeprefix(prefix), Path()),
            )
        )

    images, unused = images_of(path), ""
    held_out, last = (lists[name] if name else None for name in (validation, test))
    if held_out and not any(map(os.path.isfile, images_of(held_out)[:20])):
        held_out, unused = None, f"the images of {held_out} are not there"
    labels_path = reader().labels_path
    if last and not any(
        map(os.path.isfile, map(labels_path, some_of(images_of(last))))
    ):
        last = None
    if not any(map(lines_of, map(reader().labels_path, images[:LOOKED_AT]))):
        first = reader().labels_path(images[0])
        raise without_labels(path, images, first)
    layout = {"names": names.as_posix()} | ({"prefix": prefix} if prefix else {})
    places = {reader().labels_path(image).parent for image in some_of(images)}
    notes = [lone_labels(images, place, ".txt", NO_LABELS) for place in sorted(places)]
    for task, options in tasks_of_labels(path, images, entry, entry["names"]):
        where = "yolo", task, path, held_out, options, images
        said = {"unused": unused, "test": last, "notes": _told(notes)}
        yield Found(*where, layout=layout, **said)


# ---- Folders of images ----


def _labels(root: Path, sets: dict[str, Path]) -> dict[str, Labels]:
    """Returns the labels of sets, which are folders of images; none of a set without
    labels."""
    usual = {
        name: Labels(reader().labels_path(images / "x.jpg").parent, usual=True)
        for name, images in sets.items()
        if _is_set(images)
    }
    others = label_folders(root, sets, ".txt")
    return {
        name: Labels(folder, usual=False) for name, folder in others.items()
    } | usual


def _of_folders(
    names: Path, entry: dict, sets: dict[str, Path], labels: dict[str, Labels]
) -> Iterator[Found]:
    """Yields the datasets of folders of images; a set without labels is left out."""
    train, held_out, unused = sets["train"], sets.get("validation"), ""
    test = sets.get("test") if "test" in labels else None
    if held_out and "validation" not in labels:
        held_out, unused = None, f"no image in {held_out} has labels"
    layout = {"names": names.as_posix()}
    roles = {"train": train, "validation": held_out, "test": test}
    used = [role for role, folder in roles.items() if folder]
    if not all(labels[role].usual for role in used):
        layout |= {f"{x}_labels": labels[x].folder.as_posix() for x in used}
    images = all_images(train)
    if not any(map(lines_of, files_of(train, images, labels["train"]))):
        first = next(files_of(train, images, labels["train"]))
        raise without_labels(train, images, first)
    note = lone_labels(images, labels["train"].folder, ".txt", NO_LABELS)
    for task, options in tasks_of_labels(
        train, images, entry, entry["names"], labels["train"]
    ):
        where = "yolo", task, train, held_out, options, images
        yield Found(
            *where,
            unused=unused,
            test=test,
            layout=layout,
            notes=_told([note, *unnamed(entry, task)]),
        )
