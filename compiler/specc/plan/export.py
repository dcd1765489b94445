"""The plan of export.py and runtime.py, and of what evaluate.py does with their files."""

from __future__ import annotations

from typing import Any

from specc.graph.cost import Summary
from specc.heads import task_of
from specc.job import Job
from specc.plan.extras import RUNTIME
from specc.plan.heads import HeadPlan
from specc.plan.train import lower_is_better
from specc.source import mapping

IN_PIXELS = ("boxes", "keypoints", "quadrilaterals")  # results in pixels of the image
SEALED = "Letterbox, network and decoding are inside."
UNSCALED = "Network and decoding are inside."


def plan_export(
    job: Job, summary: Summary, heads: tuple[HeadPlan, ...]
) -> dict[str, Any]:
    """Returns the variables of the templates for an exported model."""
    resized, whole = job.backbone.resize_input, summary.divisor > 1
    padded = "padded(images, model.mean)" if whole else "images.float()"
    portable = "portable_letterbox(images, self.model.mean)"
    sealed = portable if resized else padded.replace("model", "self.model")
    return {
        "exports": job.export,
        "emitted": {
            "cache.py": job.data.cache is not None,
            "export.py": job.export,
            RUNTIME: job.export,
        },
        "onnx_name": f"{job.name}.onnx",
        "sealed_note": SEALED if resized else UNSCALED,
        "sealed_canvas": sealed,
        "judged_canvas": "letterboxed(images, model.mean)" if resized else padded,
        "best": job.trainer.best,
        "higher": not lower_is_better(job),
        "divisor": summary.divisor,
        "names_key": task_of(job.heads[0]).names,
        "color_order": "grayscale" if job.data.channels == 1 else "RGB",
        "in_pixels": IN_PIXELS,
        "category_maps": any("astype(np.int16)" in h.code.sealed for h in heads),
        "encoded_heads": [h for h in heads if "found_instances(" in h.code.sealed],
        "runtime_note": (
            " in pixels of the image" if any(h.own_pixels for h in heads) else ""
        ),
        "runtime_by_head": mapping((head.name, head.code.sealed) for head in heads),
    }
