"""An autoencoder: a code with a few numbers for each cell, and a decoder that upsamples
the code to the image again.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING

from specc.heads.contract import HeadContract
from specc.heads.maps import OWN_PIXELS, saved_path
from specc.heads.task import BESIDE, HeadCode, HeadExpressions, Task
from specc.job import Head
from specc.source import literal

if TYPE_CHECKING:
    from specc.scope import Node, Scope


@dataclass(frozen=True)
class Autoencoding(Head):
    level: int
    code_size: int  # numbers of the code for each cell
    channels: int  # channels of the decoder's first block


# ---- The graph ----


LEAST = 16  # least channels of a block of the decoder


def widths(head: Autoencoding) -> tuple[int, ...]:
    """Returns the channels of the decoder's blocks, from the head's level down to 1."""
    return tuple(max(LEAST, head.channels >> i) for i in range(head.level))


def build(net: Scope, head: Autoencoding, levels: dict[int, Node]) -> dict[str, Node]:
    """Outputs: reconstruction (channels of the image, H, W), code (code_size, h, w)."""
    here = net.at(head.level)
    code = x = here.conv(
        "code", levels[head.level], head.code_size, kernel=1, bias=True
    )
    for index, width in enumerate(widths(head)):
        here, block = net.at(head.level - index), f"decoder.{index}"
        x = here.conv(f"{block}.0", x, width, kernel=3)
        x = here.group_norm(f"{block}.1", x, groups=gcd(32, width // 2))
        x = here.relu(f"{block}.2", x)
        x = net.at(here.level - 1).upsample(f"{block}.3", x)
    channels = net.channels(net.graph.graph["image"])
    return {
        "reconstruction": net.at(0).conv("image", x, channels, kernel=3, bias=True),
        "code": code,
    }


# ---- Expressions of the emitted code ----


def plan(head: Autoencoding, code: HeadCode) -> HeadExpressions:
    sizes = (
        f"size={head.code_size}, widths={literal(widths(head))}, "
        f"channels={code.job.data.channels}"
    )
    resizes = code.job.backbone.resize_input
    picture = f'{code.results}["reconstruction"]' + ", scaled" * resizes
    own = f"own_size({picture}, (height, width))"
    return HeadExpressions(
        construction=f"AutoencodingHead({code.width}, {sizes})",
        loss=f"reconstruction_loss({code.outputs}, {code.targets})",
        decode=f"decode_reconstruction({code.outputs})",
        own=f'{{**{code.results}, "reconstruction": {own}}}',
        annotations="read_images(folder)",
        parse="None",
        place="(canvas, warp(np.ones((1, 1), bool), sample, transform, 0))",
        sealed=f"found_picture({code.sealed})",
        words=f"to_reconstruction({code.results}, row, sample{', seen' * resizes})",
        label_words=code.labels,
        draw=f"draw_reconstruction(image, {code.words})",
        saved=f"save_picture({code.words}, {saved_path(code)})",
        evidence=f"reconstruction_quality(sample, {code.words})",
        metrics=f"reconstruction_metrics({code.all_found()})",
        words_example=f'"{head.name}": (height, width, channels), uint8',
        annotation="",
    )


# ---- The contract ----


def contract(head: Autoencoding) -> HeadContract:
    return HeadContract(found={}, kept=("code",), pictures=("reconstruction",))


# ---- The record ----


TASK = Task(
    title="autoencoding",
    head=Autoencoding,
    model_class="Autoencoder",
    output_type="Reconstruction",
    returns="`Reconstruction`",
    plan=plan,
    own_pixels=OWN_PIXELS,
    own_note='but "reconstruction" is (B, C, h, w)',
    label="None",
    unlabeled=True,
    readers={"native": "", "folders": ""},
    moves=True,
    stack="stack_pictures",
    drawn=BESIDE,
    on_device=True,
    contract=contract,
)
