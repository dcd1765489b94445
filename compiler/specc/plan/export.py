"""The plan of export.py and runtime.py, and of what evaluate.py does with their files."""

from __future__ import annotations

from typing import Any

from specc.graph.cost import Summary
from specc.heads import task_of, tasks_of
from specc.job import Head, Job
from specc.plan.extras import RUNTIME
from specc.plan.heads import HeadPlan, is_partial
from specc.plan.train import lower_is_better
from specc.source import literal, mapping

IN_PIXELS = ("boxes", "keypoints", "quadrilaterals")  # results in pixels of the image
SEALED = "Letterbox, network and decoding are inside."
UNSCALED = "Network and decoding are inside."
LABELS = {  # whether results hold maps of categories -> their limit
    False: "0.0,  # the share that differs",
    True: "1e-4,  # the share that differs: two categories may tie",
}
FRACTIONS = ("character_error_rate",)  # errors that are fractions 0..1
DECIBELS = ("psnr",)
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
    kept = is_partial(job) or any(head.code.evidence for head in heads)
    maps = any("astype(np.int16)" in head.code.sealed for head in heads)
    encoded = [head for head in heads if "found_instances(" in head.code.sealed]
    each = kept or encoded or any(task.views for task in tasks_of(job))
    lower, placed = lower_is_better(job), any(head.own_pixels for head in heads)
    color = "grayscale" if job.data.channels == 1 else "RGB"
    worst, bound = _bound(job)
    sized = placed or any(head.pasted for head in heads)
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
        "images_argument": ", images" * sized,
        "images_parameter": ", images: Tensor" * sized,
        "judged_canvas": "letterboxed(images, model.mean)" if resized else padded,
        "input_note": f"uint8 (batch, {job.data.channels}, height, width), {color}, turned by EXIF",
        "color_order": color,
        "best": job.trainer.best,
        "worst_of_smaller": worst,
        "bound_help": bound,
        "no_worse": "<=" if lower else ">=",
        "divisor": summary.divisor,
        "names_by_index": _named(job.heads[0]),
        "in_pixels": _in_pixels(job),
        "label_limit": LABELS[maps],
        "encoded_heads": encoded,
        "onnx_template": f"evaluate/onnx_{'each' if each else 'listed'}.py.jinja",
        "onnx_found": "kept(sample, predictions)" if kept else "predictions",
        "scored_on_device": any("device" in head.code.metrics for head in heads),
        "runtime_note": " in pixels of the image" * placed,
        "runtime_by_head": mapping((head.name, head.code.sealed) for head in heads),
        **{name: f"{pair[job.export]}.py.jinja" for name, pair in SCRIPTS.items()},
    }


def _named(head: Head) -> str:
    """Returns the expression of a head's names by index; a job may tell only how many
    there are."""
    key = task_of(head).names
    if isinstance(getattr(head, key, None), (tuple, str)):
        return f"dict(enumerate(head[{literal(key)}]))"
    return "{}"


def _in_pixels(job: Job) -> tuple[str, ...]:
    """Returns which results of these heads are in pixels of the image."""
    found = {name for one in job.heads for name in task_of(one).contract(one).found}
    return tuple(name for name in IN_PIXELS if name == "boxes" or name in found)


def _bound(job: Job) -> tuple[str, str]:
    """Returns the worst metric that a smaller file may have, given the `metric` of the
    whole one, and the help of the flag that sets the bound.

    A point of an error or of decibels has no meaning: the bound is a share of these.
    """
    lower = lower_is_better(job)
    sign = "+" if lower else "-"
    metric = job.trainer.best.partition("/")[2]
    if metric in FRACTIONS or metric not in DECIBELS and not lower:
        return f"metric {sign} bound", "most that the metric may lose: 0.01"
    share = f"metric {sign} bound * abs(metric)"
    return share, "most that the metric may lose, as a share of it: 0.01"
