"""The plan of data.py, and of the parts of evaluate.py and draw.py that handle
images."""

from __future__ import annotations

import re
from typing import Any

from specc.heads import constants_of, once, task_of, tasks_of
from specc.heads.task import Task
from specc.job import Augmentation, Data, Job
from specc.plan.heads import HeadPlan, is_partial
from specc.plan.images import (
    NO_AUGMENTATION,
    augmentation_of,
    cache_constants,
    canvas_only,
    imaging,
    plan_cache,
    plan_reading,
    view_constants,
)
from specc.source import Line, constant, literal, mapping

DRAWABLE = {
    1: "cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)",
    3: "image.copy()",
    4: "cv2.cvtColor(image, cv2.COLOR_RGBA2RGB)",
}
SAVED = {  # channels -> expression of a picture in OpenCV's order of channels
    1: "picture",
    3: "cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)",
    4: "cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA)",
}
PLACED_WITH = {  # argument of `place` -> its type
    "canvas": "np.ndarray",
    "transform": "Transform",
    "rng": "np.random.Generator",
}
_JOB_FILE = 'Path(__file__).with_name("resolved.json")'
JOB = Line("JOB", f'{_JOB_FILE}.read_text(encoding="utf-8")')
SCORED = dict(samples="Sequence[Sample]", found="list[dict]", device="torch.device")
LEAST = r", least=(\d+)"  # argument of `check_labels`
KEPT_NOTE = {  # whether predictions hold maps -> sentence of a docstring
    True: """Or what `kept` makes of it, one image at a time: the maps of all would need much
    memory.""",
    False: "Or what `kept` makes of it.",
}
SCORE_NOTE = """

    A head is measured on the images that have labels for it.
    """
TRAINING_SET = {  # whether images are augmented -> docstring
    True: "Augmented samples by (epoch, index): the same pair gives the same view.",
    False: "Letterboxed samples by (epoch, index).",
}


def data_constants(job: Job) -> tuple[Line, ...]:
    augmentation = job.data.augmentation or NO_AUGMENTATION
    note = "images of one optimizer step, over all processes"
    lines = [constant("BATCH_SIZE", job.trainer.batch_size, note)]
    if parts := job.trainer.accumulation:
        note = "parts of a process's share of a batch"
        lines.append(constant("MICRO_BATCHES", parts, note))
    if augmentation.scale:
        note = "training images grow or shrink by up to this share"
        lines.append(constant("SCALE", augmentation.scale, note))
    if augmentation.color:
        saturation = "brightness, contrast and saturation"
        what = "brightness and contrast" if job.data.channels == 1 else saturation
        note = f"their {what} vary by up to this share"
        lines.append(constant("COLOR", augmentation.color, note))
    lines += view_constants(augmentation)
    lines += constants_of(job, "data.py")
    if job.data.bits is not None:
        lines.append(constant("WHITE", _white(job.data), "largest 16-bit value"))
    lines += cache_constants(job.data)
    return tuple(lines)


def plan_data(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    tasks, gray = tasks_of(job), job.data.channels == 1
    deep = job.data.bits is not None
    moves = any(task.moves for task in tasks)
    places = any(head.own_pixels for head in heads)
    chosen = job.data.augmentation or NO_AUGMENTATION
    resizes, several = job.backbone.resize_input, len(heads) > 1
    return {
        "imaging_sections": imaging(job, chosen, moves),
        "image_batch": _image_batch(job.data),
        "validation_images": "Letterboxed images" if resizes else "Whole images",
        "has_placed": is_partial(job) and not _is_same(heads),
        "transform_methods": _transform_methods(tasks, chosen),
        "mirrors": chosen.mirrors,
        "transposes": chosen.transpose,
        "training_set": _training_set(chosen, any(task.views for task in tasks)),
        "image_kind": "gray" if gray else "RGB",
        "deep": deep,
        "bits": job.data.bits,
        "largest_value": _white(job.data) if deep else None,
        "reduced_flag": f"IMREAD_REDUCED_{'GRAYSCALE' if gray else 'COLOR'}",
        "decoded_image": _decoded(job.data),
        "add_axis": "[:, :, None]" if gray else "",
        "canvas_type": "tuple[np.ndarray, Transform]" if moves else "np.ndarray",
        "canvas_names": "canvas, transform" if moves else "canvas",
        **canvas_only(chosen, moves),
        **_placed(job, heads),
        **augmentation_of(chosen, moves),
        **plan_reading(job.data, chosen, resizes),
        **plan_cache(job.data, resizes),
        "places": places,
        "sees": _sees(heads),
        "seen_parameter": ", seen: tuple[int, int]" * resizes,
        "seen_argument": ", seen" * resizes,
        **_views(heads),
        "decoded_kinds": (
            "image or a map" if any(t.in_folder for t in tasks) else "image"
        ),
        **_drawn(job, heads),
        "targets": mapping((head.name, head.targets) for head in heads),
        "words_by_head": mapping((head.name, head.code.words) for head in heads),
        "label_words_template": (
            f"draw/words_of_{'some' if is_partial(job) else 'all'}.py.jinja"
        ),
        "label_words_by_head": mapping((h.name, h.code.label_words) for h in heads),
        **_evidence(job, heads, any(head.code.viewed for head in heads)),
        "score_note": SCORE_NOTE * is_partial(job),
        "score_template": f"evaluate/score{'_of_several' * several}.py.jinja",
        **_copied(job),
        **_scored(heads),
        **_calibrated(job, heads),
        **_told(heads),
        **_checks(heads),
        "metrics_by_head": mapping((head.name, head.code.metrics) for head in heads),
        **_tables(heads),
        "meaning": _meaning(tasks),
        "words_examples": [head.code.words_example for head in heads],
        "scored_heads": [
            literal(head.name)
            for head in heads
            if re.search(r"\[\{.*\bscore\b.*\}", head.code.words_example)
        ],
        "saved_picture": SAVED[job.data.channels],
        "saved_by_head": _saved(heads),
        "predict_title": "Predictions of trained weights for images",
        "pixels_note": ", in pixels of each image" if places else "",
    }


def _white(data: Data) -> int:
    """Returns the largest value of images of 16 bits."""
    return 2**data.bits - 1


def _transform_methods(tasks: list[Task], chosen: Augmentation) -> list[str]:
    """Returns the templates of the methods of Transform that labels need."""
    methods = once(task.transforms for task in tasks)
    if chosen.mirrors and "points" in methods:  # a mirror image may swap keypoints
        methods.append("mirrors")
    turned = "_transposed" if chosen.transpose else ""
    return [f"data/transform/{method}{turned}.py.jinja" for method in methods]


def _sees(heads: tuple[HeadPlan, ...]) -> bool:
    """Returns whether an annotation needs the size that its image has on the canvas:
    `ratio`, too, is made of it."""
    return any(re.search(r"\b(seen|ratio)\b", head.code.words) for head in heads)


def _evidence(job: Job, heads: tuple[HeadPlan, ...], views: bool) -> dict[str, Any]:
    """Returns variables for what metrics keep of each image."""
    partial, places = is_partial(job), any(head.own_pixels for head in heads)
    seen = ", seen" * _sees(heads)
    words = f"to_annotations(results, row{', sample' * places}{seen})"
    plain = not (partial or any(head.code.evidence for head in heads))
    row = "placed" if places else "plain" if plain else "kept"
    values = {
        "row_template": f"evaluate/row_{row}.py.jinja",
        "found_words": words if plain else f"kept(sample, {words})",
    }
    if plain:
        unused = ("kept_parameter", "kept_argument", "found_argument")
        return values | dict.fromkeys((*unused, "evidence_template"), "")
    kept = "kept: Callable[[Sample, dict], dict] = lambda _, predictions: predictions"
    maps = any(head.code.evidence and head.code.saved for head in heads)
    return values | {
        "evidence_by_head": mapping((head.name, head.evidence) for head in heads),
        "evidence_template": f"evaluate/evidence{'_of_labeled' * partial}.py.jinja",
        "kept_note": KEPT_NOTE[maps],
        "kept_parameter": f", {kept}",
        "kept_argument": ", evidence",
        "found_argument": ", evidence" * (not views),  # `find` has the argument itself
    }


def _copied(job: Job) -> dict[str, Any]:
    """Returns which results are copied to the CPU before they become annotations."""
    pairs = list(zip(job.heads, tasks_of(job)))
    maps = tuple(head.name for head, task in pairs if task.on_device)
    kind = "copies_but_maps" if maps else "copies"
    kind = kind if len(pairs) > 1 else "copies_of_one"
    copied = f"evaluate/{kind}.py.jinja"
    none = len(maps) == len(pairs)
    return {"maps": maps, "copied": "train/untold.py.jinja" if none else copied}


def _scored(heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    """Returns what metrics are computed from, and the kind of COCO's scores."""
    called = " ".join(head.code.metrics for head in heads)
    used = {x: SCORED[x] for x in SCORED if re.search(rf"\b{x}\b", called)}
    masks = any("instance_metrics(" in head.code.metrics for head in heads)
    return {
        "scores_masks": masks,
        "scored_kind": "kind" if masks else '"bbox"',
        "of_boxes": ', "bbox"' * masks,
        "score_parameters": ", ".join(f"{name}: {kind}" for name, kind in used.items()),
        "score_arguments": ", ".join(used),
    }


def _calibrated(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    """Returns the calls that calibrate heads on normal images before the metrics."""
    calibrated = [head for head in heads if head.code.calibrated]
    kind = "calibrate_averaged" if job.trainer.ema else "calibrate"
    each = [
        f"({module}, {literal(head.name)}, {alarms})"
        for head in calibrated
        for module, alarms in [head.code.calibrated]
    ]
    modules = [head.code.calibrated[0].removeprefix("model.") for head in calibrated]
    return {
        "calibrates": bool(each),
        "calibrate_template": f"train/{kind if each else 'untold'}.py.jinja",
        "calibrated_heads": f"[{', '.join(each)}]",
        "calibrations": modules,
    }


def _told(heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    """Returns the lines about labels that train.py prints when it begins."""
    lines = [head.code.told for head in heads if head.code.told]
    return {
        "told_of_labels": ", ".join(lines),
        "told_template": f"train/{'told' if lines else 'untold'}.py.jinja",
    }


def _checks(heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    """Returns the checks of labels before a run begins: where labels are read, or, for
    maps, in train.py."""
    checks = [check for head in heads for check in head.code.checks]
    of_maps = [head.code.map_check for head in heads if head.code.map_check]
    template = "train/check_maps.py.jinja" if of_maps else "train/untold.py.jinja"
    fewest = {"".join(re.findall(LEAST, check)) for check in checks}
    least = "least" if len(fewest) > 1 else "".join(fewest)
    if least.isdigit():  # the same for all heads: check_labels has it, not its calls
        checks = [re.sub(LEAST, "", check) for check in checks]
    return {
        "checks": checks,
        "map_checks": of_maps,
        "maps_template": template,
        "least_kinds": least,
        "least_given": least == "least",
    }


def _training_set(chosen: Augmentation, views: bool) -> str:
    if views:
        return "Augmented samples by (epoch, index, view): a key always gives one view."
    return TRAINING_SET[chosen != NO_AUGMENTATION]


def _views(heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    """Returns how the loader yields two views of an image, if a head needs them."""
    viewed = [(head.name, head.code.viewed) for head in heads if head.code.viewed]
    several = bool(viewed)
    kind = "_of_views" if several else ""
    return {
        "views": several,
        "finder": "find" if several else "predict_samples",
        "viewed_by_head": mapping(viewed),
        "keys": "(epoch, index, view)" if several else "(epoch, index) pairs",
        "key_type": f"tuple[int, int{', int' * several}]",
        "key_template": f"data/key{kind}.py.jinja",
        "candidates_rng": (
            "np.random.default_rng((self.seed, *key[:2]))" if several else "rng"
        ),
        "validation_set": f"data/validation_set{kind}.py.jinja",
        "validation_parameters": (
            f"samples: Sequence[Sample], workers: int{', views: bool = False' * several}"
        ),
        "validation_arguments": f"samples{', views' * several}",
        "view_parameter": ", views: bool = False" * several,
        "view_argument": ", views" * several,
    }


def _tables(heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    """Returns the tables that evaluate.py can write besides its metrics."""
    tables = [head.code.table for head in heads if head.code.table]
    kind = "_tables" * bool(tables)
    return {"tables": tables, "report_template": f"evaluate/report{kind}.py.jinja"}


def _saved(heads: tuple[HeadPlan, ...]) -> str:
    """Returns the names of the files for results that predictions.json cannot hold."""
    saved = [(head.name, head.code.saved) for head in heads if head.code.saved]
    return mapping(saved) if saved else ""


def _meaning(tasks: list[Task]) -> str:
    """Returns the expression of a loaded `head`'s options that weights depend on."""
    fields = once(task.meaning for task in tasks)
    shared = all(set(task.meaning) == set(fields) for task in tasks)
    read = "head[{}]" if shared else "head.get({})"
    values = ['head["task"]', *(read.format(literal(field)) for field in fields)]
    return values[0] if len(values) == 1 else f"({', '.join(values)})"


def evaluate_constants(job: Job, heads: tuple[HeadPlan, ...]) -> tuple[Line, ...]:
    shared = constants_of(job, "evaluate.py")
    return (JOB, *shared, *once(head.code.evaluate_constants for head in heads))


def draw_constants(job: Job) -> tuple[Line, ...]:
    note = "side of a tile of the sheet, white gap between tiles; pixels"
    first = constant("TILE, GAP", (400, 8), note)
    return (first, *constants_of(job, "draw.py"))


def _drawn(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, Any]:
    """Returns the heads in the order of drawing, those that enlarge the image last; or
    the expression of the one head's drawing."""
    places = [task_of(head).drawn for head in job.heads]
    pairs = sorted(zip(places, heads), key=lambda pair: pair[0])
    drawable = f"({DRAWABLE[job.data.channels]}, "
    return {
        "drawable_image": DRAWABLE[job.data.channels],
        "drawn_heads": [head for _, head in pairs],
        "drawn_head": heads[0].draw.replace("(image, ", drawable, 1),
        "drawn_template": f"draw/head{'s' * (len(heads) > 1)}.py.jinja",
        "names_categories": any(
            len(head.names) > 1 for head in heads if "draw_instances(" in head.draw
        ),
    }


def _image_batch(data: Data) -> str:
    """A decoded image as a batch of one whose channels are last in memory, which is how
    it is resized fast. What a cache holds may only be read: it is copied."""
    source = "torch.tensor(image)" if data.cache else "torch.from_numpy(image)"
    if data.channels == 1:
        return f"{source}.view(1, 1, *image.shape[:2])"
    return f"{source}[None].permute(0, 3, 1, 2)"


def _decoded(data: Data) -> str:
    """The resized image; `resized` of a cache has brought the channels last again."""
    image = "image" if data.cache else "image[0].permute(1, 2, 0).numpy()"
    return f"cv2.cvtColor({image}, cv2.COLOR_BGR2RGB)" if data.channels == 3 else image


def _is_same(heads: tuple[HeadPlan, ...]) -> bool:
    """Returns whether every head's target is its label, unchanged."""
    labels = (f"sample.labels[{literal(head.name)}]" for head in heads)
    return all(head.code.place == label for head, label in zip(heads, labels))


def _placed(job: Job, heads: tuple[HeadPlan, ...]) -> dict[str, str | bool]:
    """Returns the targets of a view by head: the labels, if no head changes them."""
    blanks = mapping((head.name, head.code.blank) for head in heads)
    names = [
        name
        for name in ("canvas", "transform", "rng")
        if any(re.search(rf"\b{name}\b", head.code.place) for head in heads)
    ]
    types = [f", {name}: {PLACED_WITH[name]}" for name in names]
    labels = mapping((head.name, head.code.place) for head in heads)
    if is_partial(job):
        labels = f"placed({', '.join(['sample', *names])})"
    return {
        "moves_labels": not _is_same(heads),
        "placed_labels": labels,
        "placed_parameters": f"sample: Sample{''.join(types)}",
        "blanks": blanks,
    }
