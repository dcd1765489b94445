"""Find the objects in images.

    python predict.py --weights runs/blood-cells/best.pt IMAGE...

Writes predictions.json, in pixels of each image, and a drawing of each.
"""

import argparse
import json
from pathlib import Path

import torch

from data import ImageError, Sample, image_size, read_image
from draw import draw, save_image
from evaluate import load_model, predict


def open_images(paths: list[Path]) -> list[Sample]:
    samples, problems = [], []
    for path in paths:
        try:
            samples.append(Sample(path, *image_size(path)))
        except ValueError as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise SystemExit("\n".join(problems))
    return samples


def rounded(words: object) -> object:
    """Boxes to 1/100 pixel, scores to 4 digits: what the model can mean."""
    ...


def main(args: argparse.Namespace):
    device = torch.device(args.device)
    model = load_model(args.weights, device)
    samples = open_images(args.images)
    found = predict(model, samples, device)
    args.output.mkdir(parents=True, exist_ok=True)
    report = {}
    for number, (sample, words) in enumerate(zip(samples, found)):
        image = read_image(sample, sample.height, sample.width)
        save_image(
            args.output / f"{number:04d}-{sample.path.stem}.png", draw(image, words)
        )
        report[str(sample.path)] = {
            "width": sample.width,
            "height": sample.height,
        } | words
    (args.output / "predictions.json").write_text(json.dumps(report, indent=1))
    print(f"{len(samples)} images: predictions.json and drawings in {args.output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cuda = torch.cuda.is_available()
    parser.add_argument(
        "--weights", type=Path, required=True, help="a best.pt or last.pt"
    )
    parser.add_argument("--output", type=Path, default=Path("predictions"))
    parser.add_argument("--device", default="cuda" if cuda else "cpu")
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    try:
        main(parser.parse_args())
    except ImageError as error:
        raise SystemExit(str(error)) from None
