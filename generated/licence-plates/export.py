"""Exports trained weights to one ONNX file: images of any size in, results out.

    python export.py --weights runs/licence-plates/best.pt IMAGE...

Letterbox, network and decoding are inside. Each stage is compared with model.py, on
generated pictures of odd sizes and on the images: unless all agree, no file is written.
Beside it come NAME.parity.json, what was measured, and NAME.golden.npz, inputs and
outputs by which to check other runtimes. runtime.py runs the file without PyTorch.
"""

import argparse
import contextlib
import hashlib
import importlib.util
import io
import json
import math
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from checkpoints import replacing
from data import read_image
from dataset import VALIDATION, Sample, read_dataset
from evaluate import JOB, command_line, evaluate_onnx, load_model, run
from model import HEIGHT, WIDTH, TextReader, decode, fit, letterboxed
from predict import open_images

PICTURES = ((256, 256), (333, 435), (515, 129), (57, 91))  # heights and widths
# The metric that an INT8 or FP16 file must keep.
BEST = "plate/exact_match"
# How far a stage may be from model.py, given what the exported one before it gave.
LIMITS = {
    "canvas": 1.0,  # gray levels
    "share": 2e-3,  # the share of the canvas that differs
    "raw": 1e-4,  # a share of the largest value of an output
    "values": 1e-4,  # a share of the largest value
    "labels": 0.0,  # the share that differs
    "noise": 1,  # 1 where results were compared with noise in the raw outputs
}

# ---- The exported model ----


class Sealed(nn.Module):
    """The exported model: takes uint8 images (B, 3, h, w) of any size."""

    def __init__(self, model: TextReader):
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Returns results, "<head>.<name>", canvas and raw outputs, "stage.<name>"."""
        canvas = portable_letterbox(images, self.model.mean)
        outputs = pytree.tree_map(Tensor.float, self.model(canvas))  # for model.half()
        raw = {f"stage.raw{i}": x for i, x in enumerate(pytree.tree_leaves(outputs))}
        return results_of(outputs) | {"stage.canvas": canvas} | raw


def results_of(outputs: Tensor) -> dict[str, Tensor]:
    """Returns the results that runtime.py reads, by "<head>.<name>"."""
    results = decode(outputs)
    return {
        f"{head}.{name}": tensor
        for head, tensors in results.items()
        for name, tensor in tensors.items()
    }


def portable_letterbox(images: Tensor, mean: Tensor) -> Tensor:
    """Returns what `letterboxed` returns, by products of matrices: runtimes differ in
    how they resize, and not all antialias where a file asks for it."""
    height, width = images.shape[-2:]
    rows, columns = fit(height, width)
    down, across = resampling(height, rows, HEIGHT), resampling(width, columns, WIDTH)
    covered = down.sum(1)[:, None] * across.sum(1) > 0.5
    scaled = (down @ images.float() @ across.mT + 1e-3).round()
    return torch.where(covered, scaled, mean.float().round()).to(mean.dtype)


def resampling(size: int, scaled: int, length: int) -> Tensor:
    """Returns weights (length, size) of an antialiased linear interpolation of `size`
    pixels to `scaled` ones; further rows are zero."""
    step = size / scaled
    pixels, rows = torch.arange(size) + 0.5, torch.arange(length)[:, None]
    weights = 1 - (pixels - (rows + 0.5) * step).abs() / torch.sym_max(step, 1.0)
    weights = weights.clamp(min=0) * (rows < scaled)
    return weights / weights.sum(1, keepdim=True).clamp(min=1e-6)


def convert(model: TextReader) -> tuple:
    """Returns the sealed model as a model of ONNX and as a program of torch.export."""
    sealed, images = Sealed(model).eval(), torch.zeros(2, 3, 333, 435).byte()
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # The exporter of PyTorch 2.13 copies what PyTorch itself calls deprecated.
            warnings.filterwarnings("ignore", ".*LeafSpec", FutureWarning)
            made = torch.onnx.export(
                sealed,
                (images,),
                input_names=["images"],
                output_names=list(sealed(images)),
                dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
                dynamo=True,
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        while error.__cause__:  # the last of the causes names the operator
            error = error.__cause__
        raise SystemExit(f"this model cannot be exported: {error}") from None
    return made.model_proto, made.exported_program


def finished(onnx: object, digest: str) -> bytes:
    """Returns the file: without the stages, and with metadata in JSON, for runtime.py
    and by the keys that other tools look for."""
    job = json.loads(JOB)
    head = job["model"]["heads"][0]
    facts = {
        "specc.format": 1,
        "specc.job": job,
        "specc.input": "uint8 (batch, 3, height, width), RGB, turned by EXIF",
        "specc.weights": digest,
        "specc.torch": torch.__version__,
        "names": dict(enumerate(head["tokens"])),
        "task": head["task"],
        "imgsz": [HEIGHT, WIDTH],
        "stride": 1,
    }
    for key, fact in facts.items():
        text = fact if isinstance(fact, str) else json.dumps(fact)
        onnx.metadata_props.add(key=key, value=text)
    kept = [x for x in onnx.graph.output if not x.name.startswith("stage.")]
    del onnx.graph.output[:]
    onnx.graph.output.extend(kept)
    return onnx.SerializeToString()


# ---- Parity ----


class Runner:
    """Runs a model in ONNX Runtime: arrays by name in, and out."""

    def __init__(self, onnx: object):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(onnx.SerializeToString())
        self.inputs = [value.name for value in self.session.get_inputs()]
        self.outputs = [value.name for value in self.session.get_outputs()]

    def __call__(self, given: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        given = {name: given[name] for name in self.inputs}
        return dict(zip(self.outputs, self.session.run(self.outputs, given)))


def last_stage(onnx: object) -> object:
    """Returns the part of a model that makes results of images and raw outputs."""
    from onnx.utils import Extractor

    sides = {x.name: x.type.tensor_type.shape.dim for x in onnx.graph.output}
    results = [name for name in sides if not name.startswith("stage.")]
    raw = [name for name in sides if name.startswith("stage.raw")]
    # Those without a batch are the same for all images.
    raw = [name for name in raw if sides[name][0].dim_param == "batch"]
    return Extractor(onnx).extract_model(["images", *raw], results)


class Difference(NamedTuple):
    """How far an exported output is from that of model.py."""

    measure: str  # a key of LIMITS
    size: float
    worst: str = ""  # the element that differs most, and both values

    def is_within(self) -> bool:
        return self.size <= LIMITS[self.measure]


def differences(model: TextReader, got: dict, last: Runner) -> list[Difference]:
    """Returns the differences of each stage, given what the exported one before gave.

    Of two scores that are as good as equal either may come first, and suppress the
    other. So where results differ, both decode raw outputs with noise: the exported
    model by its `last` stage, at three levels, as there are thresholds.
    """
    images = torch.from_numpy(got["images"])
    canvas = letterboxed(images, model.mean)
    found = [difference(x, "stage.canvas", canvas, got) for x in ("canvas", "share")]
    outputs = model(torch.from_numpy(got["stage.canvas"]))
    outputs, structure = pytree.tree_flatten(outputs)
    names = [f"stage.raw{number}" for number in range(len(outputs))]
    found += [difference("raw", x, output, got) for x, output in zip(names, outputs)]

    def of_results(got: dict) -> Iterator[Difference]:
        raw = [torch.from_numpy(got[name]) for name in names]
        results = results_of(pytree.tree_unflatten(raw, structure))
        for name, values in results.items():
            measure = "values" if values.is_floating_point() else "labels"
            yield difference(measure, name, values, got)

    given, rng = [*of_results(got)], np.random.default_rng(0)
    if all(one.is_within() for one in given):
        return found + given
    for level in (0, -3, -6):
        noisy = got | {name: noised(got[name], level, rng) for name in last.inputs[1:]}
        found += of_results(noisy | last(noisy))
    return [*found, Difference("noise", 1)]


def noised(values: np.ndarray, level: float, rng: np.random.Generator) -> np.ndarray:
    """Returns values, scaled to where a sigmoid tells them apart, with noise."""
    values = values / max(1, values.std()) + level
    return values + rng.standard_normal(values.shape, np.float32)


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


@torch.inference_mode()
def compare(model: TextReader, onnx: object, pictures: dict) -> tuple[dict, dict]:
    """Prints and returns how far results for pictures (B, 3, h, w) are from those of
    model.py, and all outputs; ends the program where a stage is beyond its limit."""
    whole, last = Runner(onnx), Runner(last_stage(onnx))
    report, outputs, faults = {}, {}, []
    print(f"{'':20}", *(f"{measure:>9}" for measure in LIMITS))
    for title, images in pictures.items():
        outputs[title] = {"images": images} | whole({"images": images})
        found = differences(model, outputs[title], last)
        sizes = report[title] = dict.fromkeys(LIMITS, 0.0)
        for one in found:
            sizes[one.measure] = max(sizes[one.measure], one.size)
        print(f"{title[-20:]:20}", *(f"{size:9.2g}" for size in sizes.values()))
        beyond = [x for x in found if not x.is_within()]
        faults += [f"{title}: {x.measure} {x.size:.2g}, {x.worst}" for x in beyond[:1]]
    if faults:
        shown = "\n  ".join(["the exported model differs from model.py:", *faults[:10]])
        raise SystemExit(shown)
    return report, outputs


def picture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Returns a picture of blocks and noise, uint8 (1, 3, height, width)."""
    blocks = rng.integers(0, 256, (1, 3, 9, 9), np.uint8)
    rows, columns = np.arange(height) * 9 // height, np.arange(width) * 9 // width
    blocks = blocks[:, :, rows[:, None], columns]
    return blocks ^ rng.integers(0, 64, blocks.shape, np.uint8)


def batch_of(sample: Sample) -> np.ndarray:
    """Returns the image of a sample as a batch (1, 3, h, w)."""
    image = read_image(sample, sample.height, sample.width)
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])


# ---- Files ----


def write_all(files: dict[Path, bytes]):
    """Writes files, all or none: none takes the place of an earlier one before all are
    on the disk."""
    try:
        with contextlib.ExitStack() as stack:
            for path, content in files.items():
                file = stack.enter_context(replacing(path))
                file.write(content)
                file.flush()
    except OSError as error:
        raise SystemExit(f"{path}: cannot be written: {error.strerror}") from None


def golden(outputs: dict[str, dict]) -> bytes:
    """Returns inputs and outputs of the generated pictures, "<picture>/<name>"."""
    file, titles = io.BytesIO(), list(outputs)[: len(PICTURES)]
    named = {f"{t}/{name}": x for t in titles for name, x in outputs[t].items()}
    np.savez_compressed(file, **named)
    return file.getvalue()


def in_int8(path: Path, samples: list[Sample]) -> bytes:
    """Returns a file's model with its convolutions in 8 bits, calibrated on samples."""
    from onnxruntime.quantization import quant_pre_process, quantize_static

    batches = ({"images": batch_of(sample)} for sample in samples)
    reader = SimpleNamespace(get_next=lambda: next(batches, None))
    options = {"op_types_to_quantize": ["Conv"], "per_channel": True}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, path.name)
        quant_pre_process(path, made, skip_symbolic_shape=True)
        quantize_static(made, made, reader, **options)
        return made.read_bytes()


def write_smaller(output: Path, smaller: dict, samples: Sequence, bound: float):
    """Writes files beside `output`, by suffix, if they keep its metric; otherwise ends
    the program."""
    for suffix, content in {".onnx": output.read_bytes(), **smaller}.items():
        path = output.with_suffix(suffix)
        metric = evaluate_onnx(content, samples).get(BEST, math.nan)
        print(f"{path.name}: {BEST} {metric:.4f}, {len(content) / 1e6:.1f} MB")
        if path == output:
            worst = metric - bound
        elif metric >= worst:
            write_all({path: content})
        else:
            raise SystemExit(f"{path}: not written: beyond {worst:.4f}, see --bound")


# ---- Command line ----


def check(args: argparse.Namespace):
    """Ends the program where it lacks something, before it takes its time."""
    needed = ("onnx", "onnxruntime", "onnxscript")
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise SystemExit(f"install first: pip install {' '.join(missing)}")
    if (args.half or args.int8) and not args.data:
        raise SystemExit("--half and --int8 need --data, to measure their cost")
    if not args.bound >= 0:
        raise SystemExit(f"--bound starts at 0: {args.bound}")
    if args.output.suffix != ".onnx" or not args.output.parent.is_dir():
        raise SystemExit(f"{args.output}: not NAME.onnx in a folder that exists")


def main(args: argparse.Namespace):
    check(args)
    if args.data:
        samples = read_dataset(args.data / VALIDATION)
    given, problems = open_images(args.images)
    calibration, others = open_images(args.int8 or [])
    if problems + others:
        raise SystemExit("\n".join(problems + others))
    rng = np.random.default_rng(0)
    pictures = {f"picture {h}x{w}": picture(h, w, rng) for h, w in PICTURES}
    pictures |= {str(x.path): batch_of(x) for x in given}
    if args.weights:
        model = load_model(args.weights, torch.device("cpu"))
        digest = f"sha256:{hashlib.sha256(args.weights.read_bytes()).hexdigest()}"
    else:
        model, digest = TextReader().eval(), "random"
        print("no --weights: random ones, whose results mean nothing", file=sys.stderr)

    onnx, program = convert(model)
    report, outputs = compare(model, onnx, pictures)
    files = {
        ".onnx": finished(onnx, digest),
        ".golden.npz": golden(outputs),
        ".parity.json": json.dumps(report, indent=1).encode(),
    }
    if args.pt2:
        saved = io.BytesIO()
        torch.export.save(program, saved)
        files[".pt2"] = saved.getvalue()
    write_all({args.output.with_suffix(x): content for x, content in files.items()})
    print(f"{args.output}: {len(files['.onnx']) / 1e6:.1f} MB")
    smaller = {}
    if calibration:
        smaller[".int8.onnx"] = in_int8(args.output, calibration)
    if args.half:
        smaller[".fp16.onnx"] = finished(convert(model.half())[0], digest)
    if smaller:
        write_smaller(args.output, smaller, samples, args.bound)


if __name__ == "__main__":
    parser = command_line(__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, help="best.pt, last.pt; else random")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("licence-plates.onnx")
    )
    parser.add_argument("--pt2", action="store_true", help="also for torch.export.load")
    parser.add_argument("--half", action="store_true", help="also in 16-bit floats")
    parser.add_argument("--int8", type=Path, nargs="+", metavar="IMAGE", help="in INT8")
    parser.add_argument("--data", type=Path, help="root of datasets, to measure these")
    parser.add_argument(
        "--bound", type=float, default=0.01, help="most that the metric may lose: 0.01"
    )
    parser.add_argument("images", type=Path, nargs="*", metavar="IMAGE")
    run(main, parser.parse_args())
