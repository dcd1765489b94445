"""The flags of `specc bench`."""

from __future__ import annotations

from pathlib import Path

import click

from specc.commands.flags import FORM


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--weights",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="best.pt or last.pt of a run.  [default: random ones, which are as fast]",
)
@click.option(
    "--onnx",
    "files",
    metavar="FILE",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A file of export.py, once for each.  [default: NAME.onnx, NAME.fp16.onnx and "
    "NAME.int8.onnx in this folder, in FOLDER, and beside the weights]",
)
@click.option(
    "--image",
    nargs=2,
    metavar="HEIGHT WIDTH",
    type=click.IntRange(1, 20_000),
    help="The size of images.  [default: the job's resolution]",
)
@click.option(
    "--batch",
    metavar="N",
    type=click.IntRange(1, 4096),
    default=8,
    show_default=True,
    help="Images of a call, for the throughput.",
)
@click.option(
    "--rounds",
    metavar="N",
    type=click.IntRange(2, 1000),
    default=10,
    show_default=True,
    help="How often the engines run in turn.",
)
@click.option(
    "--threads",
    metavar="N",
    type=click.IntRange(1, 1024),
    help="Of each engine.  [default: the cores that this process may use]",
)
@click.option(
    "--compiled/--no-compiled",
    default=True,
    help="Measure torch.compile too, which takes minutes.  [default: compiled]",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Where to run.",
)
@FORM
def bench(folder: Path, form: str, **options) -> int:
    """Say how fast the model of a folder is in each engine, as ratios to eager PyTorch.

    Latency of one image and throughput of a batch, from decoded images to results in
    their pixels: eager, compiled, and the files of export.py in ONNX Runtime and
    OpenVINO. Engines run in turn, each in a process of its own.

    \b
    specc bench detector
    specc bench detector --weights runs/detector/best.pt --image 1080 1920
    """
    from specc.bench.command import bench

    return bench(folder, form, **options)
