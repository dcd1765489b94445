"""Runs nuclei.onnx with NumPy and ONNX Runtime.

Nothing else of this folder is needed.

    from runtime import Model

    model = Model("nuclei.onnx")
    found = model(image)  # uint8 (height, width, 3), RGB, upright

Returns predictions in pixels of the image, by head:

"nuclei": [{category, bbox, mask, score}, ...]
"""

import json
import math

import numpy as np
import onnxruntime


class Model:
    """An exported model; names of categories are in its metadata."""

    def __init__(self, file: str | bytes, **options):
        """Opens a file, or its content; options are those of an InferenceSession.
        Raises ValueError where export.py did not write it."""
        self.session = onnxruntime.InferenceSession(file, **options)
        facts = self.session.get_modelmeta().custom_metadata_map
        if "specc.job" not in facts:
            raise ValueError("it does not hold the job that it was made from")
        self.job = facts["specc.job"]
        heads = json.loads(self.job)["model"]["heads"]
        self.heads = {head["name"]: head for head in heads}
        self.outputs = [output.name for output in self.session.get_outputs()]

    def __call__(self, image: np.ndarray) -> dict:
        """Returns predictions for an image, uint8 (height, width, 3)."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"not uint8 (h, w, C): {image.dtype}, {image.shape}")
        images = np.ascontiguousarray(image.transpose(2, 0, 1)[None])
        values = self.session.run(self.outputs, {"images": images})
        found = {name: {} for name in self.heads}
        for output, value in zip(self.outputs, values):
            head, _, name = output.rpartition(".")
            found[head][name] = value[0]
        return {
            "nuclei": found_instances(
                found["nuclei"], self.heads["nuclei"]["categories"], *image.shape[:2]
            )
        }


def found_instances(
    found: dict, names: list[str], height: int, width: int
) -> list[dict]:
    """Returns instances; "mask" is bool, (height, width)."""
    instances = []
    for i in range(found["count"]):
        mask = np.zeros((height, width), bool)
        place, inside = mask_inside(
            found["boxes"][i], found["masks"][i], found["stride"]
        )
        mask[place] = inside
        instances.append(
            {
                "category": names[found["classes"][i]],
                "bbox": found["boxes"][i].tolist(),
                "mask": mask,
                "score": float(found["scores"][i]),
            }
        )
    return instances


def mask_inside(box: np.ndarray, logits: np.ndarray, stride: np.ndarray) -> tuple:
    """Returns the rows and columns of an image that a box covers, and which of these
    pixels a mask has. `stride`: pixels, x and y, between its `logits` (h, w)."""
    left, top, right, bottom = (math.ceil(float(side) - 0.5) for side in box)
    y = (np.arange(top, bottom, dtype=np.float32) + 0.5) / stride[1]
    x = (np.arange(left, right, dtype=np.float32) + 0.5) / stride[0]
    place = slice(top, bottom), slice(left, right)
    return place, interpolated(logits, y, x) > 0


def interpolated(maps: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Returns maps (..., h, w) read at rows `y` and columns `x`, between their cells
    linearly: (..., Y, X). Cell i reaches from i to i + 1."""
    for axis, at in ((-1, x), (-2, y[:, None])):
        last = maps.shape[axis] - 1
        at = (at - 0.5).clip(0, last).astype(np.float32)
        below = at.astype(int)
        low = maps.take(below.ravel(), axis)
        high = maps.take((below.ravel() + 1).clip(max=last), axis)
        maps = low + (high - low) * (at - below)
    return maps
