"""Predictions of trained weights for images.

    python predict.py --weights runs/street-photos/best.pt IMAGE...

An IMAGE is a file, a folder, or a pattern such as "photos/**/*.png".

Writes predictions.json, and a drawing of each image.
"""

import argparse
import gc
import glob
import itertools
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import torch
from tqdm import tqdm

from data import ChangedError, ImageError, read_image
from dataset import SUFFIXES, Sample, image_size, say
from draw import draw, save_image, write_whole
from evaluate import command_line, load_model, predict_samples, run

CHUNK = 32  # images whose predictions are in memory together


def files_of(given: Path) -> list[Path]:
    """Returns the file itself; of a folder or a pattern the files that are images, or
    are named like images; none of a folder below it into which predict.py wrote."""
    if given.is_file():
        return [given]
    if given.is_dir():
        found = images_among(f"{glob.escape(str(given))}/**")
        folders = {path.parent for path in found} - {given}
        own = {x for x in folders if (x / "predictions.json").exists()}
        return [x for x in found if x.parent not in own] or [given]
    plain = str(given).replace("[", "[[]")  # brackets may be those of a folder's name
    return images_among(str(given)) or images_among(plain) or [given]


def images_among(pattern: str) -> list[Path]:
    ends = (*SUFFIXES, ".heic", ".heif")  # a phone's photographs are named, not read
    here = filter(os.path.isfile, sorted(glob.glob(pattern, recursive=True)))
    return [Path(x) for x in here if cv2.haveImageReader(x) or x.lower().endswith(ends)]


def open_images(paths: list[Path]) -> tuple[list[Sample], list[str]]:
    """Returns each image once, as a sample, and a message about each other file."""
    samples, problems = [], []
    for path in dict.fromkeys(itertools.chain.from_iterable(map(files_of, paths))):
        if path.is_dir() or not path.exists():
            what = "no image is in this folder" if path.is_dir() else "no such image"
            problems.append(f"{path}: {what}")
            continue
        try:
            samples.append(Sample(path, *image_size(path), labels={}))
        except ValueError as error:
            problems.append(f"{path}: {error}")
    return samples, problems


def predicted(predict: Callable, samples: list, problems: list) -> list[tuple]:
    """Returns images with predictions; adds a message about each that is broken."""
    try:
        return list(zip(samples, predict(samples)))
    except (ChangedError, ImageError):
        pass  # the loop below names every image that cannot be decoded
    gc.collect()  # the error held a loader, which later workers would inherit
    readable = []
    for sample in samples:
        try:
            read_image(sample, sample.height, sample.width)
            readable.append(sample)
        except (ChangedError, ImageError) as error:
            problems.append(str(error))
    return list(zip(readable, predict(readable)))


def rounded(found: dict) -> dict:
    """Returns numbers to seven significant digits, as many as a float32 holds."""
    return json.loads(json.dumps(found), parse_float=lambda x: float(f"{float(x):.7g}"))


def unused_path(path: Path, taken: set[Path]) -> Path:
    """Returns the path, or a similar one if another image or file has it."""
    while path.resolve() in taken:
        path = path.with_stem(path.stem + "_")
    taken.add(path.resolve())
    return path


def main(args: argparse.Namespace):
    device = torch.device(args.device)
    model = load_model(args.weights, device)
    predict = partial(predict_samples, model, device=device, workers=args.workers)
    samples, problems = open_images(args.images)
    report, taken = {}, {sample.path.resolve() for sample in samples}
    for first in tqdm(range(0, len(samples), CHUNK), disable=len(samples) <= CHUNK):
        chunk = samples[first : first + CHUNK]
        for sample, predictions in predicted(predict, chunk, problems):
            args.output.mkdir(parents=True, exist_ok=True)
            size = {"width": sample.width, "height": sample.height}
            drawing = unused_path(args.output / f"{sample.path.stem}.png", taken)
            report[str(sample.path)] = size | rounded(predictions)
            image = read_image(sample, sample.height, sample.width)
            save_image(drawing, draw(image, predictions))
    if report:
        text = json.dumps(report, indent=1)
        write_whole(args.output / "predictions.json", text.encode())
        print(f"images: {len(report)}; drawings and predictions.json: {args.output}")
        if old := [x for x in args.output.glob("*.png") if x.resolve() not in taken]:
            say(f"{args.output}: PNG files that are not of this run, left: {len(old)}")
    if problems:
        raise SystemExit("\n".join([*problems, f"left out: {len(problems)}"]))


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="best.pt, last.pt")
    parser.add_argument("--output", type=Path, default=Path("predictions"))
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    run(main, parser.parse_args())
