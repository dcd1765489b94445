"""Rules on the datasets of heads, which may contradict the heads: E307, E345, E381 to
E384, E388, E389."""

from __future__ import annotations

from specc.diagnostics import Diagnostic, Path, drop, likely, pointer_of, put
from specc.heads import TASKS
from specc.heads.conversions import dataset_task, formats_of, sources_of, way
from specc.job import Head, Job, sets_of_head, source_of
from specc.words import listed, quoted

LAYOUTS = {  # formats with files for a single task
    **{"coco": "COCO", "yolo": "YOLO", "dota": "DOTA"},
    "maps": "map",
}


def formats(job: Job, given: dict) -> list[Diagnostic]:
    """E307: the format of a dataset holds annotations for the heads that read it."""
    findings = []
    for index, head in enumerate(job.heads):
        source, known = source_of(job, head), formats_of(head)
        if source.format in known or (source.task and not way(source.task, head.task)):
            continue
        learns = f"learns {head.task}" + f" from {source.task}" * bool(source.task)
        message = (
            f"head `{head.name}` {learns}, "
            f"the format `{source.format}` holds no annotations for it"
        )
        path = ("model", "heads", index, "task")
        place = _own(given, index, "format") or ("data", "format")
        help = f"set {pointer_of(place)} to {listed(known, 'or')}"
        edit = likely(put(place, known[0])) if known else None
        findings.append(Diagnostic("E307", message, path, help=help, edit=edit))
    return findings


def conversions(job: Job, given: dict) -> list[Diagnostic]:
    """E381: annotations can be converted for the head's task; E382: keypoints do not
    tell categories."""
    findings = []
    for index, head in enumerate(job.heads):
        source = source_of(job, head)
        if source.task is None:
            continue
        path = _own(given, index, "task") or ("data", "task")
        tasks = way(source.task, head.task, source.format)
        if not way(source.task, head.task):
            findings.append(_impossible(head, source.task, path))
        elif tasks and not TASKS[tasks[0]].names_instances and len(_names(head)) > 1:
            count = len(_names(head))
            findings.append(
                Diagnostic(
                    "E382",
                    f"head `{head.name}` has {count} categories,"
                    " annotations of keypoints tell none apart",
                    path,
                    help=f"leave head `{head.name}` one category",
                )
            )
    return findings


def _impossible(head: Head, task: str, path: Path) -> Diagnostic:
    possible = sources_of(head.task)
    message = f"head `{head.name}` learns {head.task}, which {task} cannot become"
    own = TASKS[head.task].described_as.replace(" ", "_") or head.task
    help = f"remove the option, so that the annotations are for {own} themselves"
    if possible:
        choices = listed([quoted(one) for one in possible], "or")
        help = f"write {choices}, which can, or {help}"
    return Diagnostic("E381", message, path, help=help, edit=likely(drop(path)))


def one_task(job: Job, given: dict) -> list[Diagnostic]:
    """E345: a COCO file, or YOLO's labels, are read for one task."""
    findings, first = [], {}
    for index, head in enumerate(job.heads):
        source = source_of(job, head)
        other = first.setdefault(sets_of_head(job, head), head)
        same = dataset_task(job, other) == dataset_task(job, head)
        if source.format not in LAYOUTS or same:
            continue
        findings.append(
            Diagnostic(
                "E345",
                f"heads `{other.name}` and `{head.name}` read other parts of"
                f" {LAYOUTS[source.format]} files",
                ("model", "heads", index, "task"),
                note="such a file is read for one task; others may be converted from it",
                help=f"name another file in /model/heads/{index}/data/train, or set"
                " /data/format to native",
            )
        )
    return findings


def training_set(job: Job, given: dict) -> list[Diagnostic]:
    """E383: the datasets of the job are those of some head."""
    if any(source_of(job, head).train == job.data.train for head in job.heads):
        return []
    other = job.heads[0].data.train
    return [
        Diagnostic(
            "E383",
            f"no head learns from {quoted(job.data.train)}:"
            " each has a training set of its own",
            ("data", "train"),
            note="heads without a training set of their own learn from this one",
            help=f"write {quoted(other)}, as head `{job.heads[0].name}` has it",
            edit=likely(put(("data", "train"), other)),
        )
    ]


def test_sets(job: Job, given: dict) -> list[Diagnostic]:
    """E388: nothing is chosen by the images of a test set, and nothing learned from
    them; E389: where a head has a test set, all have one."""
    findings = []
    for index, head in enumerate(job.heads):
        source = source_of(job, head)
        path = _own(given, index, "test") or ("data", "test")
        if source.test is None or source.format == "yolo":  # one file names all sets
            continue
        if source.layout and source.layout.split:  # one table holds all sets: E398
            continue
        for key in ("train", "validation"):
            if getattr(source, key) == source.test and path not in _places(findings):
                message = f"{quoted(source.test)} is both `{key}` and `test`"
                help, edit = "name another test set, or remove `test`", likely(
                    drop(path)
                )
                findings.append(Diagnostic("E388", message, path, help=help, edit=edit))
    return findings or _untested(job)


def _places(findings: list[Diagnostic]) -> list[Path]:
    return [finding.path for finding in findings]


def _untested(job: Job) -> list[Diagnostic]:
    """E389."""
    tests = {head.name: source_of(job, head).test for head in job.heads}
    without = [i for i, head in enumerate(job.heads) if tests[head.name] is None]
    if len(without) in (0, len(job.heads)):
        return []
    index = without[0]
    tested = next(name for name, test in tests.items() if test is not None)
    own = f"/model/heads/{index}" * (job.heads[index].data is not None)
    return [
        Diagnostic(
            "E389",
            f"head `{job.heads[index].name}` has no test set, head `{tested}` has one",
            ("model", "heads", index),
            note="`evaluate.py --test` measures all heads",
            help=f"name a test set in {own}/data/test, or remove the others",
        )
    ]


def bits(job: Job, given: dict) -> list[Diagnostic]:
    """E384: images of four bands are read in 8 bits."""
    if job.data.bits is None or job.data.channels != 4:
        return []
    return [
        Diagnostic(
            "E384",
            "images of four bands are read in 8 bits, `bits` is for those of 16",
            ("data", "bits"),
            help="remove `bits`, or set /data/channels to 1 or 3",
            edit=likely(drop(("data", "bits"))),
        )
    ]


def _names(head: Head) -> tuple[str, ...]:
    return getattr(head, "categories", getattr(head, "labels", ()))


def _own(given: dict, index: int, option: str) -> Path | None:
    """Returns the path of an option of a head's own data; None without the option."""
    own = given["model"]["heads"][index].get("data") or {}
    if own.get(option) is None:
        return None
    return ("model", "heads", index, "data", option)
