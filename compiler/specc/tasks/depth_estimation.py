"""Plan of `depth_estimation`: how far what every pixel shows is."""

from __future__ import annotations

from specc.job import DepthEstimation
from specc.source import constant, literal
from specc.tasks.contract import PREDICTED, Annotations, HeadContract
from specc.tasks.maps import (
    OWN_PIXELS,
    PLACING,
    READERS,
    SUFFIXES_LINE,
    enlarged,
    saved_path,
    stride_constant,
)
from specc.tasks.task import HeadCode, HeadExpressions, Task

MODES = ("L", "I;16", "I;16B", "I")
MODES_LINE = constant("DEPTH_MODES", MODES, "Pillow's, of grey with 8 or 16 bits")


def plan(head: DepthEstimation, code: HeadCode) -> HeadExpressions:
    ends = f"{code.prefix}NEAREST, {code.prefix}FARTHEST"
    least = f"{code.prefix}FARTHEST / 1000"
    truth = f"read_depth({code.labels}, {ends})"
    return HeadExpressions(
        construction=f"DepthHead({code.widths}, {head.channels}, {ends})",
        loss=f"depth_loss({code.outputs}, {code.targets}, {least})",
        blank="np.zeros((HEIGHT, WIDTH), np.float32)",
        decode=f"decode_depth({code.outputs})",
        own=f'{{"depth": {enlarged(code, "depth")}.squeeze(1)}}',
        annotations=f"read_depth_maps(folder, {ends})",
        parse=f"parse_map({code.given}, height, width, DEPTH_MODES)",
        place=f"warp({truth}, sample, transform, -1)",
        words=f"depth_in_words({code.results}, row, {code.prefix}STRIDE, sample, seen)",
        label_words=f"resized_map({truth}, sample.height, sample.width)",
        draw=f"draw_depth(image, {code.words}, {ends})",
        saved=f"save_depth({code.words}, {ends}, {saved_path(code)})",
        evidence=f"depth_errors({truth}, {code.words}, {least})",
        metrics=f"depth_metrics({code.all_found()})",
        words_example=f'"{head.name}": (height, width), in the unit of the range',
        annotation="grey, 8 or 16 bits: 0 unknown, 1 the farthest, 255 or 65535 nearest",
        constants=(
            constant(ends, head.range, "the range of depths"),
            stride_constant(code),
        ),
        dataset_constants=(MODES_LINE, SUFFIXES_LINE),
    )


def contract(head: DepthEstimation) -> HeadContract:
    return HeadContract(found={"depth": PREDICTED})


def annotated(head: DepthEstimation, names: str) -> Annotations:
    folder = literal(f"{head.name}-maps")
    limits = f"[{names}NEAREST, {names}FARTHEST]"
    return Annotations(
        label=f"some_depth_map(folder / {folder}, number, height, width)",
        sections=("contract/some_depth_map", "contract/save_map"),
        entry={"range": limits, "annotations": folder},
    )


TASK = Task(
    title="depth estimation",
    model_class="DepthEstimator",
    output_type="Tensor",
    returns="depth (B, 1, h, w)",
    plan=plan,
    names="",
    counted=("", ""),
    classes=("heads/depth", "heads/map_decoder"),
    operations=("model/enlarge",),
    losses=("losses/depth", "losses/shared_total"),
    decoders=("decoders/depth",),
    own_pixels=OWN_PIXELS,
    own_note='but "depth" is (B, h, w)',
    label="Path",
    metadata=("range: [nearest, farthest]",),
    in_folder=True,
    readers={"native": ()},
    native_readers=("dataset/depth_maps", *READERS),
    parsers=("dataset/parse_map",),
    meaning=("range",),
    moves=True,
    placing=(*PLACING, "data/read_depth", "data/resized_map"),
    stacking=("data/stack_depth",),
    stack="stack_depth",
    in_words=("evaluate/depth_words",),
    metrics=("evaluate/depth_metrics",),
    drawings=("draw/depth", "draw/save_depth"),
    contract=contract,
    annotated=annotated,
)
