"""How long emitted code takes to read a large dataset, at the first start and the second.

    python benchmarks/start_speed.py boxes masks folders csv
    python benchmarks/start_speed.py boxes --images 10000

Each set is drawn anew: one small JPEG under many names (hard links), and annotations.
A start is a process that imports train.py, reads the samples and takes their
fingerprints, as each run does before its first batch. Printed are processor seconds and
the peak of resident memory, beside the bars for the full size; then by how much the
memory that a worker does not share grows over 2,000 batches of eight samples, whose
images are not decoded, from the 250th on, when its
buffers have their size.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from emitted import ROOT

# A header is read in the same time whatever the size of its image.
HEIGHT, WIDTH = 48, 64
LINKS = 60_000  # names of one file; ext4 allows 65,000
CATEGORIES = [f"category {number}" for number in range(80)]
# The means of COCO's training set: corners a polygon, objects an image.
CORNERS, OBJECTS = 19, 7.3
START = """
import resource, sys, time
sys.path.insert(0, {code!r})
from pathlib import Path
import train
from checkpoints import fingerprint
from samples import read_samples
print([fingerprint(samples) for samples in read_samples(Path({root!r}))])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
print(time.process_time(), peak)
"""
WORKER = """
import os, sys
sys.path.insert(0, {code!r})
from pathlib import Path
import numpy as np
import data, model
from samples import read_samples

samples, _ = read_samples(Path({root!r}))
data.read_image = lambda sample, height, width: np.zeros((height, width, 3), np.uint8)

def private():
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1e3

dataset, rng = data.TrainingSet(samples, 0), np.random.default_rng(0)
if os.fork() == 0:  # PyTorch forks workers too
    for batch in range({batches}):
        if batch == {warm}:
            before = private()
        indices = rng.integers(len(samples), size=8).tolist()
        data.collate([dataset[0, index] for index in indices])
    print(private() - before, flush=True)
    os._exit(0)
os.wait()
"""
BATCHES = 2000  # number of batches that a worker makes
GROWTH = 25  # MB by which its memory may grow
WARM = 250  # batches, after which its buffers have their size


class Case(NamedTuple):
    """A dataset, what a job says of it, and what starts may cost."""

    images: int
    draw: Callable[[Path, int], dict]  # returns the job's parts
    first: tuple[float, float]  # processor seconds and MB at the most
    second: float


def main() -> int:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("cases", nargs="*", metavar="case", default=["boxes"])
    arguments.add_argument(
        "--images", type=int, help="fewer, or more, than the full set"
    )
    options = arguments.parse_args()
    kept = [measure(name, options.images) for name in options.cases]
    return 0 if all(kept) else 1


def measure(name: str, images: int | None) -> bool:
    """Draws a set, starts twice, and says whether the bars are kept."""
    case = CASES[name]
    with tempfile.TemporaryDirectory() as scratch:
        root, code = Path(scratch, "data"), Path(scratch, "code")
        root.mkdir()
        job = case.draw(root, images or case.images)
        job |= {"name": "start", "trainer": {"initialization": {"kind": "random"}}}
        file = Path(scratch, "job.json")
        file.write_text(json.dumps(job))
        build = [sys.executable, "-m", "specc.cli", "build", file, "-o", code]
        paths = {"PYTHONPATH": str(ROOT / "compiler"), "XDG_CACHE_HOME": scratch}
        environment = {**os.environ, **paths, "OMP_NUM_THREADS": "1"}
        run(build, environment)
        kept, known = True, None
        for which, (most, memory) in (
            ("first", case.first),
            ("second", (case.second, float("inf"))),
        ):
            script = START.format(code=str(code), root=str(root))
            said = run([sys.executable, "-c", script], environment)
            prints, costs = said.splitlines()
            seconds, peak = map(float, costs.split())
            line = f"{name}, {images or case.images:,} images, {which} start:"
            bars = f"at most {most:g} s" + f", {memory:,.0f} MB" * (memory < 1e9)
            print(f"{line} {seconds:.1f} s, {peak:,.0f} MB (bars: {bars})", flush=True)
            kept &= seconds <= most and peak <= memory and known in (None, prints)
            known = prints
        script = WORKER.format(
            code=str(code), root=str(root), batches=BATCHES, warm=WARM
        )
        grown = float(run([sys.executable, "-c", script], environment))
        what = f"a worker grows over {BATCHES:,} batches"
        print(f"{name}: {what}: {grown:.1f} MB (bar: at most {GROWTH} MB)", flush=True)
    return kept and grown <= GROWTH


def run(command: list, environment: dict[str, str]) -> str:
    """Runs a process and returns its output; a failure ends the benchmark with it."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{done.stdout}{done.stderr}")
    return done.stdout


# ---- Datasets ----


def draw_boxes(root: Path, count: int, polygons: bool = False) -> dict:
    """A COCO file with boxes, or polygons too; a fiftieth of it validates."""
    rng = np.random.default_rng(0)
    for part, images in (("val", max(1, count // 50)), ("train", count)):
        names = [f"{number:012}.jpg" for number in range(images)]
        link(root / part, names)
        with (root / f"{part}.json").open("w") as file:
            listed = [
                {"id": i, "file_name": name, "height": HEIGHT, "width": WIDTH}
                for i, name in enumerate(names)
            ]
            categories = [{"id": i, "name": x} for i, x in enumerate(CATEGORIES, 1)]
            content = {"images": listed, "categories": categories}
            file.write(json.dumps(content)[:-1] + ', "annotations": [')
            number = 0
            for image, objects in enumerate(rng.poisson(OBJECTS, images).tolist()):
                for _ in range(objects):
                    given = annotation(rng, number, image, polygons)
                    file.write(f"{', ' * (number > 0)}{json.dumps(given)}")
                    number += 1
            file.write("]}")
    task = "instance_segmentation" if polygons else "object_detection"
    head = {"name": "objects", "task": task, "categories": CATEGORIES}
    data = {"train": "train.json", "validation": "val.json", "format": "coco"}
    return job_of(data, head)


def annotation(rng: np.random.Generator, number: int, image: int, polygon: bool):
    left, top = rng.uniform(0, 40), rng.uniform(0, 24)
    width, height = rng.uniform(4, 24, 2)
    box = [round(float(x), 2) for x in (left, top, width, height)]
    given = {"id": number, "image_id": image, "category_id": 1 + number % 80}
    given |= {"bbox": box, "area": round(box[2] * box[3], 2), "iscrowd": 0}
    if polygon:
        turns = np.linspace(0, 2 * np.pi, CORNERS, endpoint=False)
        x = left + width * (1 + np.cos(turns)) / 2
        y = top + height * (1 + np.sin(turns)) / 2
        corners = np.stack([x, y], 1).round(2)
        given["segmentation"] = [corners.ravel().tolist()]
    return given


def draw_masks(root: Path, count: int) -> dict:
    return draw_boxes(root, count, polygons=True)


def draw_folders(root: Path, count: int) -> dict:
    """A thousand class folders, with a fiftieth of their images in those of validation."""
    classes = [f"class{number:04}" for number in range(min(1000, count // 10))]
    for part, images in (("train", count), ("val", max(len(classes), count // 50))):
        for number, name in enumerate(classes):
            own = range(number, images, len(classes))
            link(root / part / name, [f"{i:07}.jpg" for i in own])
    head = {"name": "kind", "task": "multiclass_classification", "categories": classes}
    data = {"train": "train", "validation": "val", "format": "folders"}
    return job_of(data, head)


def draw_csv(root: Path, count: int) -> dict:
    """A row of 10,000 categories for each image."""
    classes = [f"class{number:05}" for number in range(min(10_000, count // 2))]
    for part, images in (("train", count), ("val", max(len(classes), count // 50))):
        names = [
            f"{part}/{number // 10_000:03}/{number:07}.jpg" for number in range(images)
        ]
        for first in range(0, images, 10_000):
            own = [Path(name).name for name in names[first : first + 10_000]]
            link(root / Path(names[first]).parent, own)
        rows = [f"{x},{classes[i % len(classes)]}" for i, x in enumerate(names)]
        (root / f"{part}.csv").write_text("\n".join(["image,kind", *rows]) + "\n")
    head = {"name": "kind", "task": "multiclass_classification", "categories": classes}
    data = {"train": "train.csv", "validation": "val.csv", "format": "csv"}
    return job_of(data, head)


def job_of(data: dict, head: dict) -> dict:
    model = {"backbone": {"name": "resnet18"}, "heads": [head]}
    return {
        "data": data | {"resolution": [128, 128], "keep_samples": True},
        "model": model,
    }


def link(folder: Path, names: list[str]) -> None:
    """One image under all these names."""
    folder.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    source = folder.with_name(f"{folder.name}.source.jpg")
    for number, name in enumerate(names):
        if number % LINKS == 0:
            source.unlink(missing_ok=True)
            cv2.imwrite(str(source), image)
        os.link(source, folder / name)
    source.unlink()


CASES = {
    "boxes": Case(118_000, draw_boxes, first=(15, 700), second=3),
    "masks": Case(118_000, draw_masks, first=(80, 1600), second=5),
    "folders": Case(1_280_000, draw_folders, first=(float("inf"),) * 2, second=8),
    "csv": Case(1_000_000, draw_csv, first=(float("inf"),) * 2, second=8),
}

if __name__ == "__main__":
    sys.exit(main())
