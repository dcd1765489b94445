"""Heads whose labels are made from annotations for another task: how annotations are
read, and how labels are converted."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from specc.heads.semantic_segmentation import MODES_LINE
from specc.heads.task import Coco, HeadCode, HeadExpressions, Task
from specc.source import Line, literal

MASK_LIBRARY = ("faster-coco-eval",)


@dataclass(frozen=True)
class Reading:
    """How annotations become labels of the last task of a way (see conversions.py).

    In expressions NAMES are the names of the head, NUMBERS the name -> index mapping,
    GIVEN is the annotation of an image, and COLORS are the colors of the head.
    """

    annotations: str  # (folder) -> annotations by image, in the native format
    # Format -> label; the key "" is any other format, the value "" the head's own
    # parser.
    parse: dict[str, str]
    example: str  # example of an annotation
    constants: tuple[Line, ...] = ()  # constants for the native format
    in_folder: bool = False  # native annotations are files
    requirements: tuple[str, ...] = ()
    ignoring: str = ""  # `parse` of COCO where labels hold ignored objects; "": parse
    counted: str = ""  # annotations of a head that counts its names; "": the same


def _listed(title: str, key: str, parse: str, example: str) -> Reading:
    native = f"read_annotations(folder, {literal(title)}, {literal(key)}, NUMBERS)"
    return Reading(native, {"": parse}, example)


_CATEGORY = "NAME"
_COLOR = "each pixel in the color of its category, black where unknown"
_OBJECTS = "[{category: NAME, bbox: [left, top, right, bottom]}, ...]"
_CORNERS = "[{category: NAME, quadrilateral: [[x, y], ... four]}, ...]"
_PLACED = "NAMES, height, width"
_NUMBERED = "NUMBERS, height, width"
_SIZED = f"{_NUMBERED}, counts"
_CLASS_MAPS = dict(
    parse={"": "labels_of_map(*GIVEN, len(NAMES), height, width)"},
    example=_COLOR,
    constants=(MODES_LINE,),
    in_folder=True,
)
READINGS = {  # start of a way -> its reading; the longest start of a way is taken
    ("object_detection",): Reading(
        'read_annotations(folder, "object detection", "categories", NUMBERS)',
        {
            "": f"parse_objects(GIVEN, {_SIZED})",
            "coco": f"parse_coco_objects(GIVEN, names, {_SIZED})",
        },
        _OBJECTS,
    ),
    ("quadrilateral_detection",): _listed(
        "quadrilateral detection",
        "categories",
        f"parse_quadrilaterals(GIVEN, {_SIZED})",
        _CORNERS,
    ),
    ("keypoint_detection", "object_detection"): Reading(
        'annotations_for(folder, "keypoint detection")',
        {"": f"parse_objects(boxes_of_keypoints(GIVEN, {_PLACED}, counts), {_SIZED})"},
        "[{KEYPOINT: [x, y], KEYPOINT: null, ...}, ...]",
        ignoring=f"parse_objects(boxes_of_poses(GIVEN, {_PLACED}, counts), {_SIZED})",
    ),
    ("instance_segmentation",): Reading(
        'read_colored_maps(folder, "instance segmentation", NUMBERS)',
        {
            "native": "parse_pages(*GIVEN, height, width)",
            "coco": f"parse_segments(GIVEN, {_SIZED})",
            "yolo": f"parse_polygons(GIVEN, {_SIZED})",
            "maps": "PARSER(GIVEN, height, width, counts)",
        },
        "a page for each instance, black but for its category's color",
        in_folder=True,
        requirements=MASK_LIBRARY,
    ),
    ("panoptic_segmentation", "instance_segmentation"): Reading(
        "read_things(folder, NUMBERS)",
        {
            "native": "parse_panoptic(*GIVEN, height, width)",
            "coco": (
                'parse_coco_panoptic(GIVEN, path.with_suffix(""), NUMBERS,'
                " range(len(NAMES)), (height, width), counts)"
            ),
        },
        "each pixel in the color of its category; the number of its instance",
        in_folder=True,
        requirements=MASK_LIBRARY,
    ),
    ("panoptic_segmentation", "semantic_segmentation"): Reading(
        'read_colored_maps(folder, "panoptic segmentation", NUMBERS)',
        {
            "coco": (
                'parse_segment_map(GIVEN, path.with_suffix(""), NUMBERS,'
                " (height, width), counts)"
            )
        },
        _COLOR,
        in_folder=True,
    ),
    ("panoptic_segmentation", "semantic_segmentation", "multilabel_classification"): (
        Reading(
            'read_colored_maps(folder, "panoptic segmentation", NUMBERS)', **_CLASS_MAPS
        )
    ),
    ("semantic_segmentation", "multilabel_classification"): Reading(
        'read_colored_maps(folder, "semantic segmentation", NUMBERS)', **_CLASS_MAPS
    ),
    ("multiclass_classification",): _listed(
        "multiclass classification",
        "categories",
        "NUMBERS[str(GIVEN).strip()]",
        _CATEGORY,
    ),
    ("multiclass_classification", "metric_learning"): Reading(
        'read_identities(folder, "multiclass classification", "categories", NAMES,'
        " training)",
        {},
        _CATEGORY,
        counted='annotations_for(folder, "multiclass classification")',
    ),
    ("metric_learning", "multiclass_classification"): _listed(
        "metric learning", "identities", "NUMBERS[str(GIVEN).strip()]", _CATEGORY
    ),
}
STEPS = {  # (task, next task) -> expression that converts LABEL to the next task
    ("instance_segmentation", "object_detection"): "boxes_of_instances(LABEL)",
    ("quadrilateral_detection", "object_detection"): "boxes_of_quadrilaterals(LABEL)",
    ("object_detection", "quadrilateral_detection"): "quadrilaterals_of_boxes(LABEL)",
    (
        "object_detection",
        "multilabel_classification",
    ): "labels_of_objects(LABEL, NAMES)",
    ("multiclass_classification", "multilabel_classification"): (
        "labels_of_category(LABEL, NAMES)"
    ),
}
LABELED = {  # steps that leave out ignored objects
    ("object_detection", "quadrilateral_detection"),
    ("object_detection", "multilabel_classification"),
}
_NAMES = '{str(item["name"]).strip() for item in content["categories"]}'
_THINGS = '{str(x["name"]).strip() for x in content["categories"] if x.get("isthing")}'
COCO_COMPARED = {  # first task -> key in COCO's file, names to compare with the head's
    "keypoint_detection": ("categories", _NAMES),
    "panoptic_segmentation": ("things", _THINGS),
}
COCO_MAPS = ("categories", _NAMES)  # the same for maps, which also hold stuff


def _begin(way: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the start of a way that one reading covers."""
    begins = (way[:count] for count in range(len(way), 0, -1))
    return next(begin for begin in begins if begin in READINGS)


def _steps(way: tuple[str, ...]) -> list[tuple[str, str]]:
    """Returns the pairs of tasks between which labels are converted after the
    reading."""
    rest = way[len(_begin(way)) - 1 :]
    return list(zip(rest, rest[1:]))


def converted_task(
    task: Task, way: tuple[str, ...], form: str, known: dict[str, Task]
) -> Task:
    """Returns the record of a head whose dataset holds annotations for the first task
    of a way, in the format `form`; `known` are the records of all tasks."""
    source, reading = known[way[0]], READINGS[_begin(way)]
    made = replace(
        task,
        described_as=source.described_as or source.title,
        dataset_key=source.names,
        native=source.native,
        in_folder=reading.in_folder,
        readers=source.readers,
        coco=source.coco,
        requirements=(*task.requirements, *reading.requirements),
        annotated=source.annotated,
        untold=not source.names_instances,
        one_name=(source.one_name or task.one_name) and not task.splits_by,
    )
    compared = _compared(way) if form == "coco" else None
    if compared is None:
        return made
    key, found = compared
    coco = replace(source.coco, found=found, compared=Coco.compared)
    return replace(made, dataset_key=key, coco=coco)


def _compared(way: tuple[str, ...]) -> tuple[str, str] | None:
    """Returns the key and the names of a COCO file that are compared with a head's
    names, or None where they are those of the first task's heads."""
    maps = "semantic_segmentation" in way
    return COCO_MAPS if maps else COCO_COMPARED.get(way[0])


def converted(
    expressions: HeadExpressions, way: tuple[str, ...], form: str, code: HeadCode
) -> HeadExpressions:
    """Returns a head's expressions, with those that read its labels replaced."""
    reading = READINGS[_begin(way)]
    names = {
        "NAMES": code.constant,
        "GIVEN": code.given,
        "COLORS": f"{code.prefix}COLORS",
        "NUMBERS": code.numbers,
        "PARSER": code.numbered_by,
    }
    annotations = code.counted and reading.counted or reading.annotations
    parse = _of_format(reading.parse, form)
    if form == "coco" and code.own_areas and reading.ignoring:
        parse = reading.ignoring
    parse = _with(parse, names) if parse else expressions.parse
    for pair in _steps(way):
        label = f"{parse}{'.labeled()' * (code.ignores and pair in LABELED)}"
        parse = _with(STEPS[pair], names | {"LABEL": label})
    return replace(
        expressions,
        annotations=_with(annotations, names),
        parse=parse,
        annotation=reading.example,
        dataset_constants=(
            *expressions.dataset_constants,
            *(reading.constants if form == "native" else ()),
        ),
    )


def _of_format(by_format: dict, form: str):
    return by_format.get(form, by_format.get("", ""))


def _with(expression: str, names: dict[str, str]) -> str:
    """Returns an expression with its words in capitals replaced."""
    return re.sub(
        r"\b(NAMES|NUMBERS|GIVEN|COLORS|LABEL|PARSER)\b",
        lambda m: names[m[0]],
        expression,
    )
