"""The plan of export.py and runtime.py, and of what evaluate.py does with their files."""

from __future__ import annotations

from typing import Any

from specc.graph.cost import Summary
from specc.heads import task_of
from specc.job import Job
from specc.plan.extras import RUNTIME
from specc.plan.heads import HeadPlan, is_partial
from specc.plan.train import lower_is_better
from specc.source import mapping

IN_PIXELS = ("boxes", "keypoints", "quadrilaterals")  # results in pixels of the image
SEALED = "Letterbox, network and decoding are inside."
UNSCALED = "Network and decoding are inside."
LABELS = {  # whether results hold maps of categories -> their limit
    False: "0.0,  # the share that differs",
    True: "1e-4,  # the share that differs: two categories may tie",
}
SCRIPTS = {  # variable -> template without an exported model, and with one
    "onnx_functions": ("train/untold", "evaluate/onnx"),
    "model_first": ("evaluate/model_loaded", "train/untold"),
    "model_last": ("train/untold", "evaluate/model_or_onnx"),
    "weights_flags": ("evaluate/weights_flag", "evaluate/weights_or_onnx_flags"),
    "predicted_by_script": ("evaluate/predicted", "evaluate/predicted_or_onnx"),
}


def plan_export(
    job: Job, summary: Summary, heads: tuple[HeadPlan, ...]
) -> dict[str, Any]:
    """Returns the variables of the templates for an exported model."""
    resized, whole = job.backbone.resize_input, summary.divisor > 1
    padded = "padded(images, model.mean)" if whole else "images.float()"
    portable = "portable_letterbox(images, self.model.mean)"
    sealed = portable if resized else padded.replace("model", "self.model")
    measured = job.export and not any(head.code.viewed for head in heads)
    kept = is_partial(job) or any(head.code.evidence for head in heads)
    maps = any("astype(np.int16)" in head.code.sealed for head in heads)
    lower, placed = lower_is_better(job), any(head.own_pixels for head in heads)
    color = "grayscale" if job.data.channels == 1 else "RGB"
    moved = "to_image_pixels(decode(outputs), images)"
    return {
        "exports": job.export,
        "emitted": {
            "cache.py": job.data.cache is not None,
            "samples.py": job.data.keep_samples,
            "export.py": job.export,
            RUNTIME: job.export,
        },
        "onnx_name": f"{job.name}.onnx",
        "sealed_note": SEALED if resized else UNSCALED,
        "sealed_canvas": sealed,
        "sealed_results": moved if placed else "decode(outputs)",
        "judged_canvas": "letterboxed(images, model.mean)" if resized else padded,
        "input_note": f"uint8 (batch, channels, height, width), {color}, turned by EXIF",
        "color_order": color,
        "best": job.trainer.best,
        "worse_by": "+" if lower else "-",
        "no_worse": "<=" if lower else ">=",
        "divisor": summary.divisor,
        "names_key": task_of(job.heads[0]).names,
        "in_pixels": IN_PIXELS,
        "label_limit": LABELS[maps],
        "measures_onnx": measured,
        "encoded_heads": [h for h in heads if "found_instances(" in h.code.sealed],
        "onnx_found": "kept(sample, predictions)" if kept else "predictions",
        "scored_on_device": any("device" in head.code.metrics for head in heads),
        "runtime_note": " in pixels of the image" * placed,
        "runtime_by_head": mapping((head.name, head.code.sealed) for head in heads),
        **{name: f"{pair[measured]}.py.jinja" for name, pair in SCRIPTS.items()},
    }
