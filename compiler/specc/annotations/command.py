"""`specc annotations`: brings images and predictions to a labeling tool."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from specc.annotations.formats import FORMATS, Batch, Format
from specc.annotations.outlines import Outlines
from specc.annotations.predictions import LABELS, OBJECTS, Predictions, read_predictions
from specc.datasets.files import require
from specc.diagnostics import JobError, fail, job_at
from specc.words import clip, listed, number_of

NUMBERED = ("yolo", "coco")  # formats in which a category is a number
FORBIDDEN = re.compile(r'[\\/:*?"<>|\x00-\x1f]+')  # characters in names of files


def annotate(
    predictions: Path,
    target: str,
    output: Path,
    threshold: float,
    head: str | None,
    job: Path | None,
    root: Path,
    copied: bool,
) -> int:
    """Writes the folder, and tells what is in it. Raises JobError E405, E424, E430,
    E451."""
    require("cv2", "numpy", "PIL", "yaml")
    form = FORMATS[target]
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        help = "name another folder by -o, or remove this one"
        fail("E430", f"`{output}` is there already, and not an empty folder", help=help)
    found = read_predictions(predictions, head)
    if found.kind not in form.kinds:
        others = [name for name, one in FORMATS.items() if found.kind in one.kinds]
        message = f"{target} cannot hold what `{found.head}` gives: one for each image"
        fail("E451", message, help=f"use --format {listed(others, 'or --format')}")
    kept = above(found, threshold)
    names = _names(found, job)
    sources = [_source(root / image.path, predictions) for image in kept.images]
    _write(output, form, kept, names, sources, predictions.parent, copied)
    _tell(output, target, found, kept, threshold)
    if target in NUMBERED and job is None and names not in ([], [found.head]):
        told = f"  categories are numbered as found, {clip(', '.join(names), 100)}"
        click.echo(f"{told}: --job JOB numbers them as the job does")
    return 0


def above(found: Predictions, threshold: float) -> Predictions:
    """Returns the predictions with a score from the threshold on; of heads that give
    one value for each image, these images."""
    if found.kind == LABELS:  # the model's own thresholds have chosen them
        return found
    if found.kind != OBJECTS:
        sure = tuple(one for one in found.images if one.score >= threshold)
        return replace(found, images=sure)
    images = []
    for image in found.images:
        sure = tuple(thing for thing in image.things if thing.score >= threshold)
        images.append(replace(image, things=sure))
    return replace(found, images=tuple(images))


def _names(found: Predictions, job: Path | None) -> list[str]:
    """Returns the names in the order of the job, if one is given. Raises JobError E401
    and E451, and what the passes find."""
    occurring = found.names()
    if job is None:
        return occurring
    from specc.build import analyze
    from specc.folder import jobfiles

    data = jobfiles.read(str(job))
    with job_at(str(job), data):
        resolved, _, findings = analyze(data)
        if errors := [finding for finding in findings if finding.is_error]:
            raise JobError(errors)
    heads = {head.name: head for head in resolved.heads}
    if found.head not in heads:
        help = "name the job that predict.py was built from"
        fail("E451", f"the job `{job}` has no head `{found.head}`", help=help)
    one = heads[found.head]
    names = getattr(one, "categories", None) or getattr(one, "labels", None)
    names = list(names or occurring)
    if left := [name for name in occurring if name not in names]:
        help = "name the job that predict.py was built from"
        fail("E451", f"the job `{job}` does not name `{left[0]}`", help=help)
    return names


def _source(path: Path, predictions: Path) -> Path:
    """Returns the image; a relative path may begin beside predictions.json. Raises
    JobError E451."""
    for place in (path, predictions.parent / path):
        if place.is_file():
            return place
    help = (
        "run in the folder where predict.py ran, or say where its paths begin by --root"
    )
    fail("E451", f"there is no image `{path}`", help=help)


# ---- The folder ----


def _write(
    output: Path,
    form: Format,
    found: Predictions,
    names: list[str],
    sources: list[Path],
    beside: Path,
    copied: bool,
) -> None:
    """Writes beside the output, and moves it there once it is whole. Raises JobError
    E405, E451."""
    files = _free_names(sources)
    texts = form.write(Batch(found, files, names, Outlines(beside)))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(
            dir=output.parent, prefix=f".{output.name}-"
        ) as scratch:
            folder = Path(scratch) / "made"
            (folder / form.images).mkdir(parents=True)
            for source, file in zip(sources, files):
                _bring(source, folder / form.images / file, copied)
            for name, text in texts.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
            if output.exists():
                output.rmdir()
            shutil.move(folder, output)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        help = "name a folder by -o that can be written to"
        fail("E405", f"cannot write to `{output}`: {reason}", help=help)


def _free_names(sources: Iterable[Path]) -> list[str]:
    """Returns the names of images in one folder, of which no two have the same stem:
    annotations are named as their image."""
    taken: set[str] = set()
    names = []
    for source in sources:
        stem = FORBIDDEN.sub("_", source.stem).lstrip(".") or "image"
        unique, number = stem, 1
        while unique.lower() in taken:
            number += 1
            unique = f"{stem}_{number}"
        taken.add(unique.lower())
        names.append(f"{unique}{source.suffix.lower()}")
    return names


def _bring(source: Path, path: Path, copied: bool) -> None:
    if not copied:
        try:
            os.symlink(source.absolute(), path)
            return
        except OSError:  # no links here: a file system, or a right on Windows
            pass
    shutil.copyfile(source, path)


def _tell(
    output: Path, target: str, found: Predictions, kept: Predictions, threshold: float
) -> None:
    click.echo(f"{output}: {number_of(len(kept.images), 'image')}, as {target}")
    if found.kind == OBJECTS:
        total, own = (sum(len(x.things) for x in y.images) for y in (found, kept))
        below = total - own
        told = f"  {number_of(own, 'object')};"
        told += f" {below:,} below a score of {threshold:g} left out"
        if below and not own:
            highest = max(x.score for y in found.images for x in y.things)
            told += f"; the highest score is {highest:.2g}: --threshold chooses another"
        click.echo(told)
    elif len(found.images) > len(kept.images):
        below = len(found.images) - len(kept.images)
        click.echo(
            f"  {number_of(below, 'image')} below a score of {threshold:g} left out"
        )
    if target != "labelme":
        click.echo(f"  specc init TASK --data {shlex.quote(str(output))} reads it")
    else:
        click.echo(f"  specc import {shlex.quote(str(output))} -o NATIVE reads it")
