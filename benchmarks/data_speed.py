"""Parts of the data path and of a validation, against what they were at 852e1f4.

    python benchmarks/data_speed.py --pairs 20

Emitted code of today, with today's functions and with the former ones (`former.py`) in
their place, on one thread: processor seconds, files in the system's cache. Both must
give the same results. Images are drawn with the spectrum of photographs.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import cv2
import numpy as np
import torch
from emitted import ROOT, load
from faster_coco_eval.core import mask as coco_mask
from former import Data, Evaluate
from loader_speed import CONTRAST, QUALITY, noise
from pairs import cost, interleave, parser, ratios, report

MASKS = 7  # masks of an image, the mean of COCO
CATEGORIES = 19
SMOOTH = 16  # pixels: regions of drawn maps have no finer borders
MODULES = ("model", "dataset", "data", "evaluate")
CPU = torch.device("cpu")


def main() -> int:
    options = parser(__doc__).parse_args()
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        parts = (maps, instances, validation, retrieval)
        kept = [part(Path(scratch), options.pairs) for part in parts]
    return 0 if all(kept) else 1


def compare(
    label: str, run: Callable, former: Callable, pairs: int, bar: float | None
) -> bool:
    """The former costs by those of today; `former` replaces functions while it lasts."""

    def before() -> object:
        with former():
            return run()

    assert same(run(), before()), f"{label}: not what it was"
    new, old = interleave(lambda: cost(run), lambda: cost(before), pairs)
    report(label, [1000 * seconds for seconds in new], "ms")
    return report(f"{label}, former / today", ratios(old, new), at_least=bar)


def same(new, old) -> bool:
    """Whether results are equal; a share of 1e-6 may differ by rounding."""
    if isinstance(new, dict):
        return new.keys() == old.keys() and all(same(new[k], old[k]) for k in new)
    if isinstance(new, (list, tuple)):
        return len(new) == len(old) and all(map(same, new, old))
    new, old = np.asarray(new), np.asarray(old)
    return np.abs(new - old).sum(dtype=float) <= 1e-6 * np.abs(old).sum(dtype=float)


# ---- What is compared ----


def maps(folder: Path, pairs: int) -> bool:
    """A map of 640x480 pixels and 19 colors: its indices with decoding, which is as it
    was, and without; then as part of a training view."""
    job = emitted("street-scenes")
    (sample,) = street(job, folder, 1, 480, 640)
    path, colors = sample.labels["street"], job.dataset.COLORS
    image, views = cv2.imread(str(path)), job.data.TrainingSet([sample], 0)
    replaced = replacing(job.data, read_categories=Data(job.data).read_categories)

    def read() -> np.ndarray:
        return job.data.read_categories(path, colors)

    def looked_up() -> np.ndarray:
        with patch.object(job.data, "read_map", lambda *_: image):
            return read()

    rows = [
        ("read_categories", read, None),
        ("read_categories, decoded", looked_up, 3.5),
        ("map view", lambda: views[0, 0][:2], 1.2),
    ]
    return all([compare(of, run, replaced, pairs, bar) for of, run, bar in rows])


def instances(folder: Path, pairs: int) -> bool:
    """Seven masks of a 640x480 image, alone and as part of a view of 640x640 pixels."""
    job = emitted("nuclei", (640, 640))
    image = job.dataset.Sample(draw(folder / "masks.jpg", 480, 640), 480, 640, {})
    labels = masks_of(job, np.random.default_rng(0))
    sample = image._replace(labels={"nuclei": labels})
    _, transform = job.data.augment(sample, np.random.default_rng(1))
    replaced = replacing(job.data, moved_instances=Data(job.data).moved_instances)
    views = job.data.TrainingSet([sample], 0)

    def moved():
        return job.data.moved_instances(labels, transform)

    rows = [
        (f"moved_instances, {MASKS} masks", moved, 10),
        ("instance view, 640", lambda: views[0, 0][:2], 1.5),
    ]
    return all([compare(of, run, replaced, pairs, bar) for of, run, bar in rows])


def validation(folder: Path, pairs: int) -> bool:
    """Images of 1024x2048 pixels and 19 categories: what is done beside the forward of
    the model, which is as it was, in the layout of its outputs; then with it."""
    job = emitted("street-scenes")
    torch.manual_seed(0)
    model = job.model.Segmenter().to(memory_format=torch.channels_last).eval()
    samples = street(job, folder, 4, 1024, 2048)
    with torch.inference_mode():
        shape = model(torch.zeros(1, 3, job.model.HEIGHT, job.model.WIDTH)).shape
    logits = torch.randn(len(samples), *shape[1:])
    known = Known(logits.contiguous(memory_format=torch.channels_last))
    before = Evaluate(job.evaluate)
    replaced = replacing(
        job.evaluate,
        read_categories=Data(job.data).read_categories,
        to_category_map=before.categories_in_words,
        count_pixels=before.count_pixels,
    )
    label = f"validation of {len(samples)} maps, 1024x2048"
    runs = [
        (f"{label}, no model", lambda: job.evaluate.evaluate(known, samples, CPU), 2.5),
        (label, lambda: job.evaluate.evaluate(model, samples, CPU), None),
    ]
    return all([compare(of, run, replaced, pairs, bar) for of, run, bar in runs])


class Known(torch.nn.Module):
    """In place of a model: its outputs are known."""

    def __init__(self, outputs: torch.Tensor):
        super().__init__()
        self.outputs = outputs

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.outputs[: len(images)]


def retrieval(_: Path, pairs: int) -> bool:
    """10,000 embeddings of 64 numbers, four of each identity; at most a second."""
    job = emitted("zebras")
    rng = np.random.default_rng(0)
    centers = np.repeat(rng.normal(size=(2500, 64)), 4, 0)
    vectors = np.float32(centers + 1.5 * rng.normal(size=centers.shape))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = [{"embedding": vector} for vector in vectors.tolist()]
    truth = [str(number // 4) for number in range(len(found))]
    before = Evaluate(job.evaluate).retrieval_metrics
    replaced = replacing(job.evaluate, retrieval_metrics=before)

    def measured() -> dict[str, float]:
        return job.evaluate.retrieval_metrics(truth, found, CPU)

    compare("retrieval, 10,000 images", measured, replaced, min(pairs, 3), None)
    costs = [cost(measured) for _ in range(pairs)]
    return report("retrieval, 10,000 images", costs, "s", at_most=1.0)


# ---- Emitted code, with the functions of today or former ones ----


def emitted(name: str, resolution: tuple[int, int] | None = None) -> SimpleNamespace:
    """Modules of an example, those of maps with 19 categories; at another resolution if
    one is given."""
    folder = ROOT / "generated" / name
    sys.path.insert(0, str(folder))
    modules = {module: load(folder / f"{module}.py") for module in MODULES}
    wanted = dict(zip(("HEIGHT", "WIDTH"), resolution or ()))
    if name == "street-scenes":
        colors = np.random.default_rng(0).integers(1, 256, (CATEGORIES, 3)).tolist()
        wanted["COLORS"] = tuple(map(tuple, colors))
        wanted["CATEGORIES"] = tuple(map(str, range(CATEGORIES)))
    for module in modules.values():
        for constant in wanted.keys() & vars(module).keys():
            setattr(module, constant, wanted[constant])
    return SimpleNamespace(**modules)


def replacing(module, **functions) -> Callable:
    @contextlib.contextmanager
    def replaced() -> Iterator[None]:
        with patch.multiple(module, **functions):
            yield

    return replaced


# ---- Drawn images and labels ----


def draw(path: Path, height: int, width: int) -> Path:
    rng = np.random.default_rng(0)
    planes = [128 + spread * noise(rng, height, width) for spread in CONTRAST]
    pixels = np.clip(np.stack(planes, 2), 0, 255).astype(np.uint8)
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_YCrCb2BGR), QUALITY)
    return path


def street(job, folder: Path, count: int, height: int, width: int) -> list:
    """Samples with maps of categories, whose borders are smooth as annotators' are."""
    colors, samples = np.array(job.dataset.COLORS, np.uint8)[:, ::-1], []
    image = draw(folder / f"{height}.jpg", height, width)
    for number in range(count):
        rng = np.random.default_rng(number)
        field = noise(rng, height // SMOOTH, width // SMOOTH)
        field = cv2.resize(field, (width, height), interpolation=cv2.INTER_CUBIC)
        limits = np.quantile(field, np.linspace(0, 1, CATEGORIES + 1)[1:-1])
        path = folder / f"{height}-{number}.png"
        cv2.imwrite(str(path), colors[np.searchsorted(limits, field)])
        samples.append(job.dataset.Sample(image, height, width, {"street": path}))
    return samples


def masks_of(job, rng: np.random.Generator):
    """Ellipses in an image of 640x480 pixels."""
    boxes, masks = [], []
    for _ in range(MASKS):
        center, radii = rng.integers((80, 80), (560, 400)), rng.integers(20, 80, 2)
        mask = np.zeros((480, 640), np.uint8)
        cv2.ellipse(mask, center.tolist(), radii.tolist(), 30, 0, 360, 1, -1)
        (rows, columns), ends = mask.nonzero(), 1
        low = [columns.min(), rows.min()]
        boxes.append([*low, columns.max() + ends, rows.max() + ends])
        masks.append(coco_mask.encode(np.asfortranarray(mask)))
    classes = np.zeros(MASKS, np.int64)
    return job.dataset.Instances(np.float32(boxes), classes, masks)


if __name__ == "__main__":
    sys.exit(main())
