"""Instance segmentation with CondInst: a detector whose cells also give the weights of
a small mask network for each object, and mask features at half the stride of the finest
level, which these networks read.

CondInst, "Conditional Convolutions for Instance Segmentation",
https://arxiv.org/abs/2003.05664, Tian et al. 2020
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from specc.heads.contract import Annotations, HeadContract, colors_of
from specc.heads.object_detection import (
    CONSTANTS,
    DETECTOR_OUTPUTS,
    DRAWN,
    decoder_limits,
    detector,
    detector_sizes,
    strides_constant,
    tower,
)
from specc.heads.task import Coco, HeadCode, HeadExpressions, Native, Task
from specc.job import Head
from specc.source import Line, constant, literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class InstanceSegmentation(Head):
    categories: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]  # colors of the categories in masks
    bottom_level: int
    top_level: int
    layers: int  # number of 3x3 convolutions in each tower
    mask_weight: float
    score_threshold: float
    iou_threshold: float
    max_detections: int
    merge: dict[str, list[str]] | None = None  # category -> names in the dataset


# ---- The graph ----


MASK_CHANNELS = 8  # channels of the mask features and of a mask network's hidden layer
# Number of weights of a mask network: two 1x1 convolutions on features and x, y.
WEIGHTS = (MASK_CHANNELS + 2 + 1) * MASK_CHANNELS + MASK_CHANNELS + 1


def build(
    net: Scope, head: InstanceSegmentation, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of `segmenter`."""
    return segmenter(net, "", len(head.categories), head.layers, levels)


def segmenter(
    net: Scope, prefix: str, categories: int, layers: int, levels: dict[int, Node]
) -> dict[str, Node]:
    """Outputs: those of the detector, kernels (cells, weights), and features
    (8, height, width) at half the stride of the finest level.

    ``prefix`` is put before the names of modules; it ends with a point in heads that
    contain this one.
    """
    kernels = []
    for level, x in levels.items():
        here = net.at(level)
        x = tower(here, f"{prefix}kernel_tower", x, layers)
        x = here.conv(f"{prefix}kernels", x, WEIGHTS, kernel=3, bias=True)
        kernels.append(here.flatten("kernel_cells", x))
    finest = min(levels)
    x = tower(net.at(finest), f"{prefix}coarse", levels[finest], 1)
    here = net.at(finest - 1)
    x = tower(here, f"{prefix}fine", here.upsample("finer", x), 1)
    return {
        **detector(net, f"{prefix}detector.", categories, layers, levels),
        "kernels": net.at(max(levels)).concat("all_kernels", kernels),
        "features": here.conv(
            f"{prefix}features", x, MASK_CHANNELS, kernel=1, bias=True
        ),
    }


# ---- Expressions of the emitted code ----


_CHANNELS = "channels of features, and of a hidden layer of masks"
MASKS = (
    constant("MASK_CHANNELS", MASK_CHANNELS, _CHANNELS),
    constant("MASK_REACH", 8, "strides of a point in the unit of offsets from it"),
    constant("MASK_POINTS", 128, "most points of an image that learn a mask"),
    constant("MASKS_AT_ONCE", 32, "masks of an image that are decoded at once"),
)
NO_GRIDS = (  # target of an image without instances
    "Grids(np.zeros((0, 4), np.float32), np.zeros(0, np.int64),"
    " np.zeros((0, 4), np.float32), np.zeros((0, GRID, GRID), np.uint8))"
)
GRIDS = (
    constant("GRID", 28, "points along a side of the grid on which a mask is learned"),
    constant("MARGIN", 0.25, "regions are larger than boxes by this share"),
)


PAGED = "a page for each instance, black but for its category's color"
NUMBERED = "each pixel has the number of its instance, 0 where there is none"


def plan(head: InstanceSegmentation, code: HeadCode) -> HeadExpressions:
    names, prefix = code.constant, code.prefix
    stride, colors = f"{prefix}MASK_STRIDE", f"{prefix}COLORS"
    weight = f"mask_weight={literal(head.mask_weight)}"
    task = literal(TASK.title)
    path = f"unused_path(drawing.with_suffix({literal(f'.{head.name}.tif')}), taken)"
    given, counted = code.given, f"{code.numbers}, height, width, counts"
    parsed = {
        "native": f"parse_pages(*{given}, height, width)",
        "coco": f"parse_segments({given}, {counted})",
        "yolo": f"parse_polygons({given}, {counted})",
        "maps": f"{code.numbered_by}({given}, height, width, counts)",
    }
    return HeadExpressions(
        construction=f"InstanceHead({detector_sizes(head, code, names)})",
        loss=f"instance_loss({code.outputs}, {code.targets}, {weight})",
        blank=NO_GRIDS,
        decode=f"decode_instances({code.outputs}, {decoder_limits(head)})",
        own=cell_of(code),
        annotations=f"read_colored_maps(folder, {task}, {code.numbers})",
        parse=parsed[code.format],
        place=f"moved_instances({code.labels}, transform)",
        sealed=f"found_instances({code.sealed}, {code.sealed_names('categories')}, *image.shape[:2])",
        words=f"to_instances({code.results}, row, {names}, {stride}, ratio, limits)",
        label_words=f"labeled_instances({code.labels}{'.labeled()' * code.own_areas}, {names})",
        draw=f"draw_instances(image, {code.words})",
        saved=f"save_masks({code.words}, {names}, {colors}, {path})",
        checks=(
            code.checked(
                f"lambda x: x.classes{'[~x.ignored]' * code.own_areas}", names
            ),
        ),
        metrics=f"instance_metrics({code.all_labels()}, {code.all_found()}, {names})",
        words_example=f'"{head.name}": [{{category, bbox, mask, score}}, ...]',
        annotation=NUMBERED if code.format == "maps" else PAGED,
        constants=(
            strides_constant(code),
            masks_constant(stride, code),
        ),
        dataset_constants=(
            constant(colors, head.colors, "colors of the categories in masks"),
        ),
    )


def masks_constant(name: str, code: HeadCode) -> Line:
    return constant(
        name, code.strides[0] // 2, "stride of masks: half that of the finest level"
    )


def cell_of(code: HeadCode) -> str:
    """Returns the expression, in model.py, of the height and width of a mask's cell in
    pixels of the image."""
    stride = f"{code.prefix}MASK_STRIDE"
    if code.job.backbone.resize_input:
        return f"{stride} * ratio[:2]"
    return f"{stride} * torch.ones(2, device=images.device)"


# ---- The contract ----


def contract(head: InstanceSegmentation) -> HeadContract:
    most = head.max_detections
    return HeadContract(
        found={
            "boxes": (most, 4),
            "scores": (most,),
            "classes": (most,),
            "count": (),
        },
        masks=True,
        outputs=DETECTOR_OUTPUTS,
    )


def annotated(head: Head, names: str) -> Annotations:
    colors, folder = colors_of(head, names), literal(f"{head.name}-masks")
    colors = f"dict(zip({names}, {colors}))"
    objects = f"some_objects(number, {names}, height, width)"
    where = f"folder / {folder}, number, {objects}, {colors}, height, width"
    return Annotations(
        label=f"save_masks({where})",
        listed=objects,
        corners='np.array(item["bbox"])[[[0, 1], [2, 1], [2, 3], [0, 3]]]',
        mapped="save_some_numbers(place, number, height, width)",
        entry={"colors": colors, "annotations": folder},
    )


# ---- The record ----


TASK = Task(
    title="instance segmentation",
    head=InstanceSegmentation,
    model_class="Segmenter",
    output_type="InstancePredictions",
    returns="`InstancePredictions`",
    plan=plan,
    names="categories",
    counted=("category", "categories"),
    annotations="masks",
    rank=3,
    constants={"model.py": (*CONSTANTS, *MASKS), "data.py": GRIDS, "draw.py": (DRAWN,)},
    points_wanted=True,
    own_note='"masks" are (B, M, h, w) and bool, for the largest count M',
    own_pixels={
        "resized": "model/instances_resized.py.jinja",
        "whole": "model/instances_whole.py.jinja",
    },
    pasted="model/instances_pasted.py.jinja",
    label="Instances",
    joined="joined([ONE, OTHER], counts)",
    in_folder=True,
    native=Native(
        metadata=(
            "categories: [NAME, ...]",
            "colors: {NAME: [red, green, blue], ...}",
        ),
        map_suffix="tif",
        folder_note="A single black page is an image without instances.",
    ),
    framed="instances_in_image(LABEL, frame, counts)",
    coco=Coco(
        fields=("id", "category_id", "segmentation"),
        hook="with_arrays",
        given='objects.pop(image["id"], [])',  # each is freed
    ),
    readers={
        "native": "",
        "coco": "instance_from_coco",
        "yolo": "polygons_in(lines, height, width)",
        "maps": "",
    },
    meaning=("categories",),
    moves=True,
    transforms=("boxes",),
    ignores=("coco",),
    stack="stack_grids",
    coordinates="inside",
    requirements=("faster-coco-eval",),
    contract=contract,
    annotated=annotated,
)
