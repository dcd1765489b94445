"""Findings about what cannot be read: whether training would refuse a dataset."""

from __future__ import annotations

from collections.abc import Iterator

from specc.datasets.gate.findings import Finding, counted
from specc.datasets.gate.looked import Looked
from specc.datasets.parts import is_turned
from specc.datasets.survey import SETS
from specc.heads import TASKS
from specc.job import source_of
from specc.plan.readers import SIZED


def integrity_of(looked: Looked) -> Iterator[Finding]:
    yield from _unread(looked)
    yield from _hopeless(looked)
    yield from _wrong(looked)
    yield from _broken(looked)
    yield from _turned(looked)


def _unread(looked: Looked) -> Iterator[Finding]:
    if looked.reading.fatal:
        first, *rest = looked.reading.fatal.splitlines()
        message = "; ".join([first, *map(str.strip, rest)])
        yield Finding("D101", "unread", message, "mend the dataset, or the job")


def _hopeless(looked: Looked) -> Iterator[Finding]:
    for message in looked.reading.hopeless:
        help = "add labels; what was left out of the dataset is counted above"
        yield Finding("D102", "hopeless", message, help)


def _wrong(looked: Looked) -> Iterator[Finding]:
    of_maps = [text for labels in looked.labels.values() for text in labels.broken]
    if problems := looked.reading.problems + of_maps:
        message = f"{counted(problems, 'image')} missing, or with wrong annotations"
        help = "mend them, or map the images to null: training refuses to begin"
        yield _listed("D103", "wrong", message, help, problems)


def _broken(looked: Looked) -> Iterator[Finding]:
    """Images that cannot be decoded: training does without a few of its own, and ends
    where it has none of them left, or at one to validate on."""
    reading, broken = looked.reading, looked.images.broken
    training, validation = (
        {s.path: f"{s.path}: {broken[s.path]}" for s in samples if s.path in broken}
        for samples in (getattr(reading, name) for name in SETS)
    )
    most = looked.emitted.most_broken(len(reading.training))
    too_many = len(training) > most or len(training) == len(reading.training)
    ending = looked.images.ending
    refused = validation | {
        path: text for path, text in training.items() if too_many or path in ending
    }
    if refused:
        message = f"{counted(refused, 'image')} not to be decoded"
        help = "replace them, or take them out of the annotations"
        yield _listed("D104", "broken", message, help, refused.values())
    left_out = [text for path, text in training.items() if path not in refused]
    if left_out := reading.left_out + left_out:
        message = f"{counted(left_out, 'training image')} broken, and left out"
        help = f"replace them: training refuses more than {most:.0f}"
        yield _listed("D206", "left out", message, help, left_out)


def _turned(looked: Looked) -> Iterator[Finding]:
    """Images that EXIF turns, where no size in the annotations tells of which they
    are."""
    job = looked.emitted.job
    if any(source_of(job, head).format in SIZED for head in job.heads):
        return  # their reader counts them
    if not any(TASKS[head.task].moves for head in job.heads):
        return
    if turned := [str(one.path) for one in looked.samples if is_turned(one.path)]:
        message = f"{counted(turned, 'image')} turned by EXIF"
        help = "look at the sheet: annotations are taken to be of what is shown"
        yield _listed("D207", "turned", message, help, turned)


def _listed(code, kind, message, help, files) -> Finding:
    return Finding(code, kind, message, help, len(files), files=tuple(files))
