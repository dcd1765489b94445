"""Plan of `panoptic_segmentation`: a category for every pixel, and things one by one."""

from __future__ import annotations

from specc.heads.panoptic_segmentation import map_levels
from specc.job import (
    Head,
    MultilabelClassification,
    PanopticSegmentation,
    SemanticSegmentation,
)
from specc.source import Line, constant, literal
from specc.tasks.contract import PREDICTED, Annotations, HeadContract, colors_of
from specc.tasks.instance_segmentation import (
    GRIDS,
    MASKS,
    NO_GRIDS,
    cell_of,
    masks_constant,
)
from specc.tasks.maps import SUFFIXES_LINE
from specc.tasks.object_detection import (
    CONSTANTS,
    DETECTOR,
    DETECTOR_OUTPUTS,
    strides_constant,
)
from specc.tasks.task import HeadCode, HeadExpressions, Task

OF_ALL_CATEGORIES = (  # heads that learn stuff too
    MultilabelClassification,
    PanopticSegmentation,
    SemanticSegmentation,
)
LEAST = constant(
    "LEAST_STUFF", 0.005, "of an image; a kind that covers less is left out"
)


def plan(head: PanopticSegmentation, code: HeadCode) -> HeadExpressions:
    names, prefix, labels = code.constant, code.prefix, code.labels
    stride, colors = f"{prefix}MASK_STRIDE", f"{prefix}COLORS"
    things, stuff = f"{prefix}THINGS", f"{prefix}STUFF"
    instances = f"{code.width}, {head.layers}, len({things}), {prefix}STRIDES"
    inputs = _inputs(code)
    made = f"InstanceHead({instances}), {inputs}, {head.channels}, len({stuff})"
    weights = f"{literal(head.mask_weight)}, {literal(head.stuff_weight)}"
    thresholds = f"{literal(head.score_threshold)}, {literal(head.iou_threshold)}"
    path = f"free(drawing.with_suffix({literal(f'.{head.name}.tif')}), taken)"
    maps = f"maps_of_segments({labels}, {things}, sample.height, sample.width)"
    native = code.format == "native"
    pages = f"parse_panoptic({code.given}, {colors}, {things}, height, width)"
    of_coco = f'{code.given}, path.with_suffix(""), {names}, {things}, (height, width)'
    return HeadExpressions(
        construction=f"PanopticHead({made})",
        loss=f"panoptic_loss({code.outputs}, {code.targets}, {weights})",
        blank=(
            f"({NO_GRIDS}, np.zeros((len(range({stride} // 2, HEIGHT, {stride})),"
            f" len(range({stride} // 2, WIDTH, {stride}))), np.int16))"
        ),
        decode=f"decode_panoptic({code.outputs}, {thresholds}, {head.max_detections})",
        own=f"(height, width), {cell_of(code)}, {things}, {stuff}",
        annotations=f"read_panoptic_maps(folder, {names}, {colors}, {things})",
        parse=pages if native else f"parse_coco_panoptic({of_coco}, counts)",
        things=f"{{{names}[thing] for thing in {things}}}",
        place=f"moved_panoptic({labels}, transform, {things}, {stuff}, {stride})",
        words=(
            f"panoptic_in_words({code.results}, row, {stride}, ratio, limits,"
            f" ({things}, {stuff}))"
        ),
        label_words=maps,
        draw=f"draw_panoptic(image, {code.words}, {names}, {colors})",
        saved=f"save_panoptic({code.words}, {names}, {colors}, {path})",
        evidence=f"count_segments({maps}, {code.words}, len({names}))",
        metrics=f"panoptic_metrics({code.all_found()}, {things})",
        words_example=f'"{head.name}": {{categories, instances, scores}}, maps of the image',
        annotation="each pixel in the color of its category; the number of its instance",
        constants=(
            _things(things, head),
            _stuff(stuff, things, names),
            strides_constant(code),
            masks_constant(stride, code),
        ),
        dataset_constants=(
            constant(
                colors, head.colors, "of the categories in maps; black is unknown"
            ),
            *((SUFFIXES_LINE,) if native else ()),
        ),
    )


def contract(head: PanopticSegmentation) -> HeadContract:
    return HeadContract(
        found={"categories": PREDICTED, "instances": PREDICTED},
        outputs={
            **{name: f"instances.{at}" for name, at in DETECTOR_OUTPUTS.items()},
            "kernels": "instances.kernels",
            "features": "instances.features",
        },
        tells=len(head.things) < len(head.categories),
    )


def annotated(head: Head, names: str) -> Annotations:
    """To heads that learn objects all their categories are things."""
    (colors, section), folder = colors_of(head, names), literal(f"{head.name}-maps")
    segments = f"some_segments(number, len({names}), height, width)"
    objects = not isinstance(head, OF_ALL_CATEGORIES)
    things = f"[*{names}]" if objects else f"[{names}[0]]"
    if isinstance(head, PanopticSegmentation):
        indices = f"{names.removesuffix('CATEGORIES')}THINGS"
        things = f"[{names}[i] for i in {indices}]"
    return Annotations(
        label=f"save_segments(folder / {folder}, number, {segments}, {colors})",
        sections=(
            "contract/some_segments",
            section,
            "contract/save_segments",
            "contract/save_pages",
        ),
        coco="contract/coco_panoptic",
        listed=(segments, ("contract/some_segments",)),
        things=things,
        whole=not objects,
        entry={"colors": f"dict(zip({names}, {colors}))", "annotations": folder},
    )


def _inputs(code: HeadCode) -> str:
    """The widths of the maps that the decoder reads."""
    count = len(map_levels(list(code.levels)))
    return f"({code.width},) * {count}" if count > 1 else f"({code.width},)"


def _things(name: str, head: PanopticSegmentation) -> Line:
    """The indices of the things: a range, where they are one, or else a tuple."""
    own = [i for i, category in enumerate(head.categories) if category in head.things]
    note = "indices of categories whose instances are told apart"
    if not own or own[-1] - own[0] + 1 > len(own):
        return constant(name, own, note)
    first = f"{own[0]}, " if own[0] else ""
    return Line(name, f"range({first}{own[-1] + 1})", f"  # {note}")


def _stuff(name: str, things: str, names: str) -> Line:
    return Line(name, f"tuple(i for i in range(len({names})) if i not in {things})")


TASK = Task(
    title="panoptic segmentation",
    model_class="Segmenter",
    output_type="PanopticPredictions",
    returns="`PanopticPredictions`",
    plan=plan,
    names="categories",
    counted=("category", "categories"),
    classes=(*DETECTOR, "heads/instances", "heads/panoptic", "heads/map_decoder"),
    operations=("model/boxes",),
    losses=(
        "losses/assign",
        "losses/instances",
        "losses/object_terms",
        "losses/panoptic",
        "losses/shared_total",
    ),
    decoders=(
        "decoders/object_detection",
        "decoders/suppress",
        "decoders/instances",
        "decoders/panoptic",
        "decoders/whole_masks",
    ),
    constants=(*CONSTANTS, *MASKS, LEAST),
    shared=("points", "strides", "pixels"),
    cells_wanted=True,
    own_pixels={
        "resized": "model/panoptic_resized.py.jinja",
        "whole": "model/panoptic_whole.py.jinja",
    },
    own_note='"categories" and "instances" are (B, h, w), as `merge_segments` has them',
    label="Instances",
    label_types=("dataset/instances",),
    in_folder=True,
    metadata=(
        "categories: [NAME, ...]",
        "things: [NAME, ...]",
        "colors: {NAME: [red, green, blue], ...}",
    ),
    map_suffix="tif",
    readers={"native": (), "coco": ("dataset/from_coco_panoptic",)},
    coco_compared="dataset/compare_coco_panoptic",
    coco_docstring="dataset/coco_panoptic",
    coco_item="segments_from_coco",
    coco_images="panoptic_image_folder",
    coco_folder="dataset/image_folder_panoptic",
    native_readers=(
        "dataset/panoptic_maps",
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
            "dataset/parse_panoptic",
            "dataset/pages",
            "dataset/scaled",
            "dataset/instances_of",
        ),
        "coco": (
            "dataset/parse_coco_panoptic",
            "dataset/scaled",
            "dataset/instances_of",
        ),
    },
    folder_note="Categories and instances are two pages of a file.",
    meaning=("categories",),
    moves=True,
    transforms=("boxes",),
    placing=("data/mask_grids", "data/moved_panoptic"),
    stacking=("data/stack_panoptic", "data/stack_grids"),
    stack="stack_panoptic",
    data_constants=GRIDS,
    coordinates=True,
    in_words=("evaluate/panoptic_words",),
    metrics=("evaluate/panoptic_metrics",),
    drawings=("draw/panoptic",),
    drawing_tools=("draw/write",),
    requirements=("faster-coco-eval",),
    contract=contract,
    annotated=annotated,
)
