"""The plan of the datasets that test_contract.py makes, one for each reader of
dataset.py."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from specc.heads import names_of, task_of
from specc.heads.anomaly_detection import GOOD
from specc.heads.contract import Annotations
from specc.heads.conversions import dataset_task, way_to
from specc.job import Head, Job
from specc.plan.contract.tables import of_table
from specc.plan.heads import HeadPlan
from specc.plan.places import VOC
from specc.plan.readers import Reader
from specc.plan.tables import holds_boxes
from specc.source import Line, literal, mapping

SUFFIXES = {  # format -> suffix of the file that names a set
    "coco": ".json",
    "csv": ".csv",
    "dota": "/images",
    "voc": "/ImageSets/Main/all.txt",
    "yolo": ".yaml",
}
NATIVE = "native"
POSES = '{"kpt_shape": [len(names), 3], "names": ["any"]}'
NAMES_FILES = {True: "names.yaml", False: "names.txt"}  # whether it is a data.yaml


@dataclass(frozen=True)
class MadeDataset:
    """A dataset that the test makes: variables of templates/contract."""

    function: str  # function that makes a set
    template: str
    sets: tuple[str, ...]  # names of the sets
    images: str  # expression: number of images of each set
    given: str  # expression: labels of an image by head
    empty: str  # expression: empty labels by head
    # Label and names of the first head, for formats that hold a single kind of label.
    label: str
    names: str
    category: str  # category of all instances, where names are of keypoints
    corners: str  # polygon of an `item`, where labels are no boxes
    things: str  # list of the names that are things
    metadata: str  # content of metadata.yaml
    image_folder: (
        str  # expressions of folders, where the format's are named by `folder`
    )
    label_folder: str
    is_list: bool  # whether a text file lists the images
    has_entry: bool  # whether names are in a data.yaml
    poses: bool  # whether labels of YOLO hold keypoints
    entry: str  # expression: their entries in a data.yaml
    sizes: str  # assignment of an image's height and width, where labels need them
    table: dict[str, Any]  # how the rows of a table are written; empty in other formats
    image_ending: str  # end of the file names of images, in the format maps
    map_ending: str  # the same of maps
    normal: str  # folder of normal images, in that format
    mask_folder: str  # folder of the masks of an image's instances


@dataclass(frozen=True)
class Made:
    """The annotations that are made for one head."""

    head: Head
    names: str  # expression of the names
    annotations: Annotations


def sets_of(reader: Reader) -> tuple[str, ...]:
    """Returns the sets that a copy's dataset.py reads: for training, for validation."""
    prefix = "" if reader.alone else f"{reader.heads[0].name}-"
    suffix = SUFFIXES.get(reader.source.format, "")
    if reader.places.kind:
        suffix = ".txt" * reader.places.is_list
    names = ("train",) if reader.source.validation is None else ("train", "validation")
    return tuple(f"{prefix}{name}{suffix}" for name in names)


def made_places(reader: Reader) -> tuple[str, ...]:
    """Returns the folders, of those that a layout names, into which a copy's images and
    segments are written."""
    stems = [name.partition(".")[0] for name in sets_of(reader)]
    made = []
    for constant in reader.coco_places:
        segments = reader.coco.images == "panoptic_image_folder"
        apart = segments and constant.endswith("_IMAGES")
        validates = constant.removeprefix(reader.prefix).startswith("VALIDATION")
        made.append("images" if apart else stems[validates])
    return tuple(made)


def places_of(reader: Reader) -> dict[str, Any]:
    """Returns the other places of a copy's datasets: its constants, and their values.
    Folders are named after their set."""
    places, values = reader.places, {}
    ends = SUFFIXES["voc"], ".txt"
    sets = [
        name.removesuffix(ends[0]).removesuffix(ends[1]) for name in sets_of(reader)
    ]
    for line in places.constants:
        if line.name.endswith("NAMES_FILE"):
            values[line.name] = NAMES_FILES[places.has_entry]
        elif not line.name.endswith("PREFIX"):
            what = "images" if line.name.endswith("IMAGES") else "labels"
            values[line.name] = _each(line, [f"{name}-{what}" for name in sets])
    return values


def _each(line: Line, values: list[str]) -> str | tuple[str, ...]:
    """Returns a value for each name of a constant: the set to test on, which is not
    made, has the last."""
    count = line.name.count(",") + 1
    each = tuple(values[:count] + values[-1:] * (count - len(values)))
    return each if count > 1 else each[0]


def parts_of(reader: Reader) -> dict[str, Any]:
    """Returns the constant of a copy's dataset.py with the values by which rows of its
    tables are of one of the sets: the names of these."""
    stems = [name.partition(".")[0] for name in sets_of(reader)]
    return {x.name: _each(x, stems) for x in reader.table.split_constants[1:]}


def places_of_maps(reader: Reader) -> dict[str, Any]:
    """Returns the constants of a copy's dataset.py with folders of maps, and of images
    that are listed, by their names."""
    places, ends = {}, {"_LABELS": "maps", "_IMAGES": "images"}
    for line in reader.maps.constants:
        if line.name.endswith("_BEGINNING"):  # names of copies are numbers alone
            places[line.name] = ""
        if what := ends.get(line.name[-7:]):
            made = [f"{name}-{what}" for name in sets_of(reader)]
            lone = line.name.startswith(f"{reader.prefix}VALIDATION")
            places[line.name] = _each(line, made[lone:])
    return places


def plan_datasets(job: Job, readers: tuple[Reader, ...]) -> tuple[MadeDataset, ...]:
    last = len(readers) - 1
    return tuple(
        # Two odd sets have an even sum, which two processes would halve: one has one
        # more.
        _dataset(job, reader, "IMAGES + 1" if number == last and last % 2 else "IMAGES")
        for number, reader in enumerate(readers)
    )


def _dataset(job: Job, reader: Reader, images: str) -> MadeDataset:
    form, made = reader.source.format, _made(job, reader)
    if form != NATIVE:
        made = [replace(one, annotations=_of(form, one.annotations)) for one in made]
    labels = [one.annotations.label for one in made]
    rows = [(one.head, one.names, one.annotations) for one in made]
    return MadeDataset(
        function=f"make_{reader.name.removeprefix('read_')}",
        template=f"{_template(reader, made)}.py.jinja",
        sets=sets_of(reader),
        images=images,
        given=mapping(zip((one.head.name for one in made), labels)),
        empty=_empty(job, made),
        metadata=f"[{', '.join(map(_entry, made))}]",
        sizes="height, width = " if any("height" in label for label in labels) else "",
        image_folder=_folder(reader, "images"),
        label_folder=_folder(reader, "labels"),
        is_list=reader.places.is_list,
        has_entry=reader.places.has_entry,
        poses=bool(reader.poses),
        entry=POSES if reader.poses else '{"names": list(names)}',
        table=of_table(job, reader, rows) if form == "csv" else {},
        image_ending=reader.maps.layout.image_ending or ".png",
        map_ending=reader.maps.layout.label_ending or ".png",
        mask_folder=reader.maps.layout.label_folder or "",
        normal=next((x.normal or GOOD for x in job.heads if hasattr(x, "normal")), ""),
        **_of_one_kind(made),
    )


def _folder(reader: Reader, what: str) -> str:
    """Returns the expression of a folder, as `places_of` names it."""
    if what in reader.places.folders:
        return f'folder.with_name(f"{{folder.name}}-{what}")'
    if reader.source.format == "dota":
        return 'folder.with_name("labelTxt")'
    return "folder" if reader.places.kind else f"folder / {literal(VOC[what])}"


def _template(reader: Reader, made: list[Made]) -> str:
    form = reader.source.format
    if holds_boxes(reader.source):
        return reader.template.removesuffix(".py.jinja").replace("dataset", "contract")
    if not made:
        return "contract/images"
    if form == "maps":
        listed = reader.maps.kind == "maps" and reader.maps.listed
        return f"contract/{reader.maps.kind}{'_listed' * listed}"
    if kind := reader.places.kind:
        return f"contract/{form}_{kind}"
    return made[0].annotations.coco if form == "coco" else f"contract/{form}"


def _of_one_kind(made: list[Made]) -> dict[str, Any]:
    """Returns the fields for formats that hold annotations for one task."""
    first = made[0].annotations if made else Annotations("")
    return {
        "label": first.label,
        "names": first.names or (made[0].names if made else ""),
        "category": first.category,
        "corners": first.corners,
        "things": first.things,
    }


def _empty(job: Job, made: list[Made]) -> str:
    if len(made) == len(job.heads):
        return "{head: {} for head in FOUND}"
    return mapping((one.head.name, "{}") for one in made)


def _of(form: str, annotations: Annotations) -> Annotations:
    """Returns annotations for formats where a file lists all labels, or for maps."""
    label = annotations.mapped if form == "maps" else annotations.listed
    return replace(annotations, label=label or annotations.label)


def _entry(one: Made) -> str:
    """Returns the entry of a head's annotations in metadata.yaml."""
    task, head = task_of(one.head), one.head
    entry = {"task": literal(task.described_as or task.title)}
    if task.names:
        entry[task.dataset_key or task.names] = f"[*{one.names}]"
    entry |= {"annotations": literal(f"{head.name}.yaml")} | one.annotations.entry
    if things := one.annotations.things:
        entry["things"] = things
    return mapping(entry.items())


# ---- The choice of annotations ----


def _made(job: Job, reader: Reader) -> list[Made]:
    """Returns annotations for each head that needs some, but once for heads that share
    them: a converted head reads the annotations of an unconverted one."""
    plans = {plan.name: plan for plan in reader.heads}
    heads = [h for h in job.heads if h.name in plans and task_of(h).annotated]
    wanted = [_for_head(head, plans[head.name]) for head in heads]
    if reader.source.format == "csv" and not holds_boxes(reader.source):
        return wanted  # each head has a column of its own
    # Start with the annotations that other heads can share.
    order = sorted(wanted, key=lambda one: (not one.annotations.whole, _converts(one)))
    made: list[Made] = []
    for one in order:
        known = next((other for other in made if _shares(job, one, other)), None)
        if known is None:
            made.append(one)
        elif not one.annotations.whole:
            made[made.index(known)] = _joined(known, one)
    return made


def _for_head(head: Head, plan: HeadPlan) -> Made:
    names = f"net.{plan.constant}"
    if plan.counted:
        names = f"[*map(str, range(min(9, {names})))]"
    return Made(head, names, task_of(head).annotated(head, names))


def _converts(one: Made) -> bool:
    return bool(way_to(one.head))


def _shares(job: Job, one: Made, other: Made) -> bool:
    """Returns whether a converted head reads the annotations made for another head."""
    if dataset_task(job, one.head) != dataset_task(job, other.head):
        return False
    names, others = (names_of(x.head, task_of(x.head)) for x in (one, other))
    same = set(names) == set(others)
    return _converts(one) and (same or not one.annotations.whole)


def _joined(whole: Made, part: Made) -> Made:
    """Returns annotations that also serve a head which reads a part of them."""
    own, more = whole.annotations, part.annotations
    if _converts(whole) and own.whole and own.things:
        own = replace(own, things=f"[*{part.names}]")
    return replace(whole, annotations=replace(own, category=more.category))
