"""What the model finds in images.

    python predict.py --weights runs/detector/best.pt IMAGE...

Writes predictions.json, in pixels of each image, and a drawing of each image.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from data import ImageError, read_image
from dataset import Sample, image_size
from draw import draw, save_image
from evaluate import load_model, predict_samples


def open_images(paths: list[Path]) -> list[Sample]:
    """The images as samples without labels; ends with those that are none."""
    samples, problems = [], []
    for path in paths:
        try:
            samples.append(Sample(path, *image_size(path), labels={}))
        except ValueError as error:
            problems.append(f"{path}: {error}")
    if problems:
        raise SystemExit("\n".join(problems))
    return samples


def rounded(value):
    """Numbers to four decimals, in whatever lists and mappings they stand."""
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def free(path: Path, taken: set[Path]) -> Path:
    """The path, or one like it if an image or another file already has it."""
    while path.resolve() in taken:
        path = path.with_stem(path.stem + "_")
    taken.add(path.resolve())
    return path


def main(args: argparse.Namespace):
    device = torch.device(args.device)
    model = load_model(args.weights, device)
    samples = open_images(args.images)
    found = predict_samples(model, samples, device)
    args.output.mkdir(parents=True, exist_ok=True)
    report, taken = {}, {sample.path.resolve() for sample in samples}
    for sample, words in zip(samples, found):
        size = {"width": sample.width, "height": sample.height}
        drawing = free(args.output / f"{sample.path.stem}.png", taken)
        report[str(sample.path)] = size | rounded(words)
        image = read_image(sample, sample.height, sample.width)
        save_image(drawing, draw(image, words))
    (args.output / "predictions.json").write_text(json.dumps(report, indent=1))
    print(f"{len(samples)} images: predictions.json and drawings in {args.output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    # A wrong flag ends with exit code 1, as all that the user can mend does.
    parser.error = lambda message: sys.exit(f"{parser.format_usage()}{message}")
    devices = ("cuda", "cpu") if torch.cuda.is_available() else ("cpu",)
    parser.add_argument(
        "--weights", type=Path, required=True, help="a best.pt or last.pt"
    )
    parser.add_argument("--output", type=Path, default=Path("predictions"))
    parser.add_argument("--device", choices=devices, default=devices[0])
    parser.add_argument("images", type=Path, nargs="+", metavar="IMAGE")
    try:
        main(parser.parse_args())
    except (ImageError, OSError) as error:
        raise SystemExit(str(error)) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
