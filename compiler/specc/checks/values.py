"""Rules on values that are legal one by one but contradict each other: E301..E322.
Further rules are in augmentation.py, data.py, maps.py, keypoints.py, panoptic.py, anomalies.py and
split.py."""

from __future__ import annotations

from specc.backbones import TABLES
from specc.checks.anomalies import (
    anomalies_are_validated,
    backbone_is_trained,
    neck_is_trained,
)
from specc.checks.augmentation import (
    color_to_change,
    views_differ,
    whole_images,
)
from specc.checks.batches import NOTE, PATH, views_have_others
from specc.checks.data import (
    bits,
    conversions,
    formats,
    one_task,
    test_sets,
    training_set,
)
from specc.checks.keypoints import flip_pairs, mirroring, sigmas
from specc.checks.layout import (
    folders_of_maps,
    head_options,
    layouts,
    places,
    sets_of_layouts,
)
from specc.checks.maps import map_findings
from specc.checks.merge import merged_names
from specc.checks.panoptic import things_are_categories
from specc.checks.split import split_findings
from specc.checks.splits import splits
from specc.checks.tables import tables
from specc.diagnostics import Diagnostic, certain, drop, likely, put
from specc.heads import names_of, task_of
from specc.job import Job, source_of
from specc.language.schema import head, metrics_of
from specc.words import close_to, did_you_mean, listed, number_of, quoted


def inconsistencies(job: Job, given: dict) -> list[Diagnostic]:
    """Returns all contradictions of a job; `given` are the values in the file."""
    rules = (
        _head_names,
        _code_names,
        _best,
        _ranges,
        _kinds,
        _milestones,
        _validation_set,
        split_findings,
        _validations,
        formats,
        conversions,
        views_differ,
        color_to_change,
        whole_images,
        _imagenet,
        _frozen_levels,
        _shares,
        views_have_others,
        _patience,
        _clock,
        merged_names,
        map_findings,
        things_are_categories,
        flip_pairs,
        sigmas,
        mirroring,
        anomalies_are_validated,
        neck_is_trained,
        backbone_is_trained,
        one_task,
        training_set,
        test_sets,
        bits,
        layouts,
        places,
        sets_of_layouts,
        tables,
        splits,
        head_options,
        folders_of_maps,
        _tokens,
    )
    return [finding for rule in rules for finding in rule(job, given)]


def _head_names(job: Job, given: dict) -> list[Diagnostic]:
    findings, first = [], {}
    for index, one in enumerate(job.heads):
        if one.name in first:
            message = f"heads {first[one.name]} and {index} are both named `{one.name}`"
            path = ("model", "heads", index, "name")
            help = f'give head {index} a name of its own: "name": "{one.name}_{index}"'
            edit = likely(put(path, f"{one.name}_{index}"))
            findings.append(Diagnostic("E301", message, path, help=help, edit=edit))
        first.setdefault(one.name, index)
    return findings


def _code_names(job: Job, given: dict) -> list[Diagnostic]:
    findings, first = [], {}
    for index, one in enumerate(job.heads):
        other = first.setdefault(one.name.replace("-", "_"), one.name)
        if other != one.name:
            message = f"heads `{other}` and `{one.name}` have the same name in code"
            path = ("model", "heads", index, "name")
            note = "identifiers have `_` where a name has `-`"
            help = f'give head {index} a name of its own: "name": "{one.name}_{index}"'
            edit = likely(put(path, f"{one.name}_{index}"))
            findings.append(
                Diagnostic("E308", message, path, note=note, help=help, edit=edit)
            )
    return findings


def _best(job: Job, given: dict) -> list[Diagnostic]:
    name, _, metric = job.trainer.best.partition("/")
    path = ("trainer", "best")
    heads = {one.name: one for one in job.heads}
    if name not in heads:
        known = list(heads)
        message = f"`best` names the head `{name}`, which the job has not"
        help = did_you_mean(name, known) or f"the heads are {listed(known)}"
        meant = known[0] if known[1:] == [] else close_to(name, known)
        # A job of one head has no other whose metric could be meant.
        make = certain if known[1:] == [] else likely
        edit = make(put(path, f"{meant}/{metric}")) if meant else None
        return [Diagnostic("E302", message, path, help=help, edit=edit)]
    metrics = metrics_of(heads[name])
    if metric in metrics:
        return []
    message = f"`best` names the metric `{metric}`, which {heads[name].task} has not"
    help = did_you_mean(metric, metrics) or f'write "{name}/{metrics[0]}"'
    note = f"its metrics are {listed(metrics)}"
    edit = likely(put(path, f"{name}/{close_to(metric, metrics) or metrics[0]}"))
    return [Diagnostic("E303", message, path, note=note, help=help, edit=edit)]


def _ranges(job: Job, given: dict) -> list[Diagnostic]:
    """E312: the ends of a head's range differ, and the lower one is first."""
    findings = []
    for index, one in enumerate(job.heads):
        lowest, highest = getattr(one, "range", (0, 1))
        if lowest >= highest:
            message = f"the range of head `{one.name}` goes from {lowest} to {highest}"
            path = ("model", "heads", index, "range")
            help, edit = "write the lowest value, then a higher one", None
            if lowest > highest:
                help = f"write [{highest}, {lowest}]"
                edit = certain(put(path, [highest, lowest]))
            findings.append(Diagnostic("E312", message, path, help=help, edit=edit))
    return findings


def _kinds(job: Job, given: dict) -> list[Diagnostic]:
    """E313: a head that chooses one of its names has at least two names."""
    findings = []
    for index, one in enumerate(job.heads):
        task = task_of(one)
        if len(names_of(one, task)) != 1 or task.fewest == 1:
            continue
        unknown = "pixels of no category are unknown, and not learned from"
        findings.append(
            Diagnostic(
                "E313",
                f"head `{one.name}` has one {task.counted[0]}, and none to tell it from",
                ("model", "heads", index, task.names),
                note=unknown if hasattr(one, "colors") else "",
                help=f"add another {task.counted[0]}: that of all else, for instance",
            )
        )
    return findings


def _milestones(job: Job, given: dict) -> list[Diagnostic]:
    values = job.trainer.scheduler.milestones if job.trainer.scheduler else ()
    for index in range(1, len(values)):
        before, value = values[index - 1], values[index]
        if value <= before:
            message = f"milestone {value} follows {before}, and must be larger"
            path = ("trainer", "scheduler", "milestones", index)
            ordered = sorted(set(values))
            make = certain if len(ordered) == len(values) else likely
            edit = make(put(path[:-1], ordered))
            help = f"write {ordered}"
            return [Diagnostic("E304", message, path, help=help, edit=edit)]
    return []


def _validation_set(job: Job, given: dict) -> list[Diagnostic]:
    fraction = given["data"].get("validation_fraction")
    sources = [source_of(job, head) for head in job.heads]
    if fraction is None or any(source.validation is None for source in sources):
        return []
    message = "both `validation` and `validation_fraction` are given"
    note = "the fraction is split off the training set only where there is no other set"
    path, help = ("data", "validation_fraction"), "remove one of the two"
    edit = likely(drop(path))
    return [Diagnostic("E305", message, path, note=note, help=help, edit=edit)]


def _validations(job: Job, given: dict) -> list[Diagnostic]:
    most, count = job.trainer.max_iterations, job.trainer.validations
    if most is None or count <= most:
        return []
    message = f"{count} validations do not fit into {number_of(most, 'iteration')}"
    help, path = f"set /trainer/validations to {most} or less", (
        "trainer",
        "validations",
    )
    edit = likely(put(path, most))
    return [Diagnostic("E306", message, path, help=help, edit=edit)]


def _imagenet(job: Job, given: dict) -> list[Diagnostic]:
    start, name = job.trainer.initialization, job.backbone.name
    if start.kind != "imagenet" or start.weights or name not in TABLES:
        return []  # checks/timm.py asks timm about its models
    if TABLES[name].weights:
        return []
    message = f"timm publishes no ImageNet weights for the backbone `{name}`"
    path = ("trainer", "initialization", "kind")
    help = "name a local file in /trainer/initialization/weights, or start at random"
    edit = likely(put(path, "random"))
    return [Diagnostic("E320", message, path, help=help, edit=edit)]


def _frozen_levels(job: Job, given: dict) -> list[Diagnostic]:
    backbone, start = job.backbone, job.trainer.initialization.kind
    path = ("model", "backbone", "frozen_levels")
    findings = []
    if backbone.frozen_levels > backbone.top_level:
        message = (
            f"`frozen_levels` is {backbone.frozen_levels},"
            f" backbone `{backbone.name}` ends at level {backbone.top_level}"
        )
        help = f"set /model/backbone/frozen_levels to {backbone.top_level} or less"
        edit = likely(put(path, backbone.top_level))
        findings.append(Diagnostic("E321", message, path, help=help, edit=edit))
    untrained = all(head(one.task).get("x-trains-no-trunk") for one in job.heads)
    if backbone.frozen_levels and start == "random" and not untrained:
        message = (
            f"backbone `{backbone.name}` is frozen up to level"
            f" {backbone.frozen_levels}, and its weights are drawn at random"
        )
        help = (
            "set /trainer/initialization to weights worth keeping, such as"
            ' {"kind": "imagenet"}, or /model/backbone/frozen_levels to 0'
        )
        edit = likely(put(("trainer", "initialization"), {"kind": "imagenet"}))
        findings.append(Diagnostic("E322", message, path, help=help, edit=edit))
    return findings


def _shares(job: Job, given: dict) -> list[Diagnostic]:
    """E309: every micro-batch of every process has the same number of images."""
    trainer, slurm = job.trainer, job.trainer.slurm
    windows = trainer.accumulation or 1
    processes = slurm.nodes * slurm.gpus_per_node if slurm else 1
    shares = windows * processes
    if trainer.batch_size % shares == 0:
        return []
    parts = [f"{windows} micro-batches"] if windows > 1 else []
    parts += [f"{processes} processes"] if processes > 1 else []
    images = number_of(trainer.batch_size, "image")
    message = f"{' of '.join(parts)} cannot share {images} evenly"
    below = trainer.batch_size // shares * shares
    sizes = [size for size in (below, below + shares) if size]
    help = f"set /trainer/batch_size to {' or '.join(map(str, sizes))}"
    path, edit = ("trainer", "batch_size"), likely(put(PATH, sizes[0]))
    return [Diagnostic("E309", message, path, note=NOTE, help=help, edit=edit)]


def _patience(job: Job, given: dict) -> list[Diagnostic]:
    """E310: a run can stop early: the first validation is a best, patience counts later
    ones."""
    patience, count = job.trainer.early_stopping, job.trainer.validations
    if patience is None or patience < count - 1:
        return []
    waits = number_of(patience, "validation")
    message = (
        f"`early_stopping` waits for {waits} after the best, "
        f"the run makes {count} in all"
    )
    help = f"set /trainer/validations to {patience + 2} or more"
    if count > 2:
        help += f", or /trainer/early_stopping to {count - 2} or less"
    edit = likely(put(("trainer", "validations"), patience + 2))
    path = ("trainer", "early_stopping")
    return [Diagnostic("E310", message, path, help=help, edit=edit)]


def _clock(job: Job, given: dict) -> list[Diagnostic]:
    if not job.trainer.deterministic or job.trainer.max_hours is None:
        return []
    message = "`deterministic` and `max_hours` are both set"
    note = "a learning rate that follows the clock is never the same twice"
    help = "set /trainer/deterministic to false, or /trainer/max_hours to null"
    path = ("trainer", "deterministic")
    edit = likely(put(path, False))
    return [Diagnostic("E311", message, path, note=note, help=help, edit=edit)]


def _tokens(job: Job, given: dict) -> list[Diagnostic]:
    """E361: no token is listed twice. The schema knows that the items of a list differ,
    but not the characters of a text."""
    findings = []
    for index, one in enumerate(job.heads):
        tokens = getattr(one, "tokens", ())
        again = [token for i, token in enumerate(tokens) if token in tokens[:i]]
        if again:
            message = f"`tokens` of head `{one.name}` holds {quoted(again[0])} twice"
            path = ("model", "heads", index, "tokens")
            note = "each character of the text is a token"
            help = "remove one of the two"
            edit = likely(put(path, "".join(dict.fromkeys(tokens))))
            findings.append(
                Diagnostic("E361", message, path, note=note, help=help, edit=edit)
            )
    return findings
