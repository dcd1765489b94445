"""The heads' part of the plan: the variables of each head in the templates."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

from specc.graph.cost import Level, Summary
from specc.heads import count_of, formats_ignoring, names_of, task_of
from specc.heads.conversions import way_to
from specc.heads.converted import converted
from specc.heads.task import HeadCode, HeadExpressions, Task
from specc.job import Head, Job, sets_of_head, source_of
from specc.plan.neck import NeckPlan
from specc.plan.tables import cells_of, holds_boxes
from specc.source import Line, constant, literal

NAMES_IN_CODE = 100  # most names in the code; more are written to a JSON file
PARTIAL_NOTE = """

    A head learns from the images that are "labeled" (B,) in its targets.
    """
# Tasks whose heads find more of an object than its box and category.
FINDING_MORE = {
    *("instance_segmentation", "keypoint_detection"),
    *("panoptic_segmentation", "quadrilateral_detection"),
}


@dataclass(frozen=True)
class HeadPlan:
    """The plan of one head; `code` holds the head's expressions."""

    name: str
    task: str
    code: HeadExpressions
    loss_weight: float
    names: tuple[str, ...]
    constant: str  # constant with the tuple of names
    numbers: str  # constant with name -> index, for reading annotations
    names_in_file: bool
    names_file: str
    constants: tuple[Line, ...]  # constants of model.py, the names first
    inputs: str  # names of the maps that the head reads
    metrics_prefix: str  # prefix of the names of metrics
    loss_prefix: str  # prefix of the names of loss terms
    annotations: str  # expression: annotations by image name
    own_pixels: str  # template: results in pixels of the image
    pasted: str  # template: masks at the size of the image
    merged: dict[str, str]  # name in the dataset -> name in the job, where they differ
    named: bool  # whether its names, or how many there are, are its first constant
    counted: bool  # whether that is how many
    given: str  # expression: the head's annotation of an image
    known: str  # expression: whether an image, of several heads, has one
    columns: str  # the head's columns in a table, as items of a tuple
    flags: tuple[Line, ...]  # constant with the columns of its names, if it has them
    one_name: bool  # whether the annotation is a name, which the job may lack
    names_key: str  # key of the names in a dataset's metadata
    compared: str  # template: compares the names with a dataset's folders
    compare: str  # function that compares the names with those of a dataset
    compared_with: str  # argument of this function: constant with the names
    coco_compared: str  # template: compares the names with those of a COCO file
    coco_found: str  # expression: the names of a COCO file
    targets: str  # expression of the targets of a batch, in the collation
    always: bool  # whether all images train the head, labeled or not
    joined: str  # label of an image with two labels; "" for a head without labels

    def opens(self, parsers: tuple[str, ...]) -> bool:
        """Returns whether an annotation is parsed by one of these functions."""
        return any(f"{name}(" in self.code.parse for name in parsers)

    @property
    def reads_numbers(self) -> bool:
        read = self.code.parse + self.code.place + self.annotations
        return self.numbers in read or self.numbers == self.compared_with

    @property
    def numbered(self) -> list[Line]:
        """The constant with name -> index, so that reading annotations needs no
        search."""
        places = f"{{name: number for number, name in enumerate({self.constant})}}"
        if not self.merged:
            return [Line(self.numbers, places)]
        merge = self.numbers.replace("NUMBERS", "MERGE")
        joined = f"part: {self.constant}.index(name) for part, name in {merge}.items()"
        note = "name in the dataset -> category that it is learned as"
        return [
            constant(merge, self.merged, note),
            Line(self.numbers, f"{places} | {{{joined}}}"),
        ]

    @property
    def is_labeled(self) -> str:
        """The expression: whether an image has a label for this head, of several
        heads."""
        named = f" and is_named({self.given}, {self.numbers}, counts)"
        return self.known + named * self.one_name

    @property
    def parse(self) -> str:
        return self.code.parse

    @property
    def place(self) -> str:
        return self.code.place

    @property
    def shown(self) -> str:
        """The expression of what messages show of a `label`."""
        return f"{self.code.indexed}[label]" if self.code.indexed else "label"

    @property
    def contradiction(self) -> str:
        return f"labels of one image contradict: its {self.name} is "

    @property
    def label_words(self) -> str:
        return self.code.label_words

    @property
    def evidence(self) -> str:
        return self.code.evidence or f"predictions[{literal(self.name)}]"

    @property
    def own(self) -> str:
        return self.code.own

    @property
    def things(self) -> str:
        return self.code.things

    @property
    def draw(self) -> str:
        return self.code.draw

    @property
    def loss(self) -> str:
        return self.code.loss


def plan_heads(
    job: Job, summary: Summary, neck: NeckPlan | None
) -> tuple[HeadPlan, ...]:
    return tuple(_plan(job, head, summary) for head in job.heads)


def _plan(job: Job, head: Head, summary: Summary) -> HeadPlan:
    several, task = len(job.heads) > 1, task_of(head)
    source = source_of(job, head)
    read = [level for level in summary.levels if head.name in level.heads]
    code = _code(job, head, task, read)
    known, columns, flags = f"given[{literal(head.name)}] is not None", "", ()
    always_named = False
    if source.format == "csv" and not holds_boxes(source):
        cells = cells_of(job, head, code.prefix, code.constant)
        code = replace(code, given=cells.given, flagged=cells.flagged)
        known, columns = cells.known, cells.columns
        flags = (cells.flags,) if cells.flags else ()
        always_named = cells.always_named
    expressions = task.plan(head, code)
    if way := way_to(head):
        expressions = converted(expressions, way, code.format, code)
    if not expressions.place:
        expressions = replace(expressions, place=code.labels)
    names = names_of(head, task)
    file, trained = f"{task.names}.json", "_trained" * bool(task.training_note)
    in_file = len(names) > NAMES_IN_CODE
    file = f"{head.name}.{file}" if several else file
    named = count_of(head, task) > 0
    own = [_names(code.constant, names, expressions.names, file if in_file else None)]
    if code.counted:
        note = "distinct ones of the training set, in sorted order"
        own = [constant(code.constant, count_of(head, task), note)]
    return HeadPlan(
        name=head.name,
        task=head.task,
        code=expressions,
        loss_weight=head.loss_weight,
        names=names,
        constant=code.constant,
        numbers=code.numbers,
        names_in_file=in_file,
        names_file=file,
        constants=(*(own if named else []), *expressions.constants),
        named=named,
        counted=code.counted,
        inputs=", ".join(_map(level) for level in read),
        metrics_prefix=f"{head.name}/",
        loss_prefix=f"{head.name}/loss/",
        annotations=expressions.annotations or _annotations(task, code),
        own_pixels=task.own_pixels.get(
            "resized" if job.backbone.resize_input else "whole", ""
        ),
        pasted=task.pasted,
        merged=_merged(head),
        given=code.given,
        known=known,
        columns=columns,
        flags=flags,
        one_name=task.one_name and not always_named,
        names_key=task.dataset_key or task.names,
        compare="compare_categories" if task.may_leave_out else "compare_names",
        compared_with=code.numbers if task.may_leave_out else f"set({code.constant})",
        compared="" if code.counted else f"dataset/compare_folders{trained}.py.jinja",
        coco_compared=task.coco.compared,
        coco_found=task.coco.found,
        targets=_targets(job, head, task),
        always=task.unlabeled or task.views,
        joined="" if task.unlabeled else _joined(head, task, expressions),
    )


def _targets(job: Job, head: Head, task: Task) -> str:
    name = literal(head.name)
    if not task.stack:
        return "{}"
    if is_partial(job):
        return f"stacked({task.stack}, {name}, labels)"
    return f"{task.stack}([one[{name}] for one in labels])"


def _joined(head: Head, task: Task, expressions: HeadExpressions) -> str:
    """Returns the expression of the label of an image that two samples have."""
    name = literal(head.name)
    if not task.joined:
        names = f", {expressions.indexed}" * bool(expressions.indexed)
        return f"same({name}, one, sample{names})"
    labels = {"ONE": f"one.labels[{name}]", "OTHER": f"sample.labels[{name}]"}
    return re.sub(r"\bONE\b|\bOTHER\b", lambda found: labels[found[0]], task.joined)


def _merged(head: Head) -> dict[str, str]:
    merge = getattr(head, "merge", None) or {}
    return {part: name for name, parts in merge.items() for part in parts}


def _code(job: Job, head: Head, task: Task, read: list) -> HeadCode:
    """Returns the names that the emitted modules give to what belongs to a head."""
    several, source = len(job.heads) > 1, source_of(job, head)
    form, places = source.format, [sets_of_head(job, one) for one in job.heads]
    shared = places.count(sets_of_head(job, head)) > 1
    keyed = shared and form == "native"
    prefix = f"{code_name(head.name).upper()}_" if several else ""
    key = f"[{literal(head.name)}]"
    ignoring = formats_ignoring(job)
    return HeadCode(
        job=job,
        format=form,
        name=head.name,
        prefix=prefix,
        constant=f"{prefix}{task.names.upper()}",
        counted=count_of(head, task) > len(names_of(head, task)),
        given=f"given{key}" if keyed else "given",
        outputs=f"outputs{key}" if several else "outputs",
        targets=f"targets{key}",
        results=f"results{key}",
        labels=f"sample.labels{key}",
        words=f"predictions{key}",
        width=_width(read[0]),
        widths=_widths([_width(level) for level in read]),
        levels=tuple(level.level for level in read),
        partial=is_partial(job),
        ignores=bool(ignoring),
        own_areas=bool({"coco", "yolo"} & ignoring),
    )


def is_partial(job: Job) -> bool:
    """Returns whether an image may have labels for some heads and not for others, as in
    formats where each head has annotations of its own."""
    places = {sets_of_head(job, head) for head in job.heads}
    if len(job.heads) == 1 or len(places) > 1:
        return len(job.heads) > 1
    source = source_of(job, job.heads[0])
    return source.format in ("native", "csv") and not holds_boxes(source)


def plan_partial(job: Job) -> dict[str, Any]:
    """Returns the variables of heads for which some images lack labels, and which
    points of images count where not all do."""
    partial, ignores = is_partial(job), bool(formats_ignoring(job))
    alone = not FINDING_MORE & {head.task for head in job.heads}
    counted = "(assigned > -2)" if alone and partial else "assigned > -2"
    counted = (counted if alone else "positives.counted", 'targets["labeled"][:, None]')
    return {
        "partial": partial,
        "partial_note": PARTIAL_NOTE * partial,
        "detects_alone": alone,
        "weighs_points": partial or ignores,
        "counted_points": " & ".join(counted[not ignores : 1 + partial]),
    }


def _width(level: Level) -> str:
    return "CHANNELS" if level.neck else str(level.backbone)


def _widths(each: list[str]) -> str:
    """Returns the source of a tuple of widths."""
    if len(set(each)) == 1 < len(each):
        return f"({each[0]},) * {len(each)}"
    return f"({', '.join(each)}{',' * (len(each) == 1)})"


def code_name(name: str) -> str:
    """Returns a head's name as part of an identifier."""
    return name.replace("-", "_")


def _map(level) -> str:
    return f"{'p' if level.neck else 'c'}{level.level}"


def _annotations(task: Task, code: HeadCode) -> str:
    names = f"{literal(task.names)}, {code.numbers}"
    title = literal(task.described_as or task.title)
    return f"read_annotations(folder, {title}, {names})"


def _names(name: str, names: tuple[str, ...], source: str, file: str | None) -> Line:
    if file is None:
        return Line(name, source) if source else constant(name, names)
    path = f"Path(__file__).with_name({literal(file)})"
    return Line(name, f'tuple(json.loads({path}.read_text(encoding="utf-8")))')
