"""`specc data`: describes a dataset, or the dataset of a job, in words and pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from specc.datasets.advice import findings_of
from specc.datasets.emitted import load, read
from specc.datasets.files import Unreadable, require
from specc.datasets.find import natural, search
from specc.datasets.gate.findings import Finding, fails
from specc.datasets.found import Found
from specc.datasets.init import task_named
from specc.datasets.gate.lock import changes, locked
from specc.datasets.gate.lock import file_of as lock_file
from specc.datasets.gate.lock import load as load_lock
from specc.datasets.gate.lock import save as save_lock
from specc.datasets.gate.looked import Looked
from specc.datasets.gate.marks import unread_marks_of
from specc.datasets.parts import reader
from specc.datasets.start import name_of, starting_job
from specc.datasets.survey import Images, decode, labels_of
from specc.datasets.tell import as_text, as_values
from specc.diagnostics import JobError, fail
from specc.folder import jobfiles

FOLDER = Path("specc-data")


def data(
    path: Path,
    root: Path,
    out: Path | None,
    task: str | None,
    labels: str | None,
    form: str,
    fail_on: str,
    lock: Path | None,
    check: bool,
    augmented: bool,
) -> int:
    """Reads, draws and describes a dataset. Returns 1 if a finding is as severe as
    `fail_on`, or more; with `check` also if the dataset is not that of the lock.

    Raises JobError E401, E405, E421, E423, E424, E428, and the errors of a wrong job.
    """
    require("numpy", "cv2", "PIL", "yaml", "defusedxml", "torch", "tqdm", "matplotlib")
    if is_job(path):
        jobs = [("", _job_bytes(path))]
    elif lock is not None or check:
        raise click.UsageError("--lock and --check belong to a job")
    else:
        jobs = _starting_jobs(path, task_named(task) if task else None, labels)
    images, told, wrong = Images(), [], False
    for label, content in jobs:
        looked = look(content, root, images)
        findings = findings_of(looked)
        name = looked.values["name"]
        folder = out or FOLDER / name
        pictures = {} if check else _save_pictures(looked, folder, label, augmented)
        values = as_values(looked, findings, pictures)
        if lock is not None or check:
            values["lock"] = _lock(looked, findings, lock_file(path, lock), check)
            wrong |= not values["lock"].get("current", True)
        told.append(values)
        wrong |= fails(findings, fail_on)
    if form == "json":
        click.echo(json.dumps(told if len(told) > 1 else told[0], indent=2))
    else:
        click.echo("\n\n".join(as_text(values) for values in told))
    return int(wrong)


def _lock(
    looked: Looked, findings: list[Finding], file: Path, check: bool
) -> dict[str, Any]:
    """Writes the lock, or compares the dataset with it. Raises JobError E405, E423,
    E428."""
    before = load_lock(file) if check else None
    why = "mend the errors first" if any(x.is_error for x in findings) else ""
    why = why or "the test set cannot be read" * bool(looked.reading.untested)
    if why:
        says = f"{'not compared' if check else 'not written'}: {why}"
        return {"file": str(file), "says": says, "current": False}
    now = locked(looked)
    if before is None:
        save_lock(file, now)
        return {"file": str(file), "says": "written"}
    found = changes(before, now)
    says = "the dataset has changed since" if found else "as it was"
    return {"file": str(file), "says": says, "current": not found, "changes": found}


def is_job(path: Path) -> bool:
    """Returns whether a path is a JSON file that holds no annotations."""
    if path.suffix != ".json" or not path.is_file():
        return False
    try:
        value = reader().read_json(path)
    except Unreadable:
        return True  # the passes report what is wrong
    return not (isinstance(value, dict) and "annotations" in value)


def look(content: bytes, root: Path, images: Images) -> Looked:
    """Reads and decodes the dataset of a job. Raises JobError."""
    emitted = load(content)
    reading = read(emitted, root)
    reading.counts.update(unread_marks_of(emitted.job, root))
    decode(emitted, reading.training + reading.validation + reading.test, images)
    labels = {h.name: labels_of(emitted, reading, h) for h in emitted.job.heads}
    return Looked(json.loads(content), emitted, root, reading, images, labels)


def _job_bytes(path: Path) -> bytes:
    """Returns the bytes of a job file, after reporting the job's findings."""
    from specc.build import analyze
    from specc.commands.jobs import say_findings

    content = jobfiles.read(str(path))
    try:
        findings = analyze(content)[2]
    except JobError as error:
        findings = error.diagnostics
    if any(finding.is_error for finding in findings):
        say_findings(findings, content, str(path))
        raise click.exceptions.Exit(1)
    return content


def _starting_jobs(
    path: Path, task: str | None, labels: str | None
) -> list[tuple[str, bytes]]:
    """Yields a starting job for each task of a dataset, or for the given task."""
    searched = search(path)
    found = [
        one
        for one in (searched.found if task else natural(searched))
        if task in (None, one.task) and labels in (None, one.labels)
    ]
    if not found:
        problems = "; ".join([*searched.problems[:3], *searched.unlike[:3]])
        says = "; ".join(dict.fromkeys(one.says for one in searched.found[:8]))
        fail(
            "E421",
            f"no dataset {f'for {task} ' * bool(task)}found in `{path}`",
            note=problems or (f"it holds {says}" if says else ""),
            help="`specc init TASK --data PATH` says what it looks for",
        )
    several = len(found) > 1
    return [(_label(one) if several else "", _content(one, path)) for one in found]


def _content(found: Found, path: Path) -> bytes:
    return json.dumps(starting_job(found, name_of(path))).encode()


def _label(found: Found) -> str:
    labels = Path(found.labels).stem
    return f"-{found.task}{f'-{labels}' * bool(labels)}"


def _save_pictures(
    looked: Looked, folder: Path, label: str, augmented: bool
) -> dict[str, Any]:
    """Saves the sheets and the histograms. Raises JobError E405."""
    if not looked.samples:
        return {}
    from specc.datasets import pictures
    from specc.datasets.gate import augmentation

    save = {"sheet": pictures.save_sheet, "histograms": pictures.save_histograms}
    if augmented:
        save["augmented"] = augmentation.save_augmented
    paths = {name: folder / f"{name}{label}.png" for name in save}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, path in paths.items():
            save[name](looked, path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fail("E405", f"cannot write to `{folder}`: {reason}", help="name one by -o")
    return {name: str(path) for name, path in paths.items()}
