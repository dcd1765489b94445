"""Turns a loaded job into a `Job`: validated, and with every default filled in.

Defaults come from the schema. Where the schema calls a default derived, its rule is
here: the schema's number is a wish, and the rest of the job says what is possible.
"""

from __future__ import annotations

from typing import Any

from specc.diagnostics import JobError
from specc.heads import TASKS
from specc.job import (
    Augmentation,
    Backbone,
    Columns,
    Data,
    Head,
    HeadData,
    Initialization,
    Job,
    Layout,
    Neck,
    Optimizer,
    Scheduler,
    Slurm,
    Trainer,
)
from specc.language.load import Source
from specc.language.schema import fill, head, metrics_of, part
from specc.language.validate import validate
from specc.necks import KINDS

SETS = ("train", "validation", "test")  # options of `data`


def resolve(source: Source) -> Job:
    """Returns the job with every default.

    Raises JobError with all findings of the schema.
    """
    findings = validate(source)
    if findings:
        raise JobError(findings)
    return resolved(source.value)


def resolved(given: dict) -> Job:
    """Returns the job of values that fit the schema."""
    filled = fill(given)
    given_model, model = given["model"], filled["model"]
    backbone = Backbone(**{**model["backbone"], **_untrained(model)})
    neck = _neck(given_model, model, backbone)
    heads = tuple(
        _head(one_given, one, backbone, neck, filled["data"])
        for one_given, one in zip(given_model["heads"], model["heads"])
    )
    trainer = _trainer(given.get("trainer") or {}, filled["trainer"], heads)
    data = _data(given["data"], filled["data"], heads)
    export = bool(filled["export"])
    return Job(given["name"], data, backbone, neck, heads, trainer, export)


def _untrained(model: dict) -> dict[str, int]:
    """Returns the option that freezes all levels, where no head trains the backbone."""
    untrained = all(
        head(one["task"]).get("x-trains-no-trunk") for one in model["heads"]
    )
    return {"frozen_levels": model["backbone"]["top_level"]} if untrained else {}


def _data(given: dict, filled: dict, heads: tuple[Head, ...]) -> Data:
    augmentation = filled["augmentation"]
    if augmentation:
        given_augmentation = given.get("augmentation") or {}
        augmentation |= _augmentation(given_augmentation, filled, heads)
    changed = {
        "resolution": tuple(filled["resolution"]),
        "layout": _layout(filled["layout"]),
        "augmentation": Augmentation(**augmentation) if augmentation else None,
    }
    return Data(**{**filled, **changed})


def _layout(filled: dict | None) -> Layout | None:
    """Returns a layout, or None where it says nothing."""
    given = {key: _frozen(value) for key, value in (filled or {}).items()}
    columns = given.get("columns") or {}
    given["columns"] = Columns((k, _frozen(v)) for k, v in columns.items()) or None
    layout = Layout(**given)
    return None if layout == Layout() else layout


def _augmentation(given: dict, data: dict, heads: tuple[Head, ...]) -> dict[str, Any]:
    """Returns augmentation options that differ from the usual ones, unless the job asks
    for them.

    Heads that compare views need those of SimCLR and VICReg; a small image bears less
    blur. Features that no head trains know textures of one size. Other options would
    spoil labels: a mirrored or cropped text is no text, a mirror image swaps keypoints
    that the head may not pair, and may show another identity.
    """
    derived: dict[str, Any] = {}
    reads_text = any(head(one.task).get("x-reads-text") for one in heads)
    if any(TASKS[one.task].views for one in heads):
        derived |= {"color": 0.4, "blur": min(2.0, min(data["resolution"]) / 100)}
        if data["channels"] == 3:
            derived |= {"hue": 0.1, "grayscale": 0.2}
        crops = given.get("scale") is None and given.get("random_crop") != 0
        if crops and not any(needs_whole_image(one) for one in heads):
            derived |= {"scale": 0.0, "random_crop": 0.8}
    unpaired = any(getattr(one, "flip_pairs", ()) is None for one in heads)
    identifies = any(hasattr(one, "identities") for one in heads)
    if reads_text or unpaired or identifies:
        derived["horizontal_flip"] = False
    untrained = any(head(one.task).get("x-trains-no-trunk") for one in heads)
    if reads_text or untrained:
        derived["scale"] = 0.0
    return {key: value for key, value in derived.items() if given.get(key) is None}


def needs_whole_image(one: Head) -> bool:
    """Returns whether labels of a head are of the whole image, and of no part of it:
    a text is, and so may be a number, such as a count."""
    return one.task == "regression" or bool(head(one.task).get("x-reads-text"))


def _neck(given: dict, model: dict, backbone: Backbone) -> Neck | None:
    """Returns the neck as given, or derived from the levels that the heads ask for."""
    levels = [_wish(*pair) for pair in zip(given["heads"], model["heads"])]
    served = [
        (bottom, top)
        for bottom, top in levels
        if bottom < top or (bottom == top and bottom > backbone.top_level)
    ]
    asked = given.get("neck")
    if asked is None and not served:
        return None
    filled = fill(asked or {}, part("neck"))
    if filled["kind"] == "none":
        return None
    wishes = served or [(filled["bottom_level"], filled["top_level"])]
    bottom = min(min(low for low, _ in wishes), backbone.top_level)
    top = max(high for _, high in wishes)
    bottom, top = _settle(asked or {}, bottom, top)
    if filled["kind"] == "bifpn":
        bottom, top = _make_two(asked, bottom, top)
    levels = {"bottom_level": bottom, "top_level": top}
    return KINDS[filled["kind"]].neck(**{**filled, **levels})


def _make_two(given: dict, bottom: int, top: int) -> tuple[int, int]:
    """Returns the ends moved apart where they are one level and only one end is given:
    a BiFPN fuses at least two levels."""
    level = part("common")["$defs"]["level"]
    if bottom == top and given.get("top_level") is None:
        return bottom, min(top + 1, level["maximum"])
    if bottom == top and given.get("bottom_level") is None:
        return max(bottom - 1, level["minimum"]), top
    return bottom, top


def _wish(given: dict, filled: dict) -> tuple[int, int]:
    """Returns the bottom and top level that a head asks a neck for; (0, -1) without
    any."""
    if "bottom_level" not in filled or head(filled["task"]).get("x-trains-no-trunk"):
        return 0, -1
    return _settle(given, filled["bottom_level"], filled["top_level"])


def _settle(given: dict, bottom: int, top: int) -> tuple[int, int]:
    """Returns the given levels, or else these, moved so that bottom is not above
    top."""
    given_bottom, given_top = given.get("bottom_level"), given.get("top_level")
    if given_bottom is not None:
        bottom, top = given_bottom, max(given_bottom, top)
    if given_top is not None:
        top = given_top
        bottom = min(bottom, top) if given_bottom is None else bottom
    return bottom, top


def _head_data(filled: dict, shared: dict) -> HeadData | None:
    """Returns a head's own data, or None where all of it is the job's.

    Absent options are the job's, but a head with a training set of its own is not
    validated on the job's images.
    """
    own = filled["data"] or dict.fromkeys((*SETS, "format", "layout"))
    task = own.get("task") or shared["task"]
    inherited = dict.fromkeys(shared) if own["train"] else shared
    data = HeadData(
        *(own[name] or inherited[name] for name in SETS),
        own["format"] or shared["format"],
        _layout(own["layout"] or inherited["layout"]),
        None if task == filled["task"] else task,
    )
    of_job = HeadData(
        *(shared[name] for name in SETS), shared["format"], _layout(shared["layout"])
    )
    return None if data == of_job else data


def _head(
    given: dict, filled: dict, backbone: Backbone, neck: Neck | None, data: dict
) -> Head:
    """Returns the head. Levels that are not given are clipped to those that exist;
    `data` is the data of the job."""
    derived: dict[str, Any] = {
        key: _frozen(value) for key, value in filled.items() if isinstance(value, list)
    }
    derived["name"] = filled["name"] or filled["task"]
    derived["data"] = _head_data(filled, data)
    if filled.get("ordered") and given.get("label_smoothing") is None:
        derived["label_smoothing"] = 0.0
    if isinstance(filled.get("tokens"), str):
        derived["tokens"] = tuple(filled["tokens"])
    if "level" in filled and given.get("level") is None:
        highest = max(backbone.top_level, neck.top_level if neck else 0)
        derived["level"] = min(filled["level"], highest)
    if "bottom_level" in filled:
        low = neck.bottom_level if neck else 1
        high = neck.top_level if neck else backbone.top_level
        bottom = max(low, min(filled["bottom_level"], high))
        top = max(low, min(filled["top_level"], high))
        derived["bottom_level"], derived["top_level"] = _settle(given, bottom, top)
    if filled.get("things", ()) is None:
        derived["things"] = derived["categories"]
    if filled.get("colors", ()) is None:
        derived["colors"] = tuple(map(color_of, range(len(filled["categories"]))))
    return TASKS[filled["task"]].head(**{**filled, **derived})


def color_of(index: int) -> tuple[int, int, int]:
    """Returns a color that differs for each of the first 2^24 - 1 indices; never
    black."""
    mixed = (index + 1) * 0x9E3779 % 2**24  # the factor is odd: all remainders differ
    return mixed >> 16, mixed >> 8 & 255, mixed & 255


def _frozen(value: Any) -> Any:
    """Returns the value with all lists, nested ones too, as tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _trainer(given: dict, filled: dict, heads: tuple[Head, ...]) -> Trainer:
    derived = _run_length(given, filled)
    derived["best"] = filled["best"] or _primary_metric(heads[0])
    initialization, optimizer = filled["initialization"], filled["optimizer"]
    derived["initialization"] = Initialization(**{"weights": None, **initialization})
    derived["optimizer"] = Optimizer(**{"momentum": None, **optimizer})
    derived["scheduler"] = _scheduler(filled["scheduler"])
    derived["slurm"] = Slurm(**filled["slurm"]) if filled["slurm"] else None
    return Trainer(**{**filled, **derived})


def _run_length(given: dict, filled: dict) -> dict[str, Any]:
    iterations = filled["max_iterations"]
    if given.get("max_iterations") is None and filled["max_hours"] is not None:
        iterations = None
    validations = filled["validations"]
    if given.get("validations") is None and iterations is not None:
        validations = min(validations, iterations)
    return {"max_iterations": iterations, "validations": validations}


def _scheduler(filled: dict) -> Scheduler | None:
    if filled["kind"] == "none":
        return None
    if "milestones" in filled:
        filled = {**filled, "milestones": tuple(filled["milestones"])}
    return Scheduler(**filled)


def _primary_metric(first: Head) -> str:
    return f"{first.name}/{metrics_of(first)[0]}"


# Pattern of the pointer of a derived value -> its rule; the first that fits. Heads
# stand in pointers by their names.
RULES = {
    "/data/augmentation/*": _augmentation,
    "/data/*/layout*": _layout,
    "/data/layout*": _layout,
    "/model/backbone/frozen_levels": _untrained,
    "/model/neck*": _neck,
    "/model/heads/*/data*": _head_data,
    "/model/heads/*": _head,
    "/trainer/best": _primary_metric,
    "/trainer/max_iterations": _run_length,
    "/trainer/validations": _run_length,
    "/trainer/*": _trainer,
    "/data/*": _data,
}
