"""Exports trained weights to one ONNX file: images of any size in, results out.

    python export.py --weights runs/blood-cells/best.pt IMAGE...

Letterbox, network and decoding are inside. Each stage is compared with model.py, on
generated pictures of odd sizes and on the images: unless all agree, no file is written.
Beside it come NAME.parity.json, what was measured, and NAME.golden.npz, inputs and
outputs by which to check other runtimes. runtime.py runs the file without PyTorch.
"""

import argparse
import hashlib
import importlib.util
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.utils import _pytree as pytree

from checkpoints import replacing
from data import read_image
from dataset import VALIDATION, Sample, read_dataset
from evaluate import JOB, command_line, evaluate_onnx, load_model, run
from model import (
    HEIGHT,
    WIDTH,
    Detector,
    Predictions,
    decode,
    fit,
    letterboxed,
    to_image_pixels,
)
from predict import open_images

EXAMPLE = (2, 3, 333, 435)  # shape of the images that are traced; sides may vary
PICTURES = ((256, 256), (333, 435), (515, 129), (57, 91))  # heights and widths
# The metric that an INT8 or FP16 file must keep.
BEST = "cells/ap"
# How far a stage may be from model.py, given what the exported one before it gave.
LIMITS = {
    "canvas": 1.0,  # gray levels
    "share": 2e-3,  # the share of the canvas that differs
    "raw": 1e-4,  # a share of the largest value of an output
    "pixels": 0.02,  # boxes and points, in pixels of the image
    "values": 1e-4,  # a share of the largest value
    "labels": 0.0,  # the share that differs
}

# ---- The exported model ----


class Sealed(nn.Module):
    """The exported model: takes uint8 images (B, 3, h, w) of any size."""

    def __init__(self, model: Detector):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Returns results, "<head>.<name>", canvas and raw outputs, "stage.<name>"."""
        canvas = portable_letterbox(images, self.model.mean)
        outputs = self.model(canvas)
        raw = {f"stage.raw{i}": x for i, x in enumerate(pytree.tree_leaves(outputs))}
        return results_of(outputs, images) | {"stage.canvas": canvas} | raw


def results_of(outputs: Predictions, images: Tensor) -> dict[str, Tensor]:
    """Returns the results that runtime.py reads, by "<head>.<name>"."""
    results = to_image_pixels(decode(outputs), images)
    return {
        f"{head}.{name}": values
        for head, of_head in results.items()
        for name, values in of_head.items()
    }


def portable_letterbox(images: Tensor, mean: Tensor) -> Tensor:
    """Returns what `letterboxed` returns, by products of matrices: runtimes differ in
    how they resize, and not all antialias where a file asks for it."""
    height, width = images.shape[-2:]
    rows, columns = fit(height, width)
    down, across = resampling(height, rows, HEIGHT), resampling(width, columns, WIDTH)
    covered = down.sum(1)[:, None] * across.sum(1) > 0.5
    scaled = (down @ images.float() @ across.mT).round()
    return torch.where(covered, scaled, mean.float()).to(mean.dtype)


def resampling(size: int, scaled: int, length: int) -> Tensor:
    """Returns weights (length, size) of an antialiased linear interpolation of `size`
    pixels to `scaled` ones; further rows are zero."""
    step = size / scaled
    pixels, rows = torch.arange(size) + 0.5, torch.arange(length)[:, None]
    weights = 1 - (pixels - (rows + 0.5) * step).abs() / torch.sym_max(step, 1.0)
    weights = weights.clamp(min=0) * (rows < scaled)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-6)


def convert(model: Detector) -> tuple:
    """Returns the sealed model as a program of torch.export and as a model of ONNX."""
    sealed, images = Sealed(model).eval(), torch.zeros(EXAMPLE, dtype=torch.uint8)
    sides = {0: "batch", 2: "height", 3: "width"}
    with torch.no_grad():
        names = list(sealed(images))
        dynamic = ({side: Dim.DYNAMIC for side in sides},)
        program = torch.export.export(sealed, (images,), dynamic_shapes=dynamic)
        onnx = torch.onnx.export(
            program,
            dynamo=True,
            input_names=["images"],
            output_names=names,
            external_data=False,
            verbose=False,
        ).model_proto
    # The exporter numbers the symbols of sides that vary.
    given = onnx.graph.input[0].type.tensor_type.shape.dim
    symbols = {given[side].dim_param: name for side, name in sides.items()}
    for value in (*onnx.graph.input, *onnx.graph.output):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param:
                side.dim_param = symbols.get(side.dim_param, side.dim_param)
    return program, onnx


def describe(weights: Path) -> dict[str, str]:
    """Returns the metadata of the file, in JSON: for runtime.py, and by the keys that
    other tools look for."""
    job = json.loads(JOB)
    head = job["model"]["heads"][0]
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    facts = {
        "specc.format": 1,
        "specc.job": job,
        "specc.input": "uint8 (batch, channels, height, width), RGB, turned by EXIF",
        "specc.weights": f"sha256:{digest}",
        "specc.torch": torch.__version__,
        "names": dict(enumerate(head.get("categories", []))),
        "task": head["task"],
        "imgsz": [HEIGHT, WIDTH],
        "stride": 32,
    }
    return {key: x if isinstance(x, str) else json.dumps(x) for key, x in facts.items()}


# ---- Parity ----


class Difference(NamedTuple):
    """How far an exported output is from that of model.py."""

    measure: str  # a key of LIMITS
    size: float
    worst: str  # the element that differs most, and both values


def differences(model: Detector, images: Tensor, got: dict) -> Iterator[Difference]:
    """Yields the differences of each stage, given what the exported one before gave."""
    with torch.inference_mode():
        canvas = letterboxed(images, model.mean)
        yield difference("canvas", "stage.canvas", canvas, got)
        yield difference("share", "stage.canvas", canvas, got)
        outputs = model(torch.from_numpy(got["stage.canvas"]))
        outputs, structure = pytree.tree_flatten(outputs)
        for number, values in enumerate(outputs):
            yield difference("raw", f"stage.raw{number}", values, got)
        raw = [torch.from_numpy(got[f"stage.raw{i}"]) for i in range(len(outputs))]
        results = results_of(pytree.tree_unflatten(raw, structure), images)
        for name, values in results.items():
            measure = "values" if values.is_floating_point() else "labels"
            measure = (
                "pixels"
                if name.endswith(("boxes", "keypoints", "quadrilaterals"))
                else measure
            )
            yield difference(measure, name, values, got)


def difference(measure: str, name: str, wanted: Tensor, got: dict) -> Difference:
    wanted, found = wanted.double().numpy(), got[name].astype(np.float64)
    if wanted.shape != found.shape:
        return Difference(measure, np.inf, f"{name}: {found.shape}, not {wanted.shape}")
    off = np.abs(found - wanted)
    at = np.unravel_index(off.argmax(), off.shape)
    worst = f"{name}{[*map(int, at)]}: {found[at]:.7g}, model.py {wanted[at]:.7g}"
    if measure in ("share", "labels"):
        return Difference(measure, float((off > 1e-3).mean()), worst)
    scale = max(1, np.abs(wanted).max()) if measure in ("raw", "values") else 1
    return Difference(measure, float(off[at] / scale), worst)


def picture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a picture of soft shapes and noise, uint8 (height, width, 3)."""
    coarse = rng.uniform(0, 255, (7, 7, 3)).astype(np.float32)
    soft = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = soft.reshape(height, width, 3) + rng.normal(0, 16, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def compare(model: Detector, onnx: bytes, pictures: dict[str, np.ndarray]) -> tuple:
    """Prints and returns how far each picture's results are from model.py, and returns
    all outputs; ends the program where a stage is beyond its limit."""
    import onnxruntime

    session = onnxruntime.InferenceSession(onnx)
    names = [output.name for output in session.get_outputs()]
    report, outputs, faults = {}, {}, []
    print(f"{'':20}", *(f"{measure:>9}" for measure in LIMITS))
    for title, image in pictures.items():
        images = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous()
        got = dict(zip(names, session.run(names, {"images": images.numpy()})))
        outputs[title] = {"images": images.numpy()} | got
        found = list(differences(model, images, got))
        report[title] = {
            measure: max((x.size for x in found if x.measure == measure), default=0.0)
            for measure in LIMITS
        }
        print(f"{title:20.20}", *(f"{size:9.2g}" for size in report[title].values()))
        beyond = [x for x in found if not x.size <= LIMITS[x.measure]]
        faults += [f"{title}: {x.measure} {x.size:.2g}, {x.worst}" for x in beyond[:1]]
    if faults:
        shown = "\n  ".join(faults[:10])
        raise SystemExit(f"the exported model differs from model.py:\n  {shown}")
    return report, outputs


# ---- Smaller files ----


class CalibrationImages:
    """Images, one by one, as onnxruntime.quantization reads them."""

    def __init__(self, samples: list[Sample]):
        self.samples = iter(samples)

    def get_next(self) -> dict[str, np.ndarray] | None:
        sample = next(self.samples, None)
        if sample is None:
            return None
        image = read_image(sample, sample.height, sample.width)
        return {"images": np.ascontiguousarray(image.transpose(2, 0, 1)[None])}


def to_int8(source: Path, target: Path, samples: list[Sample]):
    """Writes a file whose convolutions have 8-bit integers, calibrated on samples."""
    from onnxruntime.quantization import quant_pre_process, quantize_static

    quant_pre_process(source, target)
    quantize_static(
        target,
        target,
        CalibrationImages(samples),
        op_types_to_quantize=["Conv"],
        per_channel=True,
    )


def measured(path: Path, samples: Sequence[Sample]) -> float:
    """Returns and prints the metric BEST of an exported model."""
    value = evaluate_onnx(path, samples)[BEST]
    print(f"{path.name}: {BEST} {value:.4f}, {path.stat().st_size / 1e6:.1f} MB")
    return value


def smaller(args: argparse.Namespace, model: Detector):
    """Writes the files that --half and --int8 ask for, if they keep the metric."""
    samples = read_dataset(args.data / VALIDATION)
    least = measured(args.output, samples) - args.bound
    for kind, wanted in (("fp16", args.half), ("int8", args.int8)):
        if not wanted:
            continue
        final = args.output.with_suffix(f".{kind}.onnx")
        made = final.with_suffix(".tmp")
        try:
            if kind == "int8":
                to_int8(args.output, made, open_images(args.int8))
            else:
                made.write_bytes(finished(convert(model.half())[1], args.weights))
            if not measured(made, samples) >= least:
                raise SystemExit(f"{final}: not written: {BEST} beyond {least:.4f}")
            made.replace(final)
        finally:
            made.unlink(missing_ok=True)


# ---- Command line ----


def finished(onnx, weights: Path) -> bytes:
    """Returns the file: with metadata, without the stages."""
    for key, value in describe(weights).items():
        onnx.metadata_props.add(key=key, value=value)
    kept = [x for x in onnx.graph.output if not x.name.startswith("stage.")]
    del onnx.graph.output[:]
    onnx.graph.output.extend(kept)
    return onnx.SerializeToString()


def main(args: argparse.Namespace):
    needed = ("onnx", "onnxruntime", "onnxscript")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(f"install first: pip install {' '.join(missing)}")
    if (args.half or args.int8) and not args.data:
        raise SystemExit(
            "--half and --int8 need --data ROOT, to measure what they cost"
        )
    model = load_model(args.weights, torch.device("cpu"))
    rng = np.random.default_rng(0)
    pictures = {f"picture {h}x{w}": picture(h, w, rng) for h, w in PICTURES}
    for sample in open_images(args.images):
        pictures[sample.path.name] = read_image(sample, sample.height, sample.width)
    program, onnx = convert(model)
    report, outputs = compare(model, onnx.SerializeToString(), pictures)

    golden = io.BytesIO()
    arrays = {
        f"{title}/{name}": values
        for title, of_picture in outputs.items()
        if title.startswith("picture ")
        for name, values in of_picture.items()
    }
    np.savez_compressed(golden, **arrays)
    files = {
        ".parity.json": json.dumps(report, indent=1).encode(),
        ".golden.npz": golden.getvalue(),
        ".onnx": finished(onnx, args.weights),
    }
    for suffix, content in files.items():
        with replacing(args.output.with_suffix(suffix)) as file:
            file.write(content)
    if args.pt2:
        torch.export.save(program, args.output.with_suffix(".pt2"))
    print(f"{args.output}: {len(files['.onnx']) / 1e6:.1f} MB")
    if args.half or args.int8:
        smaller(args, model)


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, required=True, help="best.pt, last.pt")
    parser.add_argument("-o", "--output", type=Path, default=Path("blood-cells.onnx"))
    parser.add_argument("--pt2", action="store_true", help="also for torch.export.load")
    parser.add_argument("--half", action="store_true", help="also in 16-bit floats")
    parser.add_argument(
        "--int8",
        type=Path,
        nargs="+",
        metavar="IMAGE",
        help="also in 8 bits, calibrated",
    )
    parser.add_argument("--data", type=Path, help="root of datasets, to measure these")
    parser.add_argument("--bound", type=float, default=0.01, help="most they may lose")
    parser.add_argument("images", type=Path, nargs="*", metavar="IMAGE")
    run(main, parser.parse_args())
