"""The plan of data.py, and of what evaluate.py and draw.py say of its images."""

from __future__ import annotations

from typing import Any

from specc.job import Augmentation, Data, Job
from specc.plan_cache import cache_constants, plan_cache
from specc.plan_dataset import kinds_of
from specc.plan_heads import HeadPlan
from specc.plan_source import Line, constant, mapping

NO_AUGMENTATION = Augmentation(False, False, False, 0.0, 0.0)
READ = {1: "read_image", 3: "read_image", 4: "read_bands"}  # by channels
RECOLOR = {1: "recolor_grey", 3: "recolor", 4: "recolor_bands"}
DRAWABLE = {
    1: "cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)",
    3: "image.copy()",
    4: "cv2.cvtColor(image, cv2.COLOR_RGBA2RGB)",
}
TRAINING_SET = {  # with augmentation or without
    True: "Augmented samples by (epoch, index): the same pair gives the same view.",
    False: "Letterboxed samples by (epoch, index).",
}
DRAWINGS = {"object": "objects", "category": "category"}


def data_constants(job: Job) -> tuple[Line, ...]:
    augmentation = job.data.augmentation or NO_AUGMENTATION
    note = "images of one optimizer step, over all processes"
    lines = [constant("BATCH_SIZE", job.trainer.batch_size, note)]
    if augmentation.scale:
        note = "training images grow or shrink by up to this share"
        lines.append(constant("SCALE", augmentation.scale, note))
    if augmentation.color:
        saturation = "brightness, contrast and saturation"
        what = "brightness and contrast" if job.data.channels == 1 else saturation
        note = f"their {what} vary by up to this share"
        lines.append(constant("COLOR", augmentation.color, note))
    lines += cache_constants(job.data)
    note = "training images; a run ends above both limits"
    lines.append(constant("MOST_BROKEN, BROKEN_SHARE", (10, 0.01), note))
    return tuple(lines)


def plan_data(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    kinds = kinds_of(heads)
    boxes, grey = "object" in kinds, job.data.channels == 1
    chosen = job.data.augmentation or NO_AUGMENTATION
    return {
        "data_sections": [
            f"data/{part}.py.jinja"
            for part in (*_imaging(job.data, chosen, boxes), "batches")
        ],
        "training_set": TRAINING_SET[chosen != NO_AUGMENTATION],
        "drawable_image": DRAWABLE[job.data.channels],
        "image_kind": "Grey" if grey else "RGB",
        "read_flag": "IMREAD_GRAYSCALE" if grey else "IMREAD_COLOR",
        "reduced_flag": f"IMREAD_REDUCED_{'GRAYSCALE' if grey else 'COLOR'}",
        "decoded_image": _decoded(grey),
        "add_axis": "[:, :, None]" if grey else "",
        "canvas_type": "tuple[np.ndarray, Transform]" if boxes else "np.ndarray",
        "canvas_names": "canvas, transform" if boxes else "canvas",
        "canvas_only": "canvas, _" if boxes else "canvas",
        "placed_labels": _placed(heads, boxes),
        **_augmentation(chosen, boxes),
        **plan_cache(job.data),
        "word_sections": [f"evaluate/{kind}_words.py.jinja" for kind in kinds],
        "metric_sections": [f"evaluate/{kind}_metrics.py.jinja" for kind in kinds],
        "draw_sections": [f"draw/{DRAWINGS[kind]}.py.jinja" for kind in kinds],
        "label_sections": ["draw/object_labels.py.jinja"] if boxes else [],
        "words_by_head": mapping((head.name, head.words) for head in heads),
        "label_words_by_head": mapping((head.name, head.label_words) for head in heads),
        "words_examples": [head.words_example for head in heads],
        "predict_title": "What the model finds in images",
        "pixels_note": ", in pixels of each image" if boxes else "",
    }


def _decoded(grey: bool) -> str:
    return "image[:, :, None]" if grey else "cv2.cvtColor(image, cv2.COLOR_BGR2RGB)"


def _placed(heads: tuple[HeadPlan, ...], positions: bool) -> str:
    if not positions:
        return "sample.labels"
    return mapping((head.name, head.place) for head in heads)


def _imaging(data: Data, chosen: Augmentation, boxes: bool) -> list[str]:
    caches = data.cache is not None
    transform = "transform_transposed" if chosen.transpose else "transform"
    return [
        "banner_images",
        "image_error",
        *([transform] if boxes else []),
        READ[data.channels],
        *(["cache/image"] if caches else []),
        "letterbox_boxes" if boxes else "letterbox",
        "on_canvas",
        *(["augment"] if chosen != NO_AUGMENTATION else []),
        *([RECOLOR[data.channels]] if chosen.color else []),
        *(["moved"] if boxes else []),
        *(["cache/sets"] if caches else []),
    ]


def _augmentation(chosen: Augmentation, boxes: bool) -> dict[str, Any]:
    mapped = ", transposed" if chosen.transpose else ""
    return {
        "training_view": (
            "letterbox(sample)" if chosen == NO_AUGMENTATION else "augment(sample, rng)"
        ),
        "augment_note": _augment_note(chosen),
        "augment_steps": _augment_steps(chosen, boxes),
        "augmented": f"canvas, Transform(scale, offset{mapped})" if boxes else "canvas",
    }


def _augment_steps(chosen: Augmentation, boxes: bool) -> list[str]:
    """Fragments of `augment`, in the order of what they do to the image."""
    turned = "_transposed" if chosen.transpose else ""
    moves = "_boxes" if boxes else ""
    steps = {
        f"fit{turned}": True,
        "scale": chosen.scale > 0,
        f"read{turned}": True,
        "recolor": chosen.color > 0,
        "place": True,
        f"map{turned}": boxes,
        f"flip{moves}": chosen.horizontal_flip,
        f"flip_vertical{moves}": chosen.vertical_flip,
    }
    return [f"data/augment/{step}.py.jinja" for step, wanted in steps.items() if wanted]


def _augment_note(chosen: Augmentation) -> str:
    words = {
        "transposed": chosen.transpose,
        "scaled": chosen.scale > 0,
        "recolored": chosen.color > 0,
        "placed": True,
        "mirrored": chosen.horizontal_flip or chosen.vertical_flip,
    }
    chosen_words = [word for word, wanted in words.items() if wanted]
    if len(chosen_words) == 1:
        return chosen_words[0]
    return f"{', '.join(chosen_words[:-1])} and {chosen_words[-1]}"
