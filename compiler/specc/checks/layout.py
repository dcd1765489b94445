"""Rules on `layout`, which says where datasets have their images and labels: E385,
E387, E395."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from pathlib import PurePath
from typing import Any

from specc.diagnostics import Diagnostic, Path
from specc.heads.conversions import dataset_task
from specc.job import HeadData, Job, Layout, source_of
from specc.language.schema import part
from specc.words import listed, quoted

Fault = tuple[str, str, str]  # option, what is wrong, how to mend it


def layouts(job: Job, given: dict) -> list[Diagnostic]:
    """E385: each option of a layout is one that the format of its datasets has."""
    findings = []
    for path, layout, source in _layouts(job, given):
        form = source.format
        for key, value in layout.items():
            formats = options()[key]["x-formats"]
            if value is None or form in formats:
                continue
            message = f"datasets of the format `{form}` have no `{key}`"
            note = f"`{key}` is of the format {listed(formats, 'or')}"
            help = f"remove `{key}`, which is {quoted(value)}"
            findings.append(
                Diagnostic("E385", message, (*path, key), note=note, help=help)
            )
    return findings


def places(job: Job, given: dict) -> list[Diagnostic]:
    """E387: each option of a layout is one of a set that the job has, and is read."""
    findings = []
    for index, head in enumerate(job.heads):
        source, layout = source_of(job, head), source_of(job, head).layout
        if layout is None or source.format != "coco":
            continue
        own = (given["model"]["heads"][index].get("data") or {}).get("layout")
        path = (*(("model", "heads", index) if own else ()), "data", "layout")
        for key, why in _unread(source, layout, dataset_task(job, head)):
            where = (*path, key)
            if where not in [finding.path for finding in findings]:
                help = f"remove `{key}`"
                findings.append(Diagnostic("E387", why, where, help=help))
    return findings


def _unread(source: HeadData, layout: Layout, task: str) -> Iterator[tuple[str, str]]:
    """Yields options that nothing reads, each with the reason."""
    for name in ("train", "validation", "test"):
        for what in ("images", "labels"):
            key = f"{name}_{what}"
            if getattr(layout, key) and getattr(source, name) is None:
                yield key, f"`{key}` is of a set that is not there: `{name}` is null"
    for key in ("train_labels", "validation_labels", "test_labels"):
        if getattr(layout, key) and task != "panoptic_segmentation":
            yield key, f"`{key}` is of COCO files of segments, not of {task}"
    if layout.prefix and layout.file_names in ("last_part", "decoded_last_part"):
        yield "prefix", "the last part of a file name has no `prefix`"


def sets_of_layouts(job: Job, given: dict) -> list[Diagnostic]:
    """E395: the options of a layout fit each other and the sets that the job names."""
    findings = []
    for path, layout, source in _layouts(job, given):
        known = {key: value for key, value in layout.items() if value is not None}
        if source.format not in ("voc", "yolo", "dota") or not known:
            continue
        faults = [*_paired(known, source), *_of_format(known, source)]
        for key, message, help in faults[:1]:
            findings.append(Diagnostic("E395", message, (*path, key), help=help))
    return findings


def _paired(layout: dict[str, Any], source: HeadData) -> Iterator[Fault]:
    """Yields the folders that one of the two sets has, and the other lacks."""
    for what, other in product(("images", "labels"), ("validation", "test")):
        of_training, of_others = f"train_{what}", f"{other}_{what}"
        named = getattr(source, other)
        if of_others in layout and named is None:
            message = f"`{of_others}` is of a {other} set, which the job lacks"
            yield of_others, message, f"remove `{of_others}`, or name the set"
        elif named and (of_training in layout) != (of_others in layout):
            one, other = of_training, of_others
            if of_others in layout:
                one, other = of_others, of_training
            yield one, f"`{one}` stands without `{other}`", "name both folders"


def _of_format(layout: dict[str, Any], source: HeadData) -> Iterator[Fault]:
    """Yields the options that the kind of the training set makes useless."""
    suffix, train = _suffix(source.train), quoted(source.train)
    both = {suffix == ".txt", _suffix(source.validation or source.train) == ".txt"}
    if len(both) > 1:
        message = "one of the sets is a list of images, the other one is a folder"
        yield next(iter(layout)), message, "name two lists, or two folders"
    if source.format == "voc":
        if "train_images" in layout and suffix != ".txt":
            message = f"`train_images` is for a list of names, `train` is {train}"
            yield "train_images", message, "name the folder of images by `train` alone"
        return
    if source.format == "dota":
        return
    if "names" in layout and suffix in (".yaml", ".yml"):
        message = f"{train} has names of its own: `names` is for folders and lists"
        yield "names", message, "remove `names`, or name a folder of images by `train`"
    elif "train_labels" in layout and "names" not in layout:
        message = "`train_labels` is for sets that are folders of images"
        yield "train_labels", message, (
            "name such a folder by `train`, and by `names` the file with the categories"
        )
    elif "train_labels" in layout and suffix == ".txt":
        message = f"`train_labels` is for folders of images, {train} is a list"
        yield "train_labels", message, "name the folder of images by `train`"
    elif "prefix" in layout and "names" in layout and suffix != ".txt":
        message = f"`prefix` is of paths in a file, {train} is a folder"
        yield "prefix", message, "remove `prefix`"


def _suffix(path: str) -> str:
    return PurePath(path).suffix.lower()


def options() -> dict[str, dict]:
    """Returns the options of a layout, each with its schema."""
    return part("common")["$defs"]["layout"]["properties"]


def _layouts(job: Job, given: dict) -> list[tuple[Path, dict[str, Any], HeadData]]:
    """Returns the layouts of a job as they are given: path, options, datasets."""
    found = []
    if layout := given["data"].get("layout"):
        data = job.data
        sets = HeadData(
            data.train, data.validation, data.test, data.format, data.layout
        )
        found.append((("data", "layout"), layout, sets))
    for index, head in enumerate(job.heads):
        own = given["model"]["heads"][index].get("data") or {}
        if layout := own.get("layout"):
            path = ("model", "heads", index, "data", "layout")
            found.append((path, layout, source_of(job, head)))
    return found
