"""Writes a dataset in the native layout: sets of images, metadata.yaml, annotations."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from specc.datasets.files import image_size
from specc.imports.instances import UNNAMED, instances_of, left_out
from specc.imports.tasks import LISTS, MAPS, Picture, Sets, Written

WHOLE = "default"  # datumaro's name of the only set
HIDDEN = "."  # such files are left out by readers


class Images:
    """Brings images into the sets, as links or as copies."""

    def __init__(self, folder: Path, copied: bool, made: Path):
        self.folder, self.copied, self.made = folder, copied, made
        self.stems: set[tuple[str, str]] = set()
        self.unlinked = 0

    def bring(self, split: str, name: str, source: Path) -> str:
        """Returns the name of an image in its set: that of its record, without
        folders; numbered where another image has it."""
        stem = re.sub(r'[\\/:*?"<>|\x00-\x1f]+', "_", name).lstrip(HIDDEN) or "image"
        if stem.lower().endswith(source.suffix.lower()):
            stem = stem[: len(stem) - len(source.suffix)] or "image"
        unique, number = stem, 1
        while (split, unique.lower()) in self.stems:
            number += 1
            unique = f"{stem}_{number}"
        self.stems.add((split, unique.lower()))
        path = self.folder / split / "images" / f"{unique}{source.suffix.lower()}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if self.made in source.parents:
            shutil.move(source, path)
        elif self.copied or not _linked(source, path):
            self.unlinked += not self.copied
            shutil.copyfile(source, path)
        return path.name


def _linked(source: Path, path: Path) -> bool:
    try:
        os.symlink(source.absolute(), path)
    except OSError:  # the file system has no links, or Windows asks for a right
        return False
    return True


def gathered(records: Iterable[dict], images: Images) -> Sets:
    """Returns the sets of records, with their images brought in."""
    records = iter(records)
    head = next(records)
    labels = [name.strip() or UNNAMED for name in head["labels"]]
    points = {labels[int(label)]: names for label, names in head["points"].items()}
    sets = Sets(head["format"], labels, points, {})
    for record in records:
        source = Path(record["image"] or "")
        size = image_size(source) if record["image"] else None
        if size is None:
            sets.counts["images that are not there, or cannot be read"] += 1
            continue
        sets.counts.update(left_out(record))
        split = set_of(record["subset"])
        given = record["annotations"]
        picture = Picture(
            name=images.bring(split, record["id"], source),
            height=size[0],
            width=size[1],
            objects=instances_of(record, labels, sets.form),
            labels=[labels[x["label"]] for x in given if x["type"] == "label"],
            texts=[x["text"] for x in given if x["type"] == "caption"],
            depth=next((Path(x["depth"]) for x in given if "depth" in x), None),
        )
        sets.pictures.setdefault(split, []).append(picture)
    return sets


def set_of(subset: str) -> str:
    """Returns the name of a set's folder."""
    name = re.sub("[^A-Za-z0-9_-]+", "_", subset).strip("_") or WHOLE
    return "train" if name == WHOLE else name


def write(sets: Sets, folder: Path, tasks: Iterable[str]) -> list[dict[str, Any]]:
    """Writes metadata and annotations of some tasks into each set; returns the entries
    of the metadata."""
    found: dict[str, Written] = {}
    for task in tasks:
        maps = MAPS.get(task)
        written = maps(sets, folder) if maps else LISTS[task](sets)
        if written is not None:
            found[task] = written
    for split in sets.pictures:
        entries = [
            _entry(task, written, folder / split, split)
            for task, written in found.items()
        ]
        text = yaml.safe_dump(entries, sort_keys=False, allow_unicode=True)
        (folder / split / "metadata.yaml").write_text(text, "utf-8")
    return [written.entry for written in found.values()]


def _entry(task: str, written: Written, folder: Path, split: str) -> dict[str, Any]:
    """Returns the entry of a set; writes its annotations, a line an image."""
    if not written.annotations:
        return written.entry
    rows = [
        f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(given, ensure_ascii=False)}"
        for name, given in sorted(written.annotations[split].items())
    ]
    name = f"{task}.json"
    (folder / name).write_text("{\n" + ",\n".join(rows) + "\n}\n", "utf-8")
    return written.entry | {"annotations": name}


def counted(counts: Counter) -> list[str]:
    """Returns what was left out, the most frequent first."""
    return [f"{what}: {count}" for what, count in (+counts).most_common()]
