"""Runs licence-plates.onnx with NumPy and ONNX Runtime.

Nothing else of this folder is needed.

    from runtime import Model

    model = Model("licence-plates.onnx")
    found = model(image)  # uint8 (height, width, 3), RGB, upright

Returns predictions, by head:

"plate": {text, score}
"""

import json

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
        return {"plate": found_text(found["plate"], self.heads["plate"]["tokens"])}


def found_text(found: dict, names: list[str]) -> dict:
    """Returns the text before the end, and its probability."""
    tokens = [names[i] for i in found["tokens"] if i < len(names)]
    return {"text": "".join(tokens), "score": float(found["score"])}
