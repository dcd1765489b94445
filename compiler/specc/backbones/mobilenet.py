"""MobileNetV2 in timm's widths and MobileNetV3 large and small: the tables.

"MobileNetV2: Inverted Residuals and Linear Bottlenecks", Sandler et al. 2018,
arXiv:1801.04381; "Searching for MobileNetV3", Howard et al. 2019, arXiv:1905.02244
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from specc.backbones.efficientnet import HALF, TENSORFLOW, Stage, blocks
from specc.backbones.inverted import Block, Inverted, rounded

V2 = tuple(
    Stage(kind, depth, 3, stride, expansion, outputs, squeezes=False)
    for kind, depth, stride, expansion, outputs in (
        ("separable", 1, 1, 1, 16),
        ("inverted", 2, 2, 6, 24),
        ("inverted", 3, 2, 6, 32),
        ("inverted", 4, 2, 6, 64),
        ("inverted", 3, 1, 6, 96),
        ("inverted", 3, 2, 6, 160),
        ("inverted", 1, 1, 6, 320),
    )
)


def _v2(
    suffix: str, timm: str, weights: str | None, width: float, depth: float, **more
) -> Inverted:
    """Returns a MobileNetV2. Depth multiplies all stages but the first and the last;
    the deeper variants keep the width of the stem."""
    middle = range(1, len(V2) - 1)
    stages = [
        stage._replace(
            outputs=rounded(stage.outputs * width),
            depth=ceil(stage.depth * depth) if number in middle else stage.depth,
        )
        for number, stage in enumerate(V2)
    ]
    stem = rounded(32 * width) if depth == 1 else 32
    return Inverted(
        name=f"mobilenetv2{suffix}",
        title=f"MobileNetV2 x{width}" if suffix else "MobileNetV2",
        class_name="MobileNetV2",
        timm=timm,
        weights=f"{timm}.{weights}" if weights else None,
        paper="1801.04381",
        stem=stem,
        activation="relu6",
        stages=blocks(stem, stages, "relu6"),
        **more,
    )


class Row(NamedTuple):
    """A row of MobileNetV3's tables: a block that reads the block of the row above."""

    kernel: int
    width: int
    outputs: int
    squeezes: bool
    activation: str
    stride: int


def _rows(inputs: int, stages: Iterable[Iterable[tuple]]):
    """Yields the blocks: the first stage is depthwise separable, and a 1x1 convolution
    follows the last stage."""
    expanded = []
    for number, stage in enumerate(stages):
        kind = "inverted" if number else "separable"
        expanded.append([])
        for row in map(Row._make, stage):
            squeezed = rounded(row.width / 4) if row.squeezes else 0
            block = Block(
                kind=kind,
                inputs=inputs,
                width=row.width,
                outputs=row.outputs,
                kernel=row.kernel,
                stride=row.stride,
                squeezed=squeezed,
                activation=row.activation,
            )
            expanded[-1].append(block)
            inputs = row.outputs
    last = Block("plain", inputs, 6 * inputs, 6 * inputs, 1, 1, 0, "hardswish")
    return (*map(tuple, expanded), (last,))


V3_LARGE = (
    [(3, 16, 16, False, "relu", 1)],
    [(3, 64, 24, False, "relu", 2), (3, 72, 24, False, "relu", 1)],
    [(5, 72, 40, True, "relu", 2), *2 * [(5, 120, 40, True, "relu", 1)]],
    [
        (3, 240, 80, False, "hardswish", 2),
        (3, 200, 80, False, "hardswish", 1),
        *2 * [(3, 184, 80, False, "hardswish", 1)],
    ],
    [(3, 480, 112, True, "hardswish", 1), (3, 672, 112, True, "hardswish", 1)],
    [(5, 672, 160, True, "hardswish", 2), *2 * [(5, 960, 160, True, "hardswish", 1)]],
)
V3_SMALL = (
    [(3, 16, 16, True, "relu", 2)],
    [(3, 72, 24, False, "relu", 2), (3, 88, 24, False, "relu", 1)],
    [(5, 96, 40, True, "hardswish", 2), *2 * [(5, 240, 40, True, "hardswish", 1)]],
    [(5, 120, 48, True, "hardswish", 1), (5, 144, 48, True, "hardswish", 1)],
    [(5, 288, 96, True, "hardswish", 2), *2 * [(5, 576, 96, True, "hardswish", 1)]],
)


def _v3(size: str, weights: str, stages: Iterable[Iterable[tuple]]) -> Inverted:
    return Inverted(
        name=f"mobilenetv3_{size}",
        title=f"MobileNetV3 {size}",
        class_name=f"MobileNetV3{size.title()}",
        timm=f"mobilenetv3_{size}_100",
        weights=f"mobilenetv3_{size}_100.{weights}",
        paper="1905.02244",
        stem=16,
        activation="hardswish",
        squeeze_activation="relu",
        gate="hardsigmoid",
        stages=_rows(16, stages),
        classifier=("conv_head", "norm_head", "classifier"),
    )


TABLES = (
    _v2("", "mobilenetv2_100", "ra_in1k", 1.0, 1.0),
    # timm has no weights of this width; the weights of other widths are TensorFlow's.
    _v2("_035", "mobilenetv2_035", None, 0.35, 1.0, mean=HALF, std=HALF, **TENSORFLOW),
    _v2("_050", "mobilenetv2_050", "lamb_in1k", 0.5, 1.0),
    _v2("_110", "mobilenetv2_110d", "ra_in1k", 1.1, 1.2),
    _v2("_120", "mobilenetv2_120d", "ra_in1k", 1.2, 1.4),
    _v2("_140", "mobilenetv2_140", "ra_in1k", 1.4, 1.0),
    _v3("large", "ra_in1k", V3_LARGE),
    _v3("small", "lamb_in1k", V3_SMALL),
)
