"""Makes the values of a drawn job agree, as the rules of consistency want it.

The schema alone lets contradict each other what a job says in several places, so that
rules refuse most of what is drawn from it, and no code is seen. Only values that some
rule compares are changed here; new options are drawn without a change.
"""

from __future__ import annotations

import copy

from specc.backbones import TABLES
from specc.checks.layout import options
from specc.heads import TASKS
from specc.heads.conversions import sources_of, way
from specc.language.schema import head as head_schema
from specc.language.schema import part

OPTIONS = part("common")["$defs"]["layout"]["properties"]
MOST_IMAGES = 65536  # most images of a batch
WHOLE = {"regression", "scene_text_recognition", "autoregressive_text_recognition"}


def agreeing(job: dict) -> dict:
    """The same job, in which hardly any value contradicts another."""
    job = copy.deepcopy(job)  # lists may be shared with the strategies
    data, heads = job["data"], job["model"]["heads"]
    trainer = job["trainer"] = job.get("trainer") or {}
    tell_apart(heads)
    for head in heads:
        agree_inside(head)
    agree_with_heads(data, heads)
    convert(data, heads, len(job["name"]))
    lay_out(data, heads)
    mirror(data, heads)
    validate(data, heads)
    test(data, heads)
    lay_out(data, heads)
    start(job["model"], trainer)
    count(trainer)
    share(trainer)
    if trainer.get("best"):
        trainer["best"] = metric_of(heads[-1])
    return job


# ---- Heads ----


def tell_apart(heads: list[dict]) -> None:
    seen = set()
    for index, head in enumerate(heads):
        name = (head.get("name") or head["task"]).replace("-", "_")
        if name in seen:
            head["name"] = f"h{index}"  # no drawn name is a letter `h` and a digit
        seen.add(name)


def agree_inside(head: dict) -> None:
    names = head.get("categories") or ()
    if len(names) == 1 and TASKS[head["task"]].fewest == 2:
        names = head["categories"] = [*names, f"{names[0]}2"]
    if head.get("merge"):
        own = names or head["labels"]
        parts = {x for of_one in head["merge"].values() for x in of_one} - {*own}
        head["merge"] = {own[0]: sorted(parts)} if parts else None
    if head["task"] == "semantic_segmentation" or "colors" in head:
        head["colors"] = [[i % 256, i // 256, 255] for i in range(len(names))]
    if head.get("things"):
        head["things"] = names[: len(head["things"])]
    if "range" in head:
        low, high = sorted(head["range"])
        head["range"] = [low, high if high > low else low + 1]
    if isinstance(head.get("tokens"), str):
        head["tokens"] = "".join(dict.fromkeys(head["tokens"]))
    points = head.get("keypoints") or ()
    if head.get("sigmas"):
        head["sigmas"] = (head["sigmas"] * len(points))[: len(points)]
    if head.get("flip_pairs"):
        head["flip_pairs"] = [points[:2]] if len(points) > 1 else []


def metric_of(head: dict) -> str:
    """The last metric of a head that any such head has."""
    schema = head_schema(head["task"])
    metrics = [
        name for name in schema["x-metrics"] if name not in schema.get("x-needs", ())
    ]
    return f"{head.get('name') or head['task']}/{metrics[-1]}"


# ---- Data ----


def agree_with_heads(data: dict, heads: list[dict]) -> None:
    """Each dataset has a format that holds what is learned from it."""
    own = [head["data"] for head in heads if head.get("data")]
    if len(own) == len(heads):
        own[0]["train"] = None  # some head learns from the set of the job
    tasks = {head["task"] for head in heads}
    if not all(holds(data.get("format"), task) for task in tasks):
        data["format"] = None
    if data.get("format") in ("coco", "yolo", "maps") and len(tasks) > 1:
        data["format"] = None  # a file of these is read for one task
    for head in heads:
        if source := head.get("data"):
            if not source.get("train") or not holds(source.get("format"), head["task"]):
                source["format"] = None


def lay_out(data: dict, heads: list[dict]) -> None:
    """Layouts and heads have the options of their formats; tables fit the heads that
    read them, and maps have their folders."""
    sources = [data, *(head["data"] for head in heads if head.get("data"))]
    alone = len(sources) == 1
    tasks = {data.get("task") or head["task"] for head in heads}
    drop_tables(data, sources, tasks)
    for source in sources:
        if source is not data and not source.get("train"):
            source["layout"] = source["format"] = None
        form = source.get("format") or data.get("format") or "native"
        layout = {
            key: value
            for key, value in (source.get("layout") or {}).items()
            if form in OPTIONS[key]["x-formats"] and (alone or form != "csv")
        }
        if form == "maps":
            layout |= places_of_maps(layout, heads)
        elif form == "csv":
            layout = as_table(layout, heads, tasks)
        source["layout"] = layout or None
    for head in heads:
        own = head.get("data") or {}
        form = own.get("train") and own.get("format") or data.get("format") or "native"
        for key, option in head_schema(head["task"])["properties"].items():
            if form not in option.get("x-formats", [form]):
                head.pop(key, None)
        if form == "maps":
            read_maps(head, own.get("task") or data.get("task"))
    drop_absent_sets(data, heads)


def drop_tables(data: dict, sources: list[dict], tasks: set[str]) -> None:
    """A job with several datasets has no tables that need a layout."""
    alone = len(sources) == 1
    if "object_detection" in tasks and (len(tasks) > 1 or not alone):
        data["format"] = None if data.get("format") == "csv" else data.get("format")
    for source in sources:
        if source.get("format") == "csv":
            lists = not alone and "multilabel_classification" in tasks
            if lists or source is not data:
                source["format"] = None


def places_of_maps(layout: dict, heads: list[dict]) -> dict:
    """The folders of maps, which those of normal images need for validation alone."""
    normal = any(head["task"] == "anomaly_detection" for head in heads)
    places = {
        "train_labels": None if normal else layout.get("train_labels") or "maps",
        "validation_labels": layout.get("validation_labels") or "maps",
        "test_labels": layout.get("test_labels") or "maps",
        "label_folder": None,
    }
    if normal or not layout.get("train_images"):
        places |= {"train_images": None, "validation_images": None}
    return places


def read_maps(head: dict, source: str | None) -> None:
    """Values or colors tell the categories; numbers of instances tell none."""
    if head["task"] == "semantic_segmentation":
        count = len(head["categories"])
        if head.get("values"):
            head["values"] = list(range(count))
        else:
            head["colors"] = [[i % 256, i // 256, 255] for i in range(count)]
        if head.get("ignored"):
            head["ignored"] = [65535] if head.get("values") else [[0, 0, 0]]
    if "instance_segmentation" in (head["task"], source):
        names = next(key for key in ("categories", "labels") if key in head)
        head[names] = head[names][:1]
        head.pop("colors", None)


def convert(data: dict, heads: list[dict], number: int) -> None:
    """Annotations are for another task where they can become those of the heads; the
    number chooses among those that can."""
    if data.get("task"):
        data["task"] = None
        if len(heads) == 1:
            data["task"] = convertible(heads[0], data.get("format"), number)
    for head in heads:
        source = head.get("data")
        if source and source.get("task"):
            form = source.get("format") or data.get("format")
            task = convertible(head, form, number) if source.get("train") else None
            source["task"] = task


def as_table(layout: dict, heads: list[dict], tasks: set[str]) -> dict:
    """The layout of one table for all heads."""
    boxes, names = "object_detection" in tasks, ("separator", "decimal")
    gone = names if boxes else ("box", "box_form", "box_unit", "size", "crowd")
    layout = {key: value for key, value in layout.items() if key not in gone}
    columns = layout.get("columns") or {}
    image = columns.get("image")
    layout["columns"] = {"image": image} if isinstance(image, str) else None
    if boxes:
        layout["box"] = (["l", "t", "r", "b"], ["box"])[len(layout) % 2]
    elif "multilabel_classification" in tasks:
        layout["separator"] = layout.get("separator") or "bar"
    elif "regression" in tasks:
        layout["separator"] = None
    if not any("text" in task or "multilabel" in task for task in tasks):
        layout["separator"] = None
    for key in ("header", "quotes", "missing"):
        if layout.get("delimiter") in ("json", "space"):
            layout[key] = None
    if layout.get("delimiter") == "json" and boxes:
        layout |= {"box": ["o.bbox"], "crowd": None, "size": None}
    if layout.get("header") or layout.get("delimiter") == "space":
        names = [head.get("name") or head["task"] for head in heads]
        read = [isinstance(image, str) and image or "image", *names]
        for key in ("box", "size"):
            read += layout.get(key) or []
        read += [layout[key] for key in ("crowd", "split") if layout.get(key)]
        layout["header"] = [*dict.fromkeys(read)]
    return {key: value for key, value in layout.items() if value is not None}


def convertible(head: dict, form: str | None, number: int) -> str | None:
    form = form or "native"
    known = [
        task
        for task in sources_of(head["task"])
        if holds(form, task) and way(task, head["task"], form)
    ]
    if not known:
        return None
    task = known[number % len(known)]
    for names in ("categories", "labels"):  # keypoints are those of one category
        if names in head and task == "keypoint_detection":
            head[names] = head[names][:1]
    return task


def holds(form: str | None, task: str) -> bool:
    return (form or "native") in head_schema(task)["x-formats"]


def mirror(data: dict, heads: list[dict]) -> None:
    """Images may be mirrored if that is said to change keypoints, and cropped if no label
    is of whole ones; colors change where there are some; views differ."""
    tasks = {head["task"] for head in heads}
    chosen = data.get("augmentation") or {}
    if data.get("channels") in (1, 4):
        for change in ("hue", "grayscale"):
            chosen.pop(change, None)
    if tasks & WHOLE:
        chosen.pop("random_crop", None)
    if "view_invariance_learning" in tasks:
        data["augmentation"] = chosen | {"color": chosen.get("color") or 0.3}
    flips = ("horizontal_flip", "vertical_flip", "transpose")
    if any(chosen.get(flip) for flip in flips):
        for head in heads:
            if head["task"] == "keypoint_detection":
                head["flip_pairs"] = head.get("flip_pairs") or []


def validate(data: dict, heads: list[dict]) -> None:
    """Whatever holds images out has nothing against it."""
    for head in heads:
        identities = head["task"] == "metric_learning"
        if identities and len(heads) == 1:
            data["group"] = None
        elif identities or head["task"] == "anomaly_detection":
            source = head.get("data") or {}
            held = source if source.get("train") else data
            held["validation"] = held.get("validation") or held["train"]
    several = any((head.get("data") or {}).get("train") for head in heads)
    if data.get("validation") or several:
        data["group"] = data["validation_fraction"] = None


def test(data: dict, heads: list[dict]) -> None:
    """All heads have a test set, or none has; it is no other set."""
    own = [head["data"] for head in heads if head.get("data")]
    for source in own:
        tested = data.get("test") and source.get("train")
        source["test"] = f"{source['train']}-test" if tested else None
    if data.get("test"):
        data["test"] = f"{data['train']}{data.get('validation') or ''}-test"


def drop_absent_sets(data: dict, heads: list[dict]) -> None:
    """Layouts have the options of their formats, for sets that are there."""
    for source in (data, *(head["data"] for head in heads if head.get("data"))):
        layout, form = source.get("layout") or {}, source.get("format")
        sets = [name for name in ("train", "validation", "test") if source.get(name)]
        for key in [key for key in layout if form not in options()[key]["x-formats"]]:
            del layout[key]
        for key in [key for key in layout if form == "coco"]:
            name, _, what = key.partition("_")
            if what == "labels" or what == "images" and name not in sets:
                del layout[key]
        if "last" in (layout.get("file_names") or ""):
            layout["prefix"] = None
        for name in ("train", "validation", "test"):
            layout.pop(f"{name}_rows", None)
            shared = not source.get("train") and data.get(name)
            if layout.get("split") and (shared or name in sets):
                layout[f"{name}_rows"] = name


# ---- Model and trainer ----


def start(model: dict, trainer: dict) -> None:
    """Frozen weights come from somewhere, and a trained head trains the neck."""
    backbone, initial = model.get("backbone") or {}, trainer.get("initialization") or {}
    if backbone.get("frozen_levels") and not initial.get("kind"):
        backbone["frozen_levels"] = 0
    if backbone.get("frozen_levels") and initial["kind"] == "random":
        backbone["frozen_levels"] = 0
    if initial.get("kind") == "imagenet" and not initial.get("weights"):
        table = TABLES.get(backbone.get("name") or "resnet18")
        initial["weights"] = None if table is None or table.weights else "weights.pth"
    if all(
        head_schema(head["task"]).get("x-trains-no-trunk") for head in model["heads"]
    ):
        model["neck"] = {"kind": "none"}
        backbone.pop("frozen_levels", None)


def count(trainer: dict) -> None:
    """The length of the run, and the validations that fit into it."""
    most = trainer.get("max_iterations") or 10000
    if trainer.get("max_hours"):
        trainer["deterministic"] = False
    waits = trainer.get("early_stopping")
    if waits and waits + 2 > min(most, 10000):
        waits = trainer["early_stopping"] = None
    if waits:
        trainer["validations"] = max(waits + 2, trainer.get("validations") or 0)
    if trainer.get("validations"):
        trainer["validations"] = min(trainer["validations"], most)
    schedule = trainer.get("scheduler") or {}
    if schedule.get("milestones"):
        schedule["milestones"] = sorted(set(schedule["milestones"]))


def share(trainer: dict) -> None:
    """Every window of every process has as many images as any other."""
    windows, slurm = trainer.get("accumulation") or 1, trainer.get("slurm")
    processes = 1
    if slurm is not None:
        processes = (slurm.get("nodes") or 1) * (slurm.get("gpus_per_node") or 8)
    if windows * processes > MOST_IMAGES:
        trainer["slurm"], processes = None, 1
    parts, size = windows * processes, trainer.get("batch_size") or 16
    trainer["batch_size"] = max(parts, size // parts * parts)
