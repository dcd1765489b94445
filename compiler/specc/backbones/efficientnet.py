"""EfficientNet B0 to B7 and EfficientNetV2 S, M, L: the tables.

"EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", Tan and Le
2019, arXiv:1905.11946; "EfficientNetV2: Smaller Models and Faster Training", Tan and Le
2021, arXiv:2104.00298
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from specc.backbones.inverted import Block, Inverted, rounded

TENSORFLOW = {
    "same": True,
    "eps": 1e-3,
}  # tags of the weights that timm ported: how they were trained
HALF = (0.5, 0.5, 0.5)


class Stage(NamedTuple):
    kind: str
    depth: int  # number of blocks
    kernel: int
    stride: int  # stride of the first block
    expansion: int
    outputs: int
    squeezes: bool = True  # squeeze-and-excitation, a quarter of the block's inputs


B0 = (
    Stage("separable", 1, 3, 1, 1, 16),
    Stage("inverted", 2, 3, 2, 6, 24),
    Stage("inverted", 2, 5, 2, 6, 40),
    Stage("inverted", 3, 3, 2, 6, 80),
    Stage("inverted", 3, 5, 1, 6, 112),
    Stage("inverted", 4, 5, 2, 6, 192),
    Stage("inverted", 1, 3, 1, 6, 320),
)
V2_S = (
    Stage("plain", 2, 3, 1, 1, 24, squeezes=False),
    Stage("fused", 4, 3, 2, 4, 48, squeezes=False),
    Stage("fused", 4, 3, 2, 4, 64, squeezes=False),
    Stage("inverted", 6, 3, 2, 4, 128),
    Stage("inverted", 9, 3, 1, 6, 160),
    Stage("inverted", 15, 3, 2, 6, 256),
)
V2_M = (
    Stage("plain", 3, 3, 1, 1, 24, squeezes=False),
    Stage("fused", 5, 3, 2, 4, 48, squeezes=False),
    Stage("fused", 5, 3, 2, 4, 80, squeezes=False),
    Stage("inverted", 7, 3, 2, 4, 160),
    Stage("inverted", 14, 3, 1, 6, 176),
    Stage("inverted", 18, 3, 2, 6, 304),
    Stage("inverted", 5, 3, 1, 6, 512),
)
V2_L = (
    Stage("plain", 4, 3, 1, 1, 32, squeezes=False),
    Stage("fused", 7, 3, 2, 4, 64, squeezes=False),
    Stage("fused", 7, 3, 2, 4, 96, squeezes=False),
    Stage("inverted", 10, 3, 2, 4, 192),
    Stage("inverted", 19, 3, 1, 6, 224),
    Stage("inverted", 25, 3, 2, 6, 384),
    Stage("inverted", 7, 3, 1, 6, 640),
)


def scaled(stages: Iterable[Stage], width: float, depth: float) -> list[Stage]:
    """Returns the stages with their widths and depths multiplied."""
    return [
        stage._replace(
            outputs=rounded(stage.outputs * width), depth=ceil(stage.depth * depth)
        )
        for stage in stages
    ]


def blocks(inputs: int, stages: Iterable[Stage], activation: str):
    """Yields the blocks of each stage; ``inputs`` are the channels of the stem."""
    expanded = []
    for stage in stages:
        expanded.append([])
        for index in range(stage.depth):
            block = Block(
                kind=stage.kind,
                inputs=inputs,
                width=inputs * stage.expansion,
                outputs=stage.outputs,
                kernel=stage.kernel,
                stride=1 if index else stage.stride,
                squeezed=inputs // 4 if stage.squeezes else 0,
                activation=activation,
            )
            expanded[-1].append(block)
            inputs = stage.outputs
    return tuple(map(tuple, expanded))


def _efficientnet(number: int, weights: str, width: float, depth: float, **ported):
    stem = rounded(32 * width)
    return Inverted(
        name=f"efficientnet_b{number}",
        title=f"EfficientNet-B{number}",
        class_name=f"EfficientNetB{number}",
        timm=weights.partition(".")[0],
        weights=weights,
        paper="1905.11946",
        stem=stem,
        activation="silu",
        stages=blocks(stem, scaled(B0, width, depth), "silu"),
        **ported,
    )


def _efficientnet_v2(size: str, stem: int, stages: Iterable[Stage]):
    return Inverted(
        name=f"efficientnetv2_{size}",
        title=f"EfficientNetV2-{size.upper()}",
        class_name=f"EfficientNetV2{size.upper()}",
        timm=f"tf_efficientnetv2_{size}",
        weights=f"tf_efficientnetv2_{size}.in21k_ft_in1k",
        paper="2104.00298",
        mean=HALF,
        std=HALF,
        stem=stem,
        activation="silu",
        stages=blocks(stem, stages, "silu"),
        **TENSORFLOW,
    )


TABLES = (
    _efficientnet(0, "efficientnet_b0.ra_in1k", 1.0, 1.0),
    _efficientnet(1, "efficientnet_b1.ft_in1k", 1.0, 1.1),
    _efficientnet(2, "efficientnet_b2.ra_in1k", 1.1, 1.2),
    _efficientnet(3, "efficientnet_b3.ra2_in1k", 1.2, 1.4),
    _efficientnet(4, "efficientnet_b4.ra2_in1k", 1.4, 1.8),
    _efficientnet(5, "tf_efficientnet_b5.ns_jft_in1k", 1.6, 2.2, **TENSORFLOW),
    _efficientnet(6, "tf_efficientnet_b6.ns_jft_in1k", 1.8, 2.6, **TENSORFLOW),
    _efficientnet(7, "tf_efficientnet_b7.ns_jft_in1k", 2.0, 3.1, **TENSORFLOW),
    _efficientnet_v2("s", 24, V2_S),
    _efficientnet_v2("m", 24, V2_M),
    _efficientnet_v2("l", 32, V2_L),
)
