"""`specc init`: a starting job for a dataset."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from unicodedata import normalize

import click

from specc.datasets.become import in_words
from specc.datasets.files import depths_in, has_frames, spread
from specc.datasets.find import choose
from specc.datasets.foreign import unread_images
from specc.datasets.found import Found
from specc.datasets.layout import job_text
from specc.datasets.naming import free_name, path_in_job
from specc.datasets.parts import images_in, is_turned
from specc.datasets.start import (
    FINE,
    Sizes,
    is_shortened,
    measure,
    name_of,
    starting_job,
)
from specc.datasets.weights import say_export, say_weights
from specc.diagnostics import fail
from specc.folder import jobfiles
from specc.heads import TASKS
from specc.heads.task import NAMES_OF_KINDS
from specc.plan.readers import SIZED
from specc.words import did_you_mean, number_of

SETS = {"train", "validation", "test"}  # options of `data` that are paths
PLACES = {f"{name}_{what}" for name in SETS for what in ("images", "labels")} | {
    "names"
}
SHOWN = 8  # most names that are shown
SOME = 20  # number of maps whose depths are read


def init(
    task: str,
    data: Path,
    root: Path | None,
    out: Path,
    form: str | None,
    labels: str | None,
    force: bool,
) -> int:
    """Writes the job, and prints the findings. Raises JobError E421..E424."""
    task = task_named(task)
    if out.exists() and not force:
        _in_the_way(out)
    found = choose(data, task, form, labels)
    job = starting_job(found, free_name(name_of(data), task, out))
    for values, keys in ((job["data"], SETS), (job["data"].get("layout", {}), PLACES)):
        for key in values.keys() & keys:
            values[key] = path_in_job(values[key], root)
    _write(out, job_text(job))
    _say_found(found, job)
    say_weights(job)
    say_export()
    click.echo(f"wrote {out}")
    if os.path.isabs(job["data"]["train"]):
        click.echo("its paths are of this machine: --root FOLDER leaves FOLDER out")
    _say_next(out, root)
    return 0


def task_named(given: str) -> str:
    """Returns the name of a task, also if `given` has spaces or dashes."""
    task = given.strip().lower().replace(" ", "_").replace("-", "_")
    if task not in TASKS:
        guess = (
            did_you_mean(task, list(TASKS))
            or f"the tasks are {', '.join(sorted(TASKS))}"
        )
        raise click.BadParameter(f"there is no task `{given}`; {guess}")
    return task


def _in_the_way(out: Path) -> None:
    help = "add --force to overwrite it, or name another file by -o"
    fail("E423", f"`{out}` is there already", help=help)


def _write(out: Path, text: str) -> None:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, "utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        fail("E405", f"cannot write `{out}`: {reason}", help="name another file by -o")


def _say_found(found: Found, job: dict) -> None:
    title = TASKS[found.task].title
    click.echo(f"{click.style(job['name'], bold=True)}: {title}, format {found.format}")
    _say("training", f"{found.train} ({described(measure(found.images), found)})")
    held_out = "none found: a tenth of the training set is held out, by a seed"
    if found.validation is None and (kept := TASKS[found.task].splits_by):
        held_out = f"none found: a tenth of the {kept} is held out, by a seed"
    _say("validation", str(found.validation or held_out))
    if found.unused:
        _say("", f"({found.unused})")
    if found.test:
        _say("test", f"{found.test}, which evaluate.py --test measures")
    for key, value in found.layout.items():
        _say("layout", f"{key}: {_brief(value)}")
    unread = unread_images(found.train if found.train.is_dir() else found.train.parent)
    for note in filter(None, (*found.notes, *_alike(found.options), unread)):
        _say("note", note)
    for line in found.beside:
        _say("not read", line)
    if frames := frames_in_words(found):
        _say("frames", frames)
    if turned := turned_in_words(found):
        _say("turned", turned)
    if found.way:
        _say("annotations", f"{in_words(found.way)}, by `task` in `data`")
    for key, value in found.options.items():
        _say(key.replace("_", " "), _brief(value))
    if "keypoints" in found.options and "flip_pairs" not in found.options:
        how = "`flip_pairs` of the head names which keypoints change places"
        _say("mirrored", f"no image in training, unless {how}")
    native = found.format == "native"
    if (
        native and TASKS[found.task].in_folder and "range" in found.options
    ):  # maps of depth
        _say("depth", depth_in_words(found))
    if job["data"].get("keep_samples"):
        _say("samples", "kept in a file: later starts need not read the dataset")
    height, width = job["data"]["resolution"]
    if bits := job["data"].get("bits"):
        _say("bits", f"{bits} of 16 in each value of an image, by some of them")
    shape = f"{height}x{width}, height and width, in the shape of most images"
    large = f"; objects are large: 19 of 20 keep {FINE} pixels"
    _say("input", shape + large * is_shortened(job, found))
    (head,) = job["model"]["heads"]
    if level := found.task != "autoencoding" and head.get("level"):
        _say("level", f"{level}: the map of the next one has too few cells")
    trainer = job["trainer"]
    iterations = f"{trainer['max_iterations']:,} iterations"
    _say("run", f"{iterations} of {trainer['batch_size']} images")


def _alike(options: dict) -> list[str]:
    """Returns a line on names that differ in case or in the form of their letters
    alone: each is learned as a name of its own, as tokens of a text are."""
    names = [name for key in NAMES_OF_KINDS for name in options.get(key, ())]
    plain = Counter(normalize("NFKC", name).casefold() for name in {*names})
    twins = [x for x in names if plain[normalize("NFKC", x).casefold()] > 1]
    several = f"{', '.join(dict.fromkeys(twins)):.200}, each learned as another one"
    return [f"names that differ in case alone: {several}"] if twins else []


def described(sizes: Sizes, found: Found) -> str:
    low = f"{min(sizes.heights)}x{min(sizes.widths)}"
    high = f"{max(sizes.heights)}x{max(sizes.widths)}"
    between = low if low == high else f"{low} to {high}"
    return f"{number_of(len(found.images), 'image')}, {between}"


def depth_in_words(found: Found) -> str:
    """Returns text: depths of some maps by the range, whose unit may not be the
    maps'."""
    maps = images_in(found.train / found.labels)
    depths = depths_in(spread(maps, SOME), *found.options["range"])
    if not depths:
        return f"unknown in all of {number_of(min(len(maps), SOME), 'map')}"
    low, middle, high = (f"{depth:.4g}" for depth in depths)
    return f"nearest {low}, median {middle}, farthest {high}, in the unit of the range"


def frames_in_words(found: Found) -> str:
    """Notes that some files hold several images: pages of a stack, or an animation."""
    looked = found.images[:: max(1, len(found.images) // SOME)]
    if not (count := sum(map(has_frames, looked))):
        return ""
    many = f"{count} of {len(looked)} files that were looked at"
    return f"{many} hold several images, of which the first is read"


def turned_in_words(found: Found) -> str:
    """Notes that some images are turned by EXIF, where annotations tell no sizes:
    nothing else says of which of the two they are."""
    if not TASKS[found.task].moves or found.format in SIZED:
        return ""
    looked = spread(found.images, SOME)
    if not (count := sum(map(is_turned, looked))):
        return ""
    how = "annotations are taken to be of what is shown"
    return f"{count} of {len(looked)} images that were looked at, by EXIF; {how}"


def _brief(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_brief(one)}" for key, one in value.items())
    if not isinstance(value, list):
        return str(value)
    shown = ", ".join(map(_item, value[:SHOWN]))
    return f"{shown} and {len(value) - SHOWN} more" if len(value) > SHOWN else shown


def _item(value: object) -> str:
    """Returns an item of a list in words; a list in it is a color or two keypoints."""
    if isinstance(value, list) and isinstance(value[0], str):
        return " - ".join(value)
    return f"({', '.join(map(str, value))})" if isinstance(value, list) else str(value)


def _say(what: str, text: str) -> None:
    click.echo(f"  {what:11}  {text}")


def _say_next(out: Path, root: Path | None) -> None:
    job = shlex.quote(str(out))
    folder = jobfiles.open_job(str(out), None, False).folder
    script = shlex.quote(str(folder / "train.py"))
    below = f" --data {shlex.quote(str(root))}" if root is not None else ""
    click.echo(f"next: specc data {job}{below}")
    click.echo(f"      specc build {job}")
    click.echo(f"      python {script}{below}")
