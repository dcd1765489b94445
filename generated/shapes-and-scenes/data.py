"""Images and batches: from a sample to what the model sees."""

import atexit
import functools
import itertools
import multiprocessing
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from dataset import BROKEN_SHARE, MOST_BROKEN, Objects, Sample
from model import HEIGHT, PAD, WIDTH, fit

BATCH_SIZE = 16  # images of one optimizer step, over all processes
SCALE = 0.25  # training images grow or shrink by up to this share
COLOR = 0.2  # their brightness, contrast and saturation vary by up to this share

# ---- Images: the geometry of model.py, in OpenCV ----


class ImageError(Exception):
    """An image or a map cannot be decoded."""


class ChangedError(Exception):
    """The size of an image has changed since the dataset was read."""


class Transform(NamedTuple):
    """Maps pixels of the image to pixels of the canvas: xy * scale + offset."""

    scale: np.ndarray  # (2,) for x and y, negative where mirrored
    offset: np.ndarray  # (2,)

    def move(self, boxes: np.ndarray) -> np.ndarray:
        corners = boxes.reshape(-1, 2, 2) * self.scale + self.offset
        return np.concatenate([corners.min(1), corners.max(1)], 1).astype(np.float32)


def read_image(sample: Sample, height: int, width: int) -> np.ndarray:
    """Returns the image, RGB (height, width, 3) in uint8, antialiased.

    A JPEG is decoded at 1/2, 1/4 or 1/8 where that is still large enough: most of the
    decoding is saved, and the reduction is a clean low-pass.
    """
    reduction = min(sample.height / height, sample.width / width)
    step, flag = 1, cv2.IMREAD_COLOR
    if reduction >= 2 and sample.path.suffix.lower() in (".jpg", ".jpeg"):
        step, flag = 2, cv2.IMREAD_REDUCED_COLOR_2
        step, flag = (4, cv2.IMREAD_REDUCED_COLOR_4) if reduction >= 4 else (step, flag)
        step, flag = (8, cv2.IMREAD_REDUCED_COLOR_8) if reduction >= 8 else (step, flag)
    try:
        # cv2.imread would fill up a truncated JPEG with gray; imdecode returns None.
        image = cv2.imdecode(np.fromfile(sample.path, np.uint8), flag)
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise ImageError(f"{sample.path}: cannot be decoded")
    sides = np.subtract(image.shape[:2], [sample.height / step, sample.width / step])
    if (abs(sides) >= 1).any():
        raise ChangedError(f"{sample.path}: changed since the dataset was read")
    image = torch.from_numpy(image)[None].permute(0, 3, 1, 2)
    image = F.interpolate(image, (height, width), mode="bilinear", antialias=True)
    return cv2.cvtColor(image[0].permute(1, 2, 0).numpy(), cv2.COLOR_BGR2RGB)


def on_canvas(image: np.ndarray, top: int, left: int) -> np.ndarray:
    """Crops or pads an image placed at (top, left) to the size of the canvas."""
    image = image[max(0, -top) : HEIGHT - top, max(0, -left) : WIDTH - left]
    top, left = max(0, top), max(0, left)
    bottom, right = HEIGHT - top - image.shape[0], WIDTH - left - image.shape[1]
    border = (top, bottom, left, right, cv2.BORDER_CONSTANT)
    return cv2.copyMakeBorder(image, *border, value=PAD)


def augment(sample: Sample, rng: np.random.Generator) -> tuple[np.ndarray, Transform]:
    """Returns an image scaled, recolored, placed and mirrored at random."""
    height, width = fit(sample.height, sample.width)
    factor = rng.uniform(1 - SCALE, 1 + SCALE)
    height, width = max(1, round(height * factor)), max(1, round(width * factor))
    image = read_image(sample, height, width)
    image = recolor(image, rng)
    # Crops an image that is larger than the canvas, pads a smaller one.
    top, left = random_offset(height, HEIGHT, rng), random_offset(width, WIDTH, rng)
    canvas = on_canvas(image, top, left)
    scale = np.float32([width / sample.width, height / sample.height])
    offset = np.float32([left, top])
    if rng.random() < 0.5:
        canvas = cv2.flip(canvas, 1)
        scale, offset = scale * [-1, 1], [WIDTH, 0] + offset * [-1, 1]
    return canvas, Transform(scale, offset)


def random_offset(length: int, canvas: int, rng: np.random.Generator) -> int:
    """Returns a random offset on the canvas; negative if `length` is larger."""
    return int(rng.integers(min(0, canvas - length), max(0, canvas - length) + 1))


def recolor(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Scales brightness, contrast and saturation by random factors around 1."""
    brightness, contrast, saturation = rng.uniform(1 - COLOR, 1 + COLOR, 3)
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    gain = brightness * contrast
    middle = brightness * (1 - contrast) * cv2.mean(gray)[0]
    gray = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
    return cv2.addWeighted(
        image, gain * saturation, gray, gain * (1 - saturation), middle, dst=gray
    )


def moved(objects: Objects, transform: Transform) -> Objects:
    """Moves objects to the canvas; drops those of which less than a quarter is left."""
    boxes = transform.move(objects.boxes)
    visible = np.clip(boxes, 0, np.float32([WIDTH, HEIGHT, WIDTH, HEIGHT]))
    sides, whole = visible[:, 2:] - visible[:, :2], boxes[:, 2:] - boxes[:, :2]
    kept = sides.prod(1) > 0.25 * whole.prod(1)
    return Objects(visible[kept], objects.classes[kept])


def read_map(path: Path, flag: int) -> np.ndarray:
    """Returns the pixels of a map as `flag` of OpenCV wants them."""
    try:
        image = cv2.imdecode(np.fromfile(path, np.uint8), flag)
    except (OSError, cv2.error):
        image = None
    if image is None:
        raise ImageError(f"{path}: cannot be decoded")
    return image


def warp(
    values: np.ndarray, sample: Sample, transform: Transform, outside: float
) -> np.ndarray:
    """Returns a map of an image, of any size, on its canvas: (HEIGHT, WIDTH), the
    nearest value of each pixel, and `outside` around the image."""
    size = sample.height, sample.width
    height, width = values.shape
    x = (np.arange(WIDTH) + 0.5 - transform.offset[0]) / transform.scale[0]
    y = (np.arange(HEIGHT) + 0.5 - transform.offset[1]) / transform.scale[1]
    columns = np.floor(x * (width / size[1])).astype(int)
    rows = np.floor(y * (height / size[0])).astype(int)
    right = np.flatnonzero((columns >= 0) & (columns < width))
    below = np.flatnonzero((rows >= 0) & (rows < height))
    canvas = np.full((HEIGHT, WIDTH), outside, values.dtype)
    canvas[np.ix_(below, right)] = values[np.ix_(rows[below], columns[right])]
    return canvas


def read_categories(path: Path, colors: tuple) -> np.ndarray:
    """Returns the index of each pixel's category by its color: (h, w) int16, -1 where
    black or not named. `colors` are those of a `ColoredMap`."""
    image = read_map(path, cv2.IMREAD_COLOR)  # OpenCV reads blue first
    # An alpha of 255 makes these negative: they count from the end of the table.
    codes = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA).view("<i4")[..., 0]
    index = table_of(colors)[codes]
    if index.min() == 0:
        y, x = np.argwhere(index == 0)[0].tolist()
        color = image[y, x, ::-1].tolist()
        raise ImageError(f"{path}: no category has the color {color} at x {x}, y {y}")
    index -= 2
    return index


@functools.lru_cache(maxsize=8)
def table_of(colors: tuple) -> np.ndarray:
    """Returns int16 by color, red 65536 + green 256 + blue: 0 unknown, 1 black or not
    named, then the categories. Of its 32 MB only pages with these are in memory."""
    table = np.zeros(1 << 24, np.int16)
    table[0] = 1
    for (red, green, blue), index in colors:
        table[red << 16 | green << 8 | blue] = index + 2
    return table


def resized_map(values: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns a map at another size: the nearest value of each pixel."""
    size = (width, height)
    return cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT)


def check_maps(samples: Sequence, use: str, head: str, read: Callable, fewest: int):
    """Ends the run where a head's maps hold too few values from 0 on to learn from, or
    to be measured by. It reads no more of them than it has to."""
    found, maps, fault, fewest = set(), 0, "", fewest if use == "train" else 1
    for sample in samples:
        if head not in sample.labels:
            continue
        maps += 1
        try:
            values = read(sample.labels[head])
            found.update(np.unique(values[values >= 0])[:fewest].tolist())
        except ImageError as error:  # named again when it is trained on
            fault = f"\n  {error}"
        if len(found) >= fewest:
            return
    what = f"{len(found)} in the maps ({maps}) to {use} on"
    raise SystemExit(f"{head}: too few kinds of values, {what}{fault}")


def placed(sample: Sample, transform: Transform) -> dict:
    """Returns the labels that are visible in a view, by head."""
    labels = {}
    if "shapes" in sample.labels:
        labels["shapes"] = moved(sample.labels["shapes"], transform)
    if "regions" in sample.labels:
        labels["regions"] = warp(
            read_categories(*sample.labels["regions"]), sample, transform, -1
        )
    if "scene" in sample.labels:
        labels["scene"] = sample.labels["scene"]
    return labels


# ---- Batches ----


class TrainingSet(Dataset):
    """Augmented samples by (epoch, index): the same pair gives the same view.

    An image that cannot be decoded is replaced by another one, chosen by the same pair.
    The error messages are returned with the sample.
    """

    def __init__(self, samples: Sequence[Sample], seed: int):
        self.samples, self.seed = samples, seed

    def __getitem__(self, key: tuple[int, int]) -> tuple[np.ndarray, dict, list[str]]:
        rng = np.random.default_rng((self.seed, *key))
        broken = []
        for index in self.candidates(key[1], rng):
            sample = self.samples[index]
            try:
                canvas, transform = augment(sample, rng)
            except ImageError as error:
                broken.append(str(error))
            else:
                labels = placed(sample, transform)
                return canvas, labels, broken
        raise ImageError(broken[-1])

    def candidates(self, index: int, rng: np.random.Generator) -> Iterator[int]:
        """Yields the sample, then random others in place of broken ones."""
        yield index
        yield from rng.permutation(len(self.samples))[: MOST_BROKEN + 1].tolist()


class ValidationSet(Dataset):
    """Whole images (C, H, W), in order."""

    def __init__(self, samples: Sequence[Sample]):
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor:
        sample = self.samples[index]
        image = read_image(sample, sample.height, sample.width)
        return torch.from_numpy(image).permute(2, 0, 1)


def batch_keys(length: int, seed: int, start: int, rank: int, world: int) -> Iterator:
    """Yields the (epoch, index) pairs of each batch from iteration `start` on.

    They depend on the seed and the iteration alone, so that a resumed run goes on as if
    it had never stopped. With several processes each takes its share of a batch.
    """
    epoch, order = -1, None
    for first in itertools.count(start * BATCH_SIZE, BATCH_SIZE):
        batch = []
        for position in range(first + rank, first + BATCH_SIZE, world):
            if epoch != position // length:
                epoch = position // length
                rng = np.random.default_rng((seed, epoch))
                order = rng.permutation(length).tolist()
            batch.append((epoch, order[position % length]))
        yield batch


def collate(batch: list[tuple]) -> tuple[Tensor, dict, list[str]]:
    """Stacks images (B, 3, H, W), uint8, and targets; lists errors."""
    canvases, labels, broken = zip(*batch)
    images = torch.from_numpy(np.stack(canvases)).permute(0, 3, 1, 2)
    targets = {
        "shapes": stacked(stack_objects, "shapes", labels),
        "regions": stacked(stack_class_maps, "regions", labels),
        "scene": stacked(stack_categories, "scene", labels),
    }
    return images, targets, sum(broken, [])


# Targets of images without a label: losses leave these rows out.
BLANKS = {
    "shapes": Objects(np.zeros((0, 4), np.float32), np.zeros(0, np.int64)),
    "regions": np.full((HEIGHT, WIDTH), -1, np.int16),
    "scene": 0,
}


def stacked(stack: Callable, head: str, labels: list[dict]) -> dict[str, Tensor]:
    """Stacks targets of a head; "labeled" has the rows of images with labels."""
    targets = stack([x.get(head, BLANKS[head]) for x in labels])
    return targets | {"labeled": torch.tensor([head in x for x in labels])}


def stack_objects(batch: list[Objects]) -> dict[str, Tensor]:
    """Returns boxes (B, G, 4) and classes (B, G), -1 where padded."""
    # A power of two: torch.compile compiles the loss anew for each number of rows.
    most = 1 << max(max(len(objects.classes) for objects in batch) - 1, 15).bit_length()
    boxes = torch.zeros(len(batch), most, 4)
    classes = torch.full((len(batch), most), -1)
    for i, objects in enumerate(batch):
        count = len(objects.classes)
        boxes[i, :count] = torch.from_numpy(objects.boxes)
        classes[i, :count] = torch.from_numpy(objects.classes)
    return {"boxes": boxes, "classes": classes}


def stack_class_maps(batch: list[np.ndarray]) -> dict[str, Tensor]:
    """Returns categories (B, H, W), -1 where nothing is known."""
    return {"categories": torch.from_numpy(np.stack(batch))}


def stack_categories(batch: list[int]) -> dict[str, Tensor]:
    return {"category": torch.tensor(batch)}  # (B,)


def training_batches(
    samples: list[Sample], seed: int, start: int, rank: int, world: int, workers: int
) -> Iterator[tuple[Tensor, dict]]:
    """Returns images and targets, from iteration `start` on."""
    loader = DataLoader(
        TrainingSet(samples, seed),
        batch_sampler=batch_keys(len(samples), seed, start, rank, world),
        collate_fn=collate,
        **loading(workers),
    )
    return warn_of_broken(iter(loader), len(samples))


def warn_of_broken(batches: Iterator, length: int) -> Iterator[tuple[Tensor, dict]]:
    """Yields batches; names each broken image once, and ends if there are too many."""
    known = set()
    for images, targets, broken in batches:
        for problem in sorted(set(broken) - known):
            known.add(problem)
            message = f"{problem}; another image takes its place ({len(known)} so far)"
            tqdm.write(message, file=sys.stderr)
        if len(known) > max(MOST_BROKEN, BROKEN_SHARE * length):
            listed = "\n  ".join(sorted(known)[:10])
            what = f"{len(known)} of {length} training images cannot be decoded"
            raise SystemExit(f"{what}, among them\n  {listed}")
        yield images, targets


def to_device(batch: tuple[Tensor, dict], device: torch.device) -> tuple[Tensor, dict]:
    images, targets = batch
    return images.to(device, non_blocking=True), {
        head: {name: x.to(device, non_blocking=True) for name, x in tensors.items()}
        for head, tensors in targets.items()
    }


def validation_batches(samples: Sequence[Sample], workers: int) -> DataLoader:
    return DataLoader(
        ValidationSet(samples),
        1,  # images have sizes of their own
        **loading(workers),
    )


def loading(workers: int) -> dict:
    """Returns arguments of a DataLoader with this number of workers."""
    cv2.setNumThreads(0)  # OpenCV's threads do not survive the fork of a worker
    atexit.register(end_workers)
    pinned = torch.cuda.is_initialized()  # the model is on a GPU: --device
    return dict(num_workers=workers, worker_init_fn=prepare_worker, pin_memory=pinned)


def prepare_worker(_: int):
    """Ignores Ctrl-C and SIGTERM in a worker: the main process saves first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


def end_workers():
    """Kills workers at exit: they ignore the SIGTERM that Python would send."""
    if hasattr(signal, "SIGCHLD"):  # keeps PyTorch's handler from reporting a crash
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for worker in multiprocessing.active_children():
        if worker.daemon:  # Python ends these, and waits for others
            worker.kill()
