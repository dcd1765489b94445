"""Plan of `autoencoding`: a small code of each image, and the image told from it."""

from __future__ import annotations

from specc.heads.autoencoding import widths
from specc.job import Autoencoding
from specc.source import literal
from specc.tasks.contract import HeadContract
from specc.tasks.maps import OWN_PIXELS, SUFFIXES_LINE, saved_path
from specc.tasks.task import BESIDE, HeadCode, HeadExpressions, Task


def plan(head: Autoencoding, code: HeadCode) -> HeadExpressions:
    sizes = f"{head.code_size}, {literal(widths(head))}, {code.job.data.channels}"
    seen = "scaled" if code.job.backbone.resize_input else "(height, width)"
    picture = f'{code.results}["reconstruction"]'
    own = f"own_size({picture}, {seen}, (height, width))"
    return HeadExpressions(
        construction=f"AutoencodingHead({code.width}, {sizes})",
        loss=f"reconstruction_loss({code.outputs}, {code.targets})",
        decode=f"decode_reconstruction({code.outputs})",
        own=f'{{**{code.results}, "reconstruction": {own}}}',
        annotations="read_images(folder)",
        parse="None",
        place="(canvas, warp(np.ones((1, 1), bool), sample, transform, False))",
        words=f"reconstruction_in_words({code.results}, row, sample, seen)",
        label_words=code.labels,
        draw=f"draw_reconstruction(image, {code.words})",
        saved=f"save_picture({code.words}, {saved_path(code)})",
        evidence=f"reconstruction_quality(sample, {code.words})",
        metrics=f"reconstruction_metrics({code.all_found()})",
        words_example=f'"{head.name}": (height, width, channels), uint8',
        annotation="",
        dataset_constants=(SUFFIXES_LINE,),
    )


def contract(head: Autoencoding) -> HeadContract:
    return HeadContract(found={}, kept=("code",), pictures=("reconstruction",))


TASK = Task(
    title="autoencoding",
    model_class="Autoencoder",
    output_type="Reconstruction",
    returns="`Reconstruction`",
    plan=plan,
    classes=("heads/autoencoding",),
    operations=("model/own_size",),
    losses=("losses/autoencoding", "losses/shared_total"),
    decoders=("decoders/autoencoding",),
    own_pixels=OWN_PIXELS,
    own_note='but "reconstruction" is (B, C, h, w)',
    label="None",
    unlabelled=True,
    readers={"native": ()},
    native_readers=("dataset/read_images",),
    moves=True,
    placing=("data/warp",),
    stacking=("data/stack_pictures",),
    stack="stack_pictures",
    in_words=("evaluate/reconstruction_words",),
    metrics=("evaluate/reconstruction_metrics",),
    drawings=("draw/reconstruction",),
    drawn=BESIDE,
    contract=contract,
)
