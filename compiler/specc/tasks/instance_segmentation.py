"""Plan of `instance_segmentation`: masks with boxes and categories."""

from __future__ import annotations

from specc.heads.instance_segmentation import MASK_CHANNELS
from specc.job import Head, InstanceSegmentation
from specc.source import Line, constant, literal
from specc.tasks.contract import PREDICTED, Annotations, HeadContract, colors_of
from specc.tasks.maps import SUFFIXES_LINE
from specc.tasks.object_detection import (
    CONSTANTS,
    DETECTOR,
    DETECTOR_OUTPUTS,
    DRAWN,
    strides_constant,
)
from specc.tasks.task import HeadCode, HeadExpressions, Task

_CHANNELS = "of what all masks are made of, and of the layer that makes one"
MASKS = (
    constant("MASK_CHANNELS", MASK_CHANNELS, _CHANNELS),
    constant("MASK_CELLS", 128, "of an image, at most, learn a mask"),
)
NO_GRIDS = (  # targets of an image without instances
    "Grids(np.zeros((0, 4), np.float32), np.zeros(0, np.int64),"
    " np.zeros((0, 4), np.float32), np.zeros((0, GRID, GRID), np.uint8))"
)
GRIDS = (
    constant("GRID", 28, "points along a side of the grid on which a mask is learned"),
    constant("MARGIN", 0.25, "it reaches beyond the box by this share of the box"),
)


def plan(head: InstanceSegmentation, code: HeadCode) -> HeadExpressions:
    names, prefix = code.constant, code.prefix
    stride, colors = f"{prefix}MASK_STRIDE", f"{prefix}COLORS"
    thresholds = f"{literal(head.score_threshold)}, {literal(head.iou_threshold)}"
    made = f"{code.width}, {head.layers}, len({names}), {prefix}STRIDES"
    task = literal(TASK.title)
    native = code.format == "native"
    path = f"free(drawing.with_suffix({literal(f'.{head.name}.tif')}), taken)"
    given, counted = code.given, "height, width, counts"
    parsed = {
        "native": f"parse_pages({given}, {colors}, height, width)",
        "coco": f"parse_segments({given}, {names}, {counted})",
        "yolo": f"parse_polygons({given}, {names}, {counted})",
    }
    return HeadExpressions(
        construction=f"InstanceHead({made})",
        loss=(
            f"instance_loss({code.outputs}, {code.targets}, {literal(head.mask_weight)})"
        ),
        blank=NO_GRIDS,
        decode=f"decode_instances({code.outputs}, {thresholds}, {head.max_detections})",
        own=cell_of(code),
        annotations=f"read_class_maps(folder, {task}, {names}, {colors})",
        parse=parsed[code.format],
        place=f"moved_instances({code.labels}, transform)",
        words=f"instances_in_words({code.results}, row, {names}, {stride}, ratio, limits)",
        label_words=f"labelled_instances({code.labels}, {names})",
        draw=f"draw_instances(image, {code.words}, {names})",
        saved=f"save_masks({code.words}, {names}, {colors}, {path})",
        metrics=f"instance_metrics({code.all_labels()}, {code.all_found()}, {names})",
        words_example=f'"{head.name}": [{{category, bbox, mask, score}}, ...]',
        annotation="a page for each instance, black but for its category's color",
        constants=(
            strides_constant(code),
            masks_constant(stride, code),
        ),
        dataset_constants=(
            constant(colors, head.colors, "of the categories in masks"),
            *((SUFFIXES_LINE,) if native else ()),
        ),
    )


def contract(head: InstanceSegmentation) -> HeadContract:
    most = head.max_detections
    return HeadContract(
        found={
            "boxes": (most, 4),
            "scores": (most,),
            "classes": (most,),
            "count": (),
            "masks": (most, *PREDICTED),
        },
        outputs=DETECTOR_OUTPUTS,
    )


def annotated(head: Head, names: str) -> Annotations:
    (colors, section), folder = colors_of(head, names), literal(f"{head.name}-masks")
    colors = f"dict(zip({names}, {colors}))"
    objects = f"some_objects(number, {names}, height, width)"
    where = f"folder / {folder}, number, {objects}, {colors}, height, width"
    return Annotations(
        label=f"save_masks({where})",
        sections=(
            "contract/some_objects",
            section,
            "contract/save_masks",
            "contract/save_pages",
        ),
        listed=(objects, ("contract/some_objects",)),
        polygons=True,
        entry={"colors": colors, "annotations": folder},
    )


def masks_constant(name: str, code: HeadCode) -> Line:
    return constant(name, code.strides[0] // 2, "of masks, half the finest level's")


def cell_of(code: HeadCode) -> str:
    """An expression of model.py: the pixels of an image that a cell of masks covers."""
    stride = f"{code.prefix}MASK_STRIDE"
    if code.job.backbone.resize_input:
        return f"{stride} * ratio[:2]"
    return f"torch.full((2,), {stride}, device=images.device)"


TASK = Task(
    title="instance segmentation",
    model_class="Segmenter",
    output_type="InstancePredictions",
    returns="`InstancePredictions`",
    plan=plan,
    names="categories",
    counted=("category", "categories"),
    classes=(*DETECTOR, "heads/instances"),
    operations=("model/boxes",),
    losses=(
        "losses/assign",
        "losses/instances",
        "losses/object_terms",
        "losses/shared_total",
    ),
    decoders=(
        "decoders/object_detection",
        "decoders/suppress",
        "decoders/instances",
        "decoders/whole_masks",
    ),
    constants=(*CONSTANTS, *MASKS),
    shared=("points", "strides", "pixels"),
    cells_wanted=True,
    own_note='"masks" are (B, limit, h, w) and bool',
    own_pixels={
        "resized": "model/instances_resized.py.jinja",
        "whole": "model/instances_whole.py.jinja",
    },
    label="Instances",
    in_folder=True,
    metadata=(
        "categories: [NAME, ...]",
        "colors: {NAME: [red, green, blue], ...}",
    ),
    label_types=("dataset/instances",),
    readers={
        "native": (),
        "coco": ("dataset/from_coco_instances",),
        "yolo": ("dataset/from_yolo_instances", "dataset/yolo_lines"),
    },
    coco_item="instance_from_coco",
    native_readers=(
        "dataset/class_maps",
        "dataset/maps",
        "dataset/listed_images",
        "dataset/described",
        "dataset/names_of",
        "dataset/entries",
        "dataset/yaml",
    ),
    format_parsers={
        "native": (
            "dataset/parse_pages",
            "dataset/pages",
            "dataset/scaled",
            "dataset/instances_of",
        ),
        "coco": (
            "dataset/parse_segments",
            "dataset/filled",
            "dataset/instances_of",
        ),
        "yolo": (
            "dataset/parse_polygons",
            "dataset/filled",
            "dataset/instances_of",
        ),
    },
    map_suffix="tif",
    folder_note="A single black page is an image without instances.",
    meaning=("categories",),
    moves=True,
    transforms=("boxes",),
    placing=("data/mask_grids",),
    stacking=("data/stack_grids",),
    stack="stack_grids",
    data_constants=GRIDS,
    coordinates=True,
    in_words=("evaluate/instance_words",),
    metrics=("evaluate/instance_metrics", "evaluate/coco_metrics"),
    drawings=("draw/instances", "draw/save_masks"),
    drawing_tools=("draw/caption", "draw/write", "draw/color_of"),
    label_words=("draw/instance_labels",),
    draw_constants=(DRAWN,),
    requirements=("faster-coco-eval",),
    contract=contract,
    annotated=annotated,
)
