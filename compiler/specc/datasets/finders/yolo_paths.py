"""Paths in the files of YOLO's datasets that begin with a folder of another machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from specc.datasets.files import Unreadable, entries, read_text
from specc.datasets.parts import reader


def prefixes(path: Path, entry: dict) -> Iterator[str]:
    """Yields what may stand before paths that lead from the folder of a data.yaml."""
    yield ""
    train = entry["train"]
    for name in train if isinstance(train, list) else [train]:
        whole = whole_path(entry, name)
        for rest in ends_of(whole):
            place = path.parent / rest
            if not os.path.exists(place):
                continue
            prefix = whole.removesuffix(rest)
            yield prefix
            lines = [] if os.path.isdir(place) else read_text(place).splitlines()[:1]
            for line in (whole_path(entry, line) for line in lines):
                found = (x for x in ends_of(line) if os.path.exists(path.parent / x))
                yield from (line.removesuffix(end) for end in found)


def whole_path(entry: dict, name: object) -> str:
    """Returns a path of a data.yaml as its prefix is removed from it."""
    path = PurePosixPath(str(entry.get("path") or "").strip(), str(name).strip())
    return path.as_posix().replace("\\", "/")


def ends_of(path: str) -> Iterator[str]:
    """Yields a path without its first parts, the longest first."""
    parts = path.split("/")
    for count in range(len(parts)):
        end = "/".join(parts[count:])
        if end and not end.startswith("/") and ".." not in parts[count:]:
            yield end


def way_to(base: Path, line: str) -> str:
    """Returns the help on a path of a list that leads to no image from a folder: the
    path of an image of this name, if one is below it."""
    name = PureWindowsPath(line).name
    for _, images in reader().images_below(base, Counter()):
        for image in images:
            if image.name == name:
                path = image.relative_to(base).as_posix()
                return f"write paths from {base}, as {path} for {name}"
    return f"put the images into {base}, or mend the list"


def prefix_of_line(base: Path, line: str) -> str | None:
    """Returns what stands before the path of an image from a folder; None without such
    an image."""
    for end in ends_of(line.replace("\\", "/")):
        if os.path.isfile(base / end):
            return line[: len(line) - len(end)]
    return None


def without_train(folder: Path) -> str:
    """Returns text on a file of YAML that names categories and no images to train on;
    "" without such a file."""
    for path in entries(folder):
        if path.suffix.lower() in (".yaml", ".yml") and path.is_file():
            try:
                entry = reader().read_yaml(path)
            except Unreadable:
                continue
            if isinstance(entry, dict) and "names" in entry and not entry.get("train"):
                return f"{path}: names no `train`: write the folder of its images there"
    return ""
