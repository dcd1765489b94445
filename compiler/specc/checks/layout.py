"""Rules on `layout`, which says where datasets have their images and labels, and on
options of heads that are of one format: E385 to E397."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import product
from pathlib import PurePath
from typing import Any

from specc.diagnostics import Diagnostic, Edit, Path, drop, likely
from specc.heads import TASKS
from specc.heads.conversions import dataset_task
from specc.job import HeadData, Job, Layout, source_of
from specc.language.schema import head as head_schema
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
            where, edit = (*path, key), likely(drop((*path, key)))
            findings.append(
                Diagnostic("E385", message, where, note=note, help=help, edit=edit)
            )
    return findings


def places(job: Job, given: dict) -> list[Diagnostic]:
    """E387: each option of a layout is one of a set that the job has, and is read."""
    findings = []
    for index, head in enumerate(job.heads):
        source, layout = source_of(job, head), source_of(job, head).layout
        if layout is None or source.format not in ("coco", "csv"):
            continue
        own = (given["model"]["heads"][index].get("data") or {}).get("layout")
        path = (*(("model", "heads", index) if own else ()), "data", "layout")
        for key, why in _unread(source, layout, dataset_task(job, head)):
            where = (*path, key)
            if where not in [finding.path for finding in findings]:
                help, edit = f"remove `{key}`", likely(drop(where))
                findings.append(Diagnostic("E387", why, where, help=help, edit=edit))
    return findings


def _unread(source: HeadData, layout: Layout, task: str) -> Iterator[tuple[str, str]]:
    """Yields options that nothing reads, each with the reason."""
    if layout.prefix and layout.file_names in ("last_part", "decoded_last_part"):
        yield "prefix", "the last part of a file name has no `prefix`"
    if source.format != "coco":
        return
    for name in ("train", "validation", "test"):
        for what in ("images", "labels"):
            key = f"{name}_{what}"
            if getattr(layout, key) and getattr(source, name) is None:
                yield key, f"`{key}` is of a set that is not there: `{name}` is null"
    for key in ("train_labels", "validation_labels", "test_labels"):
        if getattr(layout, key) and task != "panoptic_segmentation":
            yield key, f"`{key}` is of COCO files of segments, not of {task}"


def sets_of_layouts(job: Job, given: dict) -> list[Diagnostic]:
    """E395: the options of a layout fit each other and the sets that the job names."""
    findings = []
    for path, layout, source in _layouts(job, given):
        known = {key: value for key, value in layout.items() if value is not None}
        if source.format not in ("voc", "yolo", "dota") or not known:
            continue
        faults = [*_paired(known, source), *_of_format(known, source)]
        for key, message, help in faults[:1]:
            where = (*path, key)
            edit = likely(drop(where)) if help.startswith("remove") else None
            findings.append(Diagnostic("E395", message, where, help=help, edit=edit))
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


def head_options(job: Job, given: dict) -> list[Diagnostic]:
    """E386: each option of a head is one that the format of its datasets has."""
    findings = []
    for index, head in enumerate(job.heads):
        form, values = source_of(job, head).format, given["model"]["heads"][index]
        for key, option in head_schema(head.task)["properties"].items():
            formats = option.get("x-formats", [form])
            if values.get(key) is None or form in formats:
                continue
            message = (
                f"head `{head.name}` has `{key}`, its datasets the format `{form}`"
            )
            path = ("model", "heads", index, key)
            note = f"`{key}` is of the format {listed(formats, 'or')}"
            help, edit = f"remove `{key}`, or change the format", likely(drop(path))
            findings.append(
                Diagnostic("E386", message, path, note=note, help=help, edit=edit)
            )
    return findings


def folders_of_maps(job: Job, given: dict) -> list[Diagnostic]:
    """E397: a set of images that need maps says in which folder these are."""
    findings = []
    for index, head in enumerate(job.heads):
        source = source_of(job, head)
        if source.format != "maps":
            continue
        layout, normal = source.layout or Layout(), TASKS[head.task].on_normal_images
        own = given["model"]["heads"][index].get("data")
        where = f"/model/heads/{index}/data" if own else "/data"
        wanted = {
            "train_labels": not normal,
            "validation_labels": source.validation is not None,
            "test_labels": source.test is not None,
        }
        if layout.label_folder is not None:
            findings += _masks_of_instances(job, index, layout, own)
            continue
        lone = bool(layout.validation_images) and not layout.train_images
        keys = ["validation_images"] * lone
        if normal:
            needless = "train_images", "train_labels", "validation_images"
            keys = [key for key in needless if getattr(layout, key)]
        for key in keys:
            what = "the folders of a set" if normal else "no list of training images"
            message = f"head `{head.name}` reads {what}, and has `{key}`"
            help, edit = f"remove {where}/layout/{key}", _without(own, index, key)
            path = ("model", "heads", index, "task")
            findings.append(Diagnostic("E397", message, path, help=help, edit=edit))
        for key in (key for key, needed in wanted.items() if needed):
            if getattr(layout, key) is None:
                message = f"head `{head.name}` learns from maps, and has no `{key}`"
                help = f"name the folder of the maps in {where}/layout/{key}"
                path = ("model", "heads", index, "task")
                findings.append(Diagnostic("E397", message, path, help=help))
    return findings


def _masks_of_instances(
    job: Job, index: int, layout: Layout, own: dict | None
) -> Iterator[Diagnostic]:
    """E397: a folder of masks for each image is of instances, and needs no other."""
    head, path = job.heads[index], ("model", "heads", index, "task")
    where = f"/model/heads/{index}/data" if own else "/data"
    if dataset_task(job, head) != "instance_segmentation":
        message = f"head `{head.name}` learns no instances, and has a `label_folder`"
        help = f"remove {where}/layout/label_folder"
        edit = _without(own, index, "label_folder")
        yield Diagnostic("E397", message, path, help=help, edit=edit)
    for key, value in asdict(layout).items():
        if key != "label_folder" and value is not None:
            message = f"head `{head.name}` has a `label_folder`, and `{key}`, too"
            help, edit = f"remove {where}/layout/{key}", _without(own, index, key)
            yield Diagnostic("E397", message, path, help=help, edit=edit)


def _without(own: dict | None, index: int, key: str) -> Edit:
    """Returns the edit that removes an option of a layout: of a head's own data, or of
    the job's."""
    owner = ("model", "heads", index) if own else ()
    return likely(drop((*owner, "data", "layout", key)))


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
