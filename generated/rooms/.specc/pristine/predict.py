"""Predictions of trained weights for images.

    python predict.py --weights runs/rooms/best.pt IMAGE...

Writes predictions.json, in pixels of each image, the maps that it names, and a drawing
of each image.
"""

import argparse
import json
from pathlib import Path

import torch

from data import read_image
from dataset import Sample, image_size
from draw import draw, save_depth, save_image
from evaluate import command_line, load_model, predict_onnx, predict_samples, run
from model import FARTHEST, NEAREST


def open_images(paths: list[Path]) -> list[Sample]:
    """Returns the images as samples without labels; ends with those that are none."""
    samples, problems = [], []
    for path in paths:
        try:
            samples.append(Sample(path, *image_size(path), labels={}))
        except ValueError as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise SystemExit("\n".join(problems))
    return samples


def rounded(found: dict) -> dict:
    """Returns numbers to seven significant digits, as many as a float32 holds."""
    return json.loads(json.dumps(found), parse_float=lambda x: float(f"{float(x):.7g}"))


def free(path: Path, taken: set[Path]) -> Path:
    """Returns the path, or a similar one if another image or file has it."""
    while path.resolve() in taken:
        path = path.with_stem(path.stem + "_")
    taken.add(path.resolve())
    return path


def main(args: argparse.Namespace):
    device = torch.device(args.device)
    samples = open_images(args.images)
    if args.onnx:
        found = predict_onnx(args.onnx, samples)
    else:
        model = load_model(args.weights, device)
        found = predict_samples(model, samples, device, args.workers)
    args.output.mkdir(parents=True, exist_ok=True)
    report, taken = {}, {sample.path.resolve() for sample in samples}
    for sample, predictions in zip(samples, found):
        size = {"width": sample.width, "height": sample.height}
        drawing = free(args.output / f"{sample.path.stem}.png", taken)
        files = {
            "depth": save_depth(
                predictions["depth"],
                NEAREST,
                FARTHEST,
                free(drawing.with_suffix(".depth.png"), taken),
            )
        }
        report[str(sample.path)] = size | rounded(predictions | files)
        image = read_image(sample, sample.height, sample.width)
        save_image(drawing, draw(image, predictions))
    (args.output / "predictions.json").write_text(json.dumps(report, indent=1))
    print(f"{len(samples)} images: predictions.json and drawings in {args.output}")


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    weights = parser.add_mutually_exclusive_group(required=True)
    weights.add_argument("--weights", type=Path, help="best.pt, last.pt")
    weights.add_argument("--onnx", type=Path, metavar="FILE", help="of export.py")
    parser.add_argument("--output", type=Path, default=Path("predictions"))
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    run(main, parser.parse_args())
