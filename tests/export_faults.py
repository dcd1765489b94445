"""Seeds faults in an emitted export.py: export_faults.py WEIGHTS ONNX, beside it.

Prints, as JSON, the measures by which its comparison notices each of them.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F

import export
from evaluate import load_model

weights, kept = map(Path, sys.argv[1:])
model = load_model(weights, torch.device("cpu"))
portable, results_of, decode = (
    export.portable_letterbox,
    export.results_of,
    export.decode,
)
fit, canvas = export.fit, (export.HEIGHT, export.WIDTH)
RAW = [f"stage.raw{i}" for i in range(4)]


def stretched(images, mean):
    return F.interpolate(
        images.float(), canvas, mode="bilinear", antialias=True
    ).round()


def permuted(outputs, images):
    return results_of(outputs | {"scene": outputs["scene"].flip(1)}, images)


def without_antialias(images, mean):
    height, width = fit(*images.shape[-2:])
    filled = mean.expand(len(images), -1, *canvas).clone()
    scaled = F.interpolate(images.float(), (height, width), mode="bilinear")
    filled[..., :height, :width] = scaled.round()
    return filled


class Last:
    """The last stage with the same faults."""

    inputs = ["images", "stage.raw0", "stage.raw1", "stage.raw4", "stage.raw5"]

    def __call__(self, given):
        with torch.inference_mode():
            leaves, tree = export.pytree.tree_flatten(model(torch.zeros(1, 3, *canvas)))
            given = {name: torch.from_numpy(x) for name, x in given.items()}
            raw = [given[f"stage.raw{i}"] for i in range(len(leaves))]
            outputs = export.pytree.tree_unflatten(raw, tree)
            found = faulty(outputs, given["images"])
        return {name: x.numpy() for name, x in found.items()}


seeded = {
    "none": {},
    "bgr": {"portable_letterbox": lambda images, mean: portable(images.flip(1), mean)},
    "stretched": {"portable_letterbox": stretched},
    "antialias": {"portable_letterbox": without_antialias},
    "padding": {"portable_letterbox": lambda images, mean: portable(images, 0 * mean)},
    "classes": {"results_of": permuted},
}
image = export.picture(150, 333, np.random.default_rng(0))
found = {}
for title, faults in seeded.items():
    sealed = {name: getattr(export, name) for name in faults}
    vars(export).update(faults)
    faulty = export.results_of
    with torch.inference_mode():
        made = export.Sealed(model)(torch.from_numpy(image))
    got = {"images": image} | {name: x.numpy() for name, x in made.items()}
    vars(export).update(sealed)
    with torch.inference_mode():
        differences = export.differences(model, got, Last())
    found[title] = [x.measure for x in differences if not x.is_within()]

# The file itself with another threshold: of all its numbers this one alone changes.
file = onnx.load(kept)
changed = 0
for node in [
    *file.graph.initializer,
    *(a.t for n in file.graph.node for a in n.attribute),
]:
    if node.data_type == onnx.TensorProto.FLOAT and node.ByteSize() < 99:
        if np.isclose(onnx.numpy_helper.to_array(node), 0.05).all():
            value = np.full(tuple(node.dims), 0.06, np.float32)
            node.raw_data = value.tobytes()
            changed += 1
print(f"{changed} changed", file=sys.stderr)
try:
    export.compare(model, file, {"threshold": image})
except SystemExit as error:
    found["threshold"] = str(error).splitlines()[1].split()[1:2]

# Where all pixels are equal, so are many scores: no fault.
flat = {
    f"{h}x{w}": np.full((1, 3, h, w), 90, np.uint8) for h, w in ((64, 96), (90, 40))
}
report, _ = export.compare(model, onnx.load(kept), flat)

# Two pixels of three: a value of 64 lies between two gray levels, and weights are no
# binary fractions.
size = [side * 3 // 2 for side in canvas]
halves = torch.from_numpy(
    np.random.default_rng(0).integers(0, 256, (1, 3, *size), np.uint8)
)
pair = [x(halves, model.mean) for x in (portable, export.letterboxed)]
halves = float((pair[0] != pair[1]).float().mean())
print(json.dumps({"found": found, "flat": report, "halves": halves}))
