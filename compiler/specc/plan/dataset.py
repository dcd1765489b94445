"""The plan of dataset.py, which reads and checks annotations."""

from __future__ import annotations

import re
from typing import Any

from specc.heads import once, tasks_of
from specc.heads.conversions import dataset_task
from specc.job import Job, source_of
from specc.plan.heads import HeadPlan
from specc.plan.places import BELOW, ONE_BELOW
from specc.plan.readers import PATHS, Reader, readers_of
from specc.plan.split import plan_split, split_constants, split_sections
from specc.plan.tables import Writing, layout_of, writings
from specc.source import Line, constant, literal

OPENING = (  # parsers that open files of maps or masks
    *("parse_map", "parse_segment_map", "parse_inspection", "labels_of_map"),
    *("parse_numbers", "parse_masks", "parse_coco_panoptic"),
)
PAGED = ("parse_pages", "parse_panoptic")  # parsers of files with several pages
# Readers that need the entry of metadata.yaml, for more than its annotations.
DESCRIBED = re.compile(r"read_(?:colored|panoptic)_maps\(")
VOC_SIDES = ("xmin", "ymin", "xmax", "ymax")

BROKEN = constant(
    "MOST_BROKEN, BROKEN_SHARE",
    (10, 0.01),
    "broken training images; above both, a run ends",
)
PIXELS = Line(
    "MOST_PIXELS", "200_000_000", "  # larger images are refused: decompression bombs"
)
PILLOW = Line("PILLOW", "threading.Lock()", "  # Pillow has one limit for all threads")
BANDS = 4  # channels of images that Pillow decodes
WITH_SLOTS = {  # whether a file keeps samples -> these with places in a cache
    True: "Samples(samples.columns, slots=slots)",
    False: "[x._replace(slot=slot) for x, slot in zip(samples, slots)]",
}
NOTED = ("path", "folder", "annotation", "place", "x")  # variables that hold paths
SOURCES = Line("SOURCES", "{}", "  # the state of each file and folder that was read")
NOTES = Line("NOTES", "[]", "  # messages that were shown to the user")
REAL = Line("real_path", "functools.cache(os.path.realpath)", "  # path without links")
VALUES = Line("MOST_VALUES", "50_000_000", "  # rejects YAML bombs")

LONE_MAPS = {  # whether an image may lack a map -> sentence of a docstring
    True: "A map without an image is there too: it is named among the problems.",
    False: "Either without the other is there too: it is named among the problems.",
}
PAIRED_MAPS = {
    True: "{k: files[stem] for k, stem in images.items() if stem in files}",
    False: '{k: files.get(v, maps / f"{v}.png") for k, v in images.items()}',
}


def dataset_constants(job: Job, heads: tuple[HeadPlan, ...]) -> tuple[Line, ...]:
    readers, lines = readers_of(job, heads), []
    for reader in readers:
        source, prefix = reader.source, reader.prefix
        sets, names = (source.train, source.validation), f"{prefix}TRAIN"
        if source.validation is None:
            lines.append(constant(names, source.train, ONE_BELOW))
        else:
            names += f", {prefix}VALIDATION"
            lines.append(constant(names, sets, BELOW))
        if source.test is not None:
            lines.append(constant(f"{prefix}TEST", source.test))
        if places := reader.coco_places:
            names, folders = ", ".join(places), tuple(places.values())
            lines.append(constant(names, folders if folders[1:] else folders[0]))
        layout = layout_of(source)
        if source.format in ("coco", "csv") and layout.prefix:
            note = "removed from the names of images"
            lines.append(constant(f"{prefix}PREFIX", layout.prefix, note))
        lines += reader.maps.constants
    lines += [line for reader in readers for line in reader.places.constants]
    if not all(reader.validation for reader in readers):
        share = job.data.validation_fraction
        lines.append(
            constant(
                "VALIDATION_SHARE", share, "share of images held out for validation"
            )
        )
        lines += split_constants(job)
    lines += once(head.code.dataset_constants for head in heads)
    for head in heads:
        lines += head.numbered if head.reads_numbers else []
    formats = {reader.source.format for reader in readers}
    if "voc" in formats:
        lines.append(constant("VOC_SIDES", VOC_SIDES))
    for reader in readers:
        if reader.source.format == "csv":
            lines += reader.table.constants
    limits = (PIXELS, VALUES) if reads_yaml(job, heads) else (PIXELS,)
    kept = (SOURCES, NOTES) if job.data.keep_samples else ()
    locks = (PILLOW,) if job.data.channels == BANDS or opens(heads) else ()
    return (*lines, BROKEN, *limits, *kept, *locks, REAL)


def opens(heads: tuple[HeadPlan, ...]) -> bool:
    """Returns whether files of maps or masks are opened by Pillow."""
    return any(head.opens(OPENING + PAGED) for head in heads)


def plan_dataset(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    readers, tasks = readers_of(job, heads), tasks_of(job)
    lacking = any(reader.partial for reader in readers)
    bands = job.data.channels == BANDS
    header = "_bands" if bands else "_opened" * opens(heads)
    joined = [head for head in heads if head.joined]
    return {
        "readers": [reader.plain() for reader in readers],
        "writing": next(iter(writings(job)), Writing()).plain(),
        "training_call": readers[0].training,
        "validation_call": readers[0].validation,
        "judged_set": _judged_set(readers),
        "test_call": _test_call(readers),
        "set_sections": _sets(job, readers),
        "joined_heads": joined,
        "merging": _merging(joined, lacking),
        **_same(joined),
        "boxes_in_both": len(_readers_of_boxes(heads)) > 1,
        "merges": any(head.merged for head in heads),
        "keeps_masks": any(
            {"instance_segmentation", "panoptic_segmentation"}
            & {head.task, dataset_task(job, head)}
            for head in job.heads
        ),
        "gray_pages": any(head.opens(("parse_panoptic",)) for head in heads),
        "reads_pages": any(head.opens(PAGED) for head in heads),
        **_sizes(any(reader.sized for reader in readers)),
        "image_size_template": f"dataset/image_size{header}.py.jinja",
        "labeled": "labeled " * bool(joined),
        "described": any(DESCRIBED.search(head.annotations) for head in heads),
        "nullable": any(reader.nullable for reader in readers),
        "native": any(reader.source.format == "native" for reader in readers),
        "painted": _painted(job),
        "metric": any(reader.source.format == "maps" for reader in readers),
        "lone_maps": LONE_MAPS[lacking],
        "paired_maps": PAIRED_MAPS[lacking],
        "held_out": not all(reader.validation for reader in readers),
        **plan_split(job),
        "label_type": " | ".join(once([task.label] for task in tasks)),
        "label_types": [task.kept or task.label for task in tasks],
        **_kept(job, heads),
        "by_ending": any(reader.finds_by_ending for reader in readers),
        "rooted": any(reader.source.format in PATHS for reader in readers),
    }


def _readers_of_boxes(heads: tuple[HeadPlan, ...]) -> set[str]:
    """Returns which functions read boxes: of COCO files, or of all other formats."""
    read = " ".join(head.parse for head in heads)
    return {*re.findall(r"\b(?:parse_coco_objects|parse_objects)\b", read)}


def _merging(joined: list[HeadPlan], lacking: bool) -> dict[str, Any]:
    """Returns how samples of one image are merged; `lacking`: one may have labels for a
    head that the other one has none for. Where labels may contradict each other, that
    is a problem of the dataset."""
    equal = ["same" in head.joined for head in joined]
    refuses = bool(joined) and (lacking or any(equal))
    if refuses:
        kind = "same" if all(equal) and not lacking else "some"
        if kind == "same" and joined[0].joined.startswith("same(") and not joined[1:]:
            kind = "equal"
    else:
        kind = "heads" if len(joined) > 1 else "one"
    return {
        "template": f"dataset/merged_{kind}.py.jinja",
        "parameters": "problems: list, " * refuses + "counts: Counter",
        "given": "problems, " * refuses + "counts",
    }


def _same(joined: list[HeadPlan]) -> dict[str, str]:
    """Returns the parameter of `same` for names of labels, and the expression of what
    its message shows of a label `x`: by its name, where there are names."""
    calls = [head.joined for head in joined if head.joined.startswith("same(")]
    named = [not call.endswith("one, sample)") for call in calls]
    if all(named):
        return {"same_names": ", names: Sequence", "same_shown": "names[x]"}
    if not any(named):
        return {"same_names": "", "same_shown": "x"}
    shown = "names[x] if names else x"
    return {"same_names": ", names: Sequence = ()", "same_shown": shown}


def _test_call(readers: tuple[Reader, ...]) -> str:
    """Returns the expression of the samples of all test sets; "" where there is none.
    E389: all readers have one, or none has."""
    calls = [reader.test for reader in readers]
    return f"merged([{', '.join(calls)}])" if all(calls[1:]) and calls[1:] else calls[0]


def _judged_set(readers: tuple[Reader, ...]) -> str:
    """Returns the assignment of the samples that evaluate.py measures."""
    if len(readers) == 1 and readers[0].validation:
        return f"samples = {readers[0].validation_below('args.data')}"
    return "_, samples = read_datasets(args.data)"


def _painted(job: Job) -> bool:
    """Returns whether maps have colors of which black may be one."""
    return any(
        source_of(job, head).format == "maps" and getattr(head, "values", ()) is None
        for head in job.heads
    )


def _kept(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    """Returns what depends on whether a file keeps the samples: their type, the call
    that reads them, and the expressions of paths, whose state it records."""
    keeps, pairs = job.data.keep_samples, zip(job.heads, tasks_of(job))
    numbered = [head.name for head, task in pairs if task.kept]
    checked = bool(numbered or any(head.code.checks for head in heads))
    call = f"read_{'samples' if keeps or checked else 'datasets'}"
    return {
        "keeps_samples": keeps,
        "samples_type": "Samples" if keeps else "list[Sample]",
        "samples_with_slots": WITH_SLOTS[keeps],
        "samples_read": f"{call}(args.data{', args.reread' * keeps})",
        "samples_checked": checked and not keeps,
        "numbered_heads": numbered,
        "noted": noted(keeps),
        "samples_folder": _samples_folder(job),
    }


def noted(keeps: bool) -> dict[str, str]:
    """Returns the expression of each variable of a path that is about to be read."""
    return {name: f"noted({name})" if keeps else name for name in NOTED}


def _samples_folder(job: Job) -> str:
    """Returns the expression of the folder where samples.py keeps its files."""
    if job.data.cache is not None:
        return f"Path({literal(job.data.cache)})"
    return 'Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "specc")'


def _sizes(framed: bool) -> dict[str, Any]:
    """Returns variables for reading an image's header; `framed`: annotation files give
    sizes of images too."""
    told = ", orientation" * framed
    sides = f"(width, height{told}) if orientation >= 5 else (height, width{told})"
    return {
        "framed": framed,
        "size_head": f"dataset/size_head{'_framed' * framed}.py.jinja",
        "size_returned": sides,
    }


def reads_yaml(job: Job, heads: tuple[HeadPlan, ...]) -> bool:
    return any(reader.reads_yaml for reader in readers_of(job, heads))


def _sets(job: Job, readers: tuple[Reader, ...]) -> list[str]:
    """Returns the templates of the functions that read all sets."""
    if len(readers) > 1:
        sections = ["several_datasets"]
    elif readers[0].validation:
        sections = ["two_sets"]
    else:
        sections = split_sections(job)
    if readers[0].test:  # E389: all have one, or none has
        sections.append("test_set")
    sections.append("one_per_image")
    return [f"dataset/{section}.py.jinja" for section in sections]
