"""Writes a starting job for a dataset, as short as a user would write it."""

from __future__ import annotations

import json
import math
import re
from contextlib import redirect_stderr
from dataclasses import dataclass
from io import StringIO
from os.path import isfile
from pathlib import Path
from statistics import median
from typing import Any

from specc.build import analyze
from specc.datasets.emitted import load, read
from specc.datasets.files import image_size, is_pointer, largest_value, spread
from specc.datasets.found import Found
from specc.datasets.levels import enlarged, objects_of
from specc.diagnostics import JobError, fail
from specc.graph.cost import Summary, summarize
from specc.heads import TASKS
from specc.language.schema import head, part
from specc.words import number_of

MEASURED = 400  # most images, spread over the set, whose sizes are read
DECODED = 100  # most 16-bit images that are decoded to find their bits
SMALL, LARGE = 224 * 224, 320 * 320  # pixels of the input: for images, for objects
REDRAWN = 112 * 112  # the same for images that a decoder draws again, at full size
LEAST = {SMALL: 64, LARGE: 128, REDRAWN: 32}  # pixels of the input -> least side
EPOCHS = {SMALL: 30, LARGE: 50}
EPOCHS_UNLABELED = 100  # images alone tell less than labels do
ITERATIONS = (1000, 20000)  # fewest and most iterations
STEPS = 100  # an epoch has at least so many steps, down to the smallest batch
FEWEST = {SMALL: 16, LARGE: 8, REDRAWN: 8}  # pixels of the input -> smallest batch
RATE, CLIPPING = 0.001, 10.0  # for weights that start at random
STEP = 32  # sides are multiples of this, or of the divisor if that is larger
FINE_STEP = 8  # the same for inputs whose sides are short: of texts, and drawn again
# Options of autoencoders: small codes of many places are learned far sooner than large
# ones of few, as local colors and edges suffice.
CODE = {"level": 3, "code_size": 8}
TEXT_SIDE = 48  # most pixels of a text's shorter side: more do not help to read it
KEPT_FROM = 50_000  # images of a set that takes long to read
LISTED = 1000  # identities; where there are more, they are counted
READ = 5000  # most images of a set whose objects are measured
FINE = 80  # pixels of the input that the shorter side of an object needs
FINER = 0.05  # share of the objects that may have fewer
# A head that reads one level reads a map of at least so many cells a side: of images of 64
# pixels level 4, as level 5 has 2x2 cells, and the stage below it learns more in less time.
FEWEST_CELLS = 3
WORTH = 0.75  # largest factor by which sides are shortened at all
COMMON = ("train", "training", "data", "dataset", "datasets", "images")


@dataclass(frozen=True)
class Sizes:
    """Heights and widths of images in pixels, after EXIF rotation."""

    heights: tuple[int, ...]
    widths: tuple[int, ...]

    @property
    def aspect(self) -> float:
        return median(w / h for h, w in zip(self.heights, self.widths))

    @property
    def area(self) -> float:
        return median(h * w for h, w in zip(self.heights, self.widths))


def measure(images: tuple[Path, ...]) -> Sizes:
    """Returns sizes of some images; images without a legible header are left out."""
    some = spread(images, MEASURED)
    sizes = [size for size in map(image_size, some) if size]
    return Sizes(tuple(h for h, _ in sizes), tuple(w for _, w in sizes))


def starting_job(found: Found, name: str) -> dict[str, Any]:
    """Returns a job in the job language.

    Raises JobError if nothing can be learned from the dataset.
    """
    sizes = measure(found.images)
    if not sizes.heights:
        _fail_without_images(found)
    job = _draft(found, name)
    summary = _drafted(job, found)
    resolution = fitted(sizes, found.task, summary.divisor)
    job["data"]["resolution"] = resolution
    if bits := bits_of(found.images):
        job["data"]["bits"] = bits
    if len(found.images) >= KEPT_FROM:
        job["data"]["keep_samples"] = True
    if level := finer_level(job):
        job["model"]["heads"][0]["level"] = level
        summary = checked(job)
    if unread := summary.dropped.get("backbone"):
        backbone = {"name": summary.components[0].name, "top_level": min(unread) - 1}
        job["model"] = {"backbone": backbone, **job["model"]}
    job["trainer"] = recipe(found, resolution)
    checked(job)
    if budget(found.task) == LARGE:
        _shorten(job, len(found.images), summary.divisor)
    return job


def _shorten(job: dict[str, Any], images: int, divisor: int) -> None:
    """Gives a job of large objects a smaller input, which is faster and learns as much
    from each of them."""
    factor = shortening(job, images)
    shorter = min(job["data"]["resolution"])
    factor = max(factor, min(1.0, LEAST[LARGE] / shorter))
    if factor < 1:
        job["data"]["resolution"] = enlarged(
            job["data"]["resolution"], factor, max(divisor, STEP)
        )


def shortening(job: dict[str, Any], images: int) -> float:
    """Returns the factor by which the sides of a job's input may be shortened, as its
    objects are large; 1 where they are not, where its head has no boxes, or where the
    dataset cannot be read."""
    sides = _shorter_sides(job) if images <= READ else []
    if not sides:
        return 1.0
    factor = FINE / max(sides[int(FINER * len(sides))], 1e-6)
    return factor if factor <= WORTH else 1.0


def _shorter_sides(job: dict[str, Any]) -> list[float]:
    """Returns the shorter sides of the objects of the training set in pixels of the
    input, the shortest first. The job's paths are those of this process."""
    try:
        emitted = load(json.dumps(job).encode())
    except JobError:  # the job is checked once more, or a package is not installed
        return []
    with redirect_stderr(StringIO()):  # `specc data` tells what the reader says
        reading = read(emitted, Path())
    (head,), resolution = emitted.job.heads, emitted.job.data.resolution
    found = objects_of(reading.training, head, emitted.summary, resolution)
    return found.shorter if found else []


def finer_level(job: dict[str, Any]) -> int | None:
    """Returns the highest level whose map has FEWEST_CELLS cells a side, for a head that
    reads one level; None where that is its default, or the job says which."""
    (one,), side = job["model"]["heads"], min(job["data"]["resolution"])
    default = head(one["task"])["properties"].get("level", {}).get("default")
    if default is None or "level" in one or side >= FEWEST_CELLS << default:
        return None
    return max(1, (side // FEWEST_CELLS).bit_length() - 1)


def is_shortened(job: dict[str, Any], found: Found) -> bool:
    """Returns whether the input is smaller than images and budget alone ask for."""
    height, width = job["data"]["resolution"]
    area = min(measure(found.images).area, budget(found.task))
    return budget(found.task) == LARGE and height * width < WORTH * area


def _fail_without_images(found: Found) -> None:
    """Raises JobError E421."""
    if not found.images:
        what, note = f"`{found.train}` names no image", ""
    else:
        images = number_of(len(found.images), "image")
        what = f"none of {images} in `{found.train}` can be read"
        if is_pointer(found.images[0]):
            note = f"{found.images[0].absolute()} is a pointer of Git LFS, no image"
            fail("E421", what, note=note, help="fetch the images: git lfs pull")
        state = "cannot be decoded" if isfile(found.images[0]) else "is not there"
        note = f"{found.images[0].absolute()} {state}"
    fail("E421", what, note=note, help="name a dataset with images")


def fitted(sizes: Sizes, task: str, divisor: int) -> list[int]:
    """Returns the resolution of a task's input that has the shape of most images."""
    most = budget(task)
    area, aspect = min(sizes.area, most), min(max(sizes.aspect, 1 / 8), 8)
    height = math.sqrt(area / aspect)
    reads_text = head(task).get("x-reads-text")
    least = STEP if reads_text else LEAST[most]
    if reads_text:
        height = min(height, max(TEXT_SIDE, TEXT_SIDE / aspect))
    height = max(height, least, least / aspect)
    step = max(divisor, FINE_STEP if reads_text or most == REDRAWN else STEP)
    smallest = part("data")["properties"]["resolution"]["items"]["minimum"]
    sides = (height, height * aspect)
    return [
        max(round(side / step) * step, -(-smallest // step) * step) for side in sides
    ]


def budget(task: str) -> int:
    """Returns the pixels of an input that a first run can afford."""
    if task == "autoencoding":
        return REDRAWN
    return LARGE if "bottom_level" in head(task)["properties"] else SMALL


def checked(job: dict[str, Any]) -> Summary:
    """Returns the summary of a job that passes all checks. Raises JobError."""
    resolved, graph, findings = analyze(json.dumps(job).encode())
    errors = [finding for finding in findings if finding.is_error]
    if errors:
        raise JobError(errors)
    return summarize(resolved, graph)


def _drafted(job: dict[str, Any], found: Found) -> Summary:
    """The same of a job that nobody has seen: what does not fit the schema in it stands
    in the dataset."""
    try:
        return checked(job)
    except JobError as error:
        first = error.diagnostics[0]
        if not first.code.startswith("E1"):
            raise
    title = TASKS[found.task].title
    what = f"what `{found.train}` tells of {title} fits no job: {first.message}"
    fail("E421", what, note=first.note, help="mend it there")


def name_of(path: Path) -> str:
    """Returns a name for the job: the name of the dataset's folder."""
    whole = path.absolute()  # gives `.` a name
    for part_ in (whole.stem, *(p.name for p in whole.parents)):
        name = re.sub("[^a-z0-9_-]+", "-", part_.lower()).strip("-_")
        if name and name not in COMMON and name[0].isalpha():
            return name
    return "model"


def bits_of(images: tuple[Path, ...]) -> int | None:
    """Returns the number of bits that values of 16-bit images use, by the largest value
    of some, an even number; None where no image has 16 bits, or they use all."""
    some = spread(images, DECODED)
    values = [value for value in map(largest_value, some) if value is not None]
    bits = max(8, max(values).bit_length()) if values else 16
    return bits + bits % 2 if bits <= 14 else None


def _draft(found: Found, name: str) -> dict[str, Any]:
    data: dict[str, Any] = {"train": found.train.as_posix()}
    if found.validation is not None:
        data["validation"] = found.validation.as_posix()
    if found.test is not None:
        data["test"] = found.test.as_posix()
    if found.format != "native":
        data["format"] = found.format
    if found.layout:
        data["layout"] = found.layout
    if found.way:
        data["task"] = found.way[0]
    options, task = dict(found.options), TASKS[found.task]
    if task.splits_by and len(options[task.names]) > LISTED:
        options[task.names] = len(options[task.names])
    named = {"name": options.pop("name")} if "name" in options else {}
    if found.longest > part("common")["$defs"]["max_tokens"]["default"]:
        options["max_tokens"] = found.longest
    if found.task == "autoencoding":
        options |= CODE
    heads = [{**named, "task": found.task, **options}]
    return {"version": 1, "name": name, "data": data, "model": {"heads": heads}}


def recipe(found: Found, resolution: list[int]) -> dict[str, Any]:
    """Returns a batch size that fits into memory, iterations that show every image
    often, and the learning rate of weights that know nothing yet."""
    held_out = 0 if found.validation else len(found.images) // 10
    images = max(1, len(found.images) - held_out)
    pixels = resolution[0] * resolution[1]
    batch = 64 if pixels <= 96 * 96 else 32 if pixels <= 192 * 192 else 16
    if budget(found.task) == LARGE:
        batch = min(batch, 8)
    # Views are compared with all others of a batch, which stays large.
    compared = TASKS[found.task].views
    least = FEWEST[budget(found.task)]
    while not compared and batch > least and batch * STEPS > images:
        batch //= 2
    while batch > 2 and batch > images // 4:
        batch //= 2
    unlabeled = TASKS[found.task].unlabeled
    epochs = EPOCHS_UNLABELED if unlabeled else EPOCHS[budget(found.task)]
    rounds = math.ceil(epochs * images / batch / 100) * 100
    fewest, most = ITERATIONS
    return {
        "max_iterations": min(max(rounds, fewest), most),
        "batch_size": batch,
        "gradient_clipping": CLIPPING,
        "optimizer": {"learning_rate": RATE},
    }
