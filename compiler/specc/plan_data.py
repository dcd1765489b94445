"""The dataset's part of the plan: reading, images, drawings, metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from specc.job import Augmentation, Job
from specc.plan_heads import HeadPlan

NO_AUGMENTATION = Augmentation(False, False, False, 0.0, 0.0)
PARSERS = {
    "object_detection": "data/parse_objects.py.jinja",
    "multiclass_classification": "data/parse_category.py.jinja",
}
WORDS = {"object_detection": "object", "multiclass_classification": "category"}


@dataclass(frozen=True)
class Reader:
    docstring: str  # templates
    sections: tuple[str, ...]


def plan_data(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    data = job.data
    tasks = tuple(dict.fromkeys(head.task for head in heads))
    kinds = [WORDS[task] for task in tasks]
    boxes, grey = "object" in kinds, data.channels == 1
    return {
        "reader": _reader(data.format, tasks),
        "annotation_examples": _examples(heads),
        "empty_note": ", `[]` is one without objects" if boxes else "",
        "label_type": _label_type(kinds),
        "train": data.train,
        "validation": data.validation,
        "validation_fraction": data.validation_fraction,
        "batch_size": job.trainer.batch_size,
        "grey": grey,
        "image_kind": "Grey" if grey else "RGB",
        "read_flag": "IMREAD_GRAYSCALE" if grey else "IMREAD_COLOR",
        "reduced_flag": f"IMREAD_REDUCED_{'GRAYSCALE' if grey else 'COLOR'}",
        "add_axis": "[:, :, None]" if grey else "",
        "canvas_type": "tuple[np.ndarray, Transform]" if boxes else "np.ndarray",
        "canvas_names": "canvas, transform" if boxes else "canvas",
        "canvas_only": "canvas, _" if boxes else "canvas",
        **_augmentation(data.augmentation, grey),
        "word_sections": [f"evaluate/{kind}_words.py.jinja" for kind in kinds],
        "metric_sections": [f"evaluate/{kind}_metrics.py.jinja" for kind in kinds],
        "draw_sections": [f"draw/{_DRAWINGS[kind]}.py.jinja" for kind in kinds],
        "label_sections": ["draw/object_labels.py.jinja"] if boxes else [],
        "words_example": ", ".join(_words_example(head) for head in heads),
        "predict_title": "What the model finds in images",
        "pixels_note": " in pixels of each image" if boxes else "",
    }


_DRAWINGS = {"object": "objects", "category": "category"}


def _reader(format: str, tasks: tuple[str, ...]) -> Reader:
    sections = [f"data/{format}.py.jinja"]
    if format != "folders":
        sections.append("data/below.py.jinja")
    sections.append("data/checks.py.jinja")
    sections += [PARSERS[task] for task in tasks]
    sections.append("data/report.py.jinja")
    return Reader(f"data/{format}_docstring.jinja", tuple(sections))


def _examples(heads: tuple[HeadPlan, ...]) -> list[str]:
    return list(dict.fromkeys(f"image.jpg: {head.annotation}" for head in heads))


def _label_type(kinds: list[str]) -> str:
    return " | ".join({"object": "Objects", "category": "int"}[kind] for kind in kinds)


def _words_example(head: HeadPlan) -> str:
    if head.detects:
        return f'"{head.name}": [{{category, bbox, score}}, ...]'
    return f'"{head.name}": {{category, score, top5}}'


def _augmentation(given: Augmentation | None, grey: bool) -> dict[str, Any]:
    chosen = given or NO_AUGMENTATION
    mirrored = chosen.horizontal_flip or chosen.vertical_flip
    notes = {
        "scaled": chosen.scale > 0,
        "placed": True,
        "transposed": chosen.transpose,
        "mirrored": mirrored,
        "recolored": chosen.color > 0,
    }
    words = [word for word, wanted in notes.items() if wanted]
    return {
        "augments": chosen != NO_AUGMENTATION,
        "augment_note": (
            " and ".join([", ".join(words[:-1]), words[-1]])
            if len(words) > 1
            else words[0]
        ),
        "scale": chosen.scale,
        "color": chosen.color,
        "color_note": (
            "brightness and contrast" if grey else "brightness, contrast and saturation"
        ),
        "horizontal_flip": chosen.horizontal_flip,
        "vertical_flip": chosen.vertical_flip,
        "transpose": chosen.transpose,
    }
