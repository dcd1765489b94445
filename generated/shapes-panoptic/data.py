"""Images and batches: from a sample to what the model sees."""

import atexit
import itertools
import multiprocessing
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from faster_coco_eval.core import mask as coco_mask
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from dataset import BROKEN_SHARE, MOST_BROKEN, Instances, Sample
from model import HEIGHT, MASK_STRIDE, PAD, STUFF, THINGS, WIDTH, fit, resampled

BATCH_SIZE = 8  # images of one optimizer step, over all processes
SCALE = 0.25  # training images grow or shrink by up to this share
COLOR = 0.2  # their brightness, contrast and saturation vary by up to this share
GRID = 28  # points along a side of the grid on which a mask is learned
MARGIN = 0.25  # regions are larger than boxes by this share

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


def read_image(
    sample: Sample, height: int, width: int, fast: bool = False
) -> np.ndarray:
    """Returns the image, RGB (height, width, 3) in uint8, resized as by `predict`.

    If `fast`, for training: in integers, and a JPEG is decoded at 1/2, 1/4 or 1/8 where
    that is still large enough. Most of the time is saved; gray levels differ a little.
    """
    reduction = min(sample.height / height, sample.width / width)
    step, flag = 1, cv2.IMREAD_COLOR
    if fast and reduction >= 2 and sample.path.suffix.lower() in (".jpg", ".jpeg"):
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
    if fast:
        image = F.interpolate(image, (height, width), mode="bilinear", antialias=True)
    elif image.shape[2:] != (height, width):
        image = resampled(image, (height, width)).byte()
    return cv2.cvtColor(image[0].permute(1, 2, 0).numpy(), cv2.COLOR_BGR2RGB)


def letterbox(sample: Sample) -> np.ndarray:
    """Fits the image into the top left of a canvas (HEIGHT, WIDTH, 3)."""
    height, width = fit(sample.height, sample.width)
    return on_canvas(read_image(sample, height, width), 0, 0)


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
    image = read_image(sample, height, width, fast=True)
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


class Grids(NamedTuple):
    """The instances on a canvas, each mask sampled on a grid over its surroundings."""

    boxes: np.ndarray  # (G, 4) on the canvas
    classes: np.ndarray  # (G,)
    regions: np.ndarray  # (G, 4), where the grids lie
    masks: np.ndarray  # (G, GRID, GRID) uint8, 0 or 1


def moved_instances(instances: Instances, transform: Transform) -> Grids:
    """Moves instances to the canvas; drops those with less than a quarter left."""
    if not instances.masks:
        none = np.zeros((0, GRID, GRID), np.uint8)
        return Grids(instances.boxes, instances.classes, instances.boxes, none)
    limits = np.float32([WIDTH, HEIGHT, WIDTH, HEIGHT])
    size, edges = instances.masks[0]["size"], run_edges(instances.masks)
    whole = transform.move(instances.boxes)
    boxes, gone = np.clip(whole, 0, limits), []
    for i in np.flatnonzero((boxes != whole).any(1)).tolist():
        box = visible_box(edges[i], size, boxes[i], transform)
        if box is None:
            gone.append(i)
        else:
            boxes[i] = box
    kept = np.delete(np.arange(len(boxes)), gone)
    boxes = boxes[kept]
    margins = MARGIN * (boxes[:, 2:] - boxes[:, :2])
    regions = np.concatenate([boxes[:, :2] - margins, boxes[:, 2:] + margins], 1)
    regions = np.clip(regions, 0, limits)
    masks = np.zeros((len(kept), GRID, GRID), np.uint8)
    for i, mask, pixels in zip(
        kept, masks, pixels_at(*grid_of(regions), transform, size)
    ):
        mask[:] = np.searchsorted(edges[i], pixels, "right") % 2
    return Grids(boxes, instances.classes[kept], regions, masks)


def run_edges(masks: Sequence[dict]) -> list[np.ndarray]:
    """Returns where runs inside each mask begin and end, in turns: pixel numbers down
    the columns. COCO writes lengths of runs in base 32, the lowest digits first, and
    from the fourth on only the differences to the last but one."""
    if not masks:
        return []
    texts = [mask["counts"] for mask in masks]
    digits = np.frombuffer(b"".join(texts), np.uint8).astype(np.int64) - 48
    last = np.flatnonzero(digits < 32)  # the last digit of each length
    first = np.append(0, last[:-1] + 1)
    shifts = 5 * (np.arange(len(digits)) - np.repeat(first, last - first + 1))
    lengths = np.add.reduceat((digits & 31) << shifts, first)
    lengths -= (digits[last] & 16) << (shifts[last] + 1)  # bit 4 is the sign
    begins = np.searchsorted(first, np.cumsum([len(text) for text in texts]))
    edges = []
    for own in np.split(lengths, begins[:-1]):
        own[1::2], own[2::2] = own[1::2].cumsum(), own[2::2].cumsum()
        edges.append(own.cumsum()[: len(own) // 2 * 2])
    return edges


def visible_box(
    edges: np.ndarray, size: list[int], part: np.ndarray, transform: Transform
) -> np.ndarray | None:
    """Returns the box of a mask's pixels that lie on the canvas, in its `part`; None if
    they are less than a quarter."""
    x, y = (np.arange(part[i], part[i + 2]) + 0.5 for i in (0, 1))
    columns, rows = in_image(x, y, transform)
    column, top, bottom = strips(edges, size[0])
    # The first and the last of x and y, from 0 on, that show something of each strip.
    left, right = np.searchsorted(np.sort(columns), [column, column + 1])
    above, below = np.searchsorted(np.sort(rows), [top, bottom])
    seen = (right - left) * (below - above)
    if seen.sum() <= 0.25 * (bottom - top).sum() * abs(transform.scale.prod()):
        return None
    seen = seen > 0
    low = np.array([left[seen].min(), above[seen].min()])
    high = np.array([right[seen].max(), below[seen].max()])
    mirrored, ends = transform.scale < 0, [len(x), len(y)]
    low, high = np.where(mirrored, [ends - high, ends - low], [low, high])
    box = np.concatenate([low, high])
    return np.minimum(np.tile(part[:2], 2) + box, np.tile(part[2:], 2))


def strips(edges: np.ndarray, height: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each run of a mask its column, and its first and end row."""
    begins, ends = edges.reshape(-1, 2).T
    first = begins // height
    counts = (ends - 1) // height - first + 1
    run = np.repeat(np.arange(len(counts)), counts)
    column = np.arange(len(run)) + (first - counts.cumsum() + counts)[run]
    top, bottom = (side[run] - column * height for side in (begins, ends))
    return column, np.maximum(top, 0), np.minimum(bottom, height)


def grid_of(regions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns x and y (..., GRID) of the points of grids on regions (..., 4)."""
    steps = (np.arange(GRID) + 0.5) / GRID
    low, high = regions[..., :2, None], regions[..., 2:, None]
    points = low + steps * (high - low)
    return points[..., 0, :], points[..., 1, :]


def in_image(
    x: np.ndarray, y: np.ndarray, transform: Transform
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the columns and rows of the image at x and y of the canvas."""
    x = np.floor((x - transform.offset[0]) / transform.scale[0]).astype(int)
    y = np.floor((y - transform.offset[1]) / transform.scale[1]).astype(int)
    return x, y


def pixels_at(
    x: np.ndarray, y: np.ndarray, transform: Transform, size: list[int]
) -> np.ndarray:
    """Returns the pixels of an image of this size at columns x (..., X) and rows y
    (..., Y) of the canvas, numbered down its columns: (..., Y, X). All beyond it have
    the number of its pixels, which is in no mask."""
    height, width = size
    columns, rows = in_image(x[..., None, :], y[..., :, None], transform)
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    return np.where(inside, columns * height + rows, height * width)


def moved_panoptic(
    segments: Instances,
    transform: Transform,
    things: Sequence[int],
    stuff: Sequence[int],
    stride: int,
) -> tuple[Grids, np.ndarray]:
    """Returns the instances on the canvas, and its map of stuff in cells of this
    stride: 0 for things, then the kinds of stuff in their order, -1 where nothing is
    known."""
    thing_rows = [i for i, kind in enumerate(segments.classes) if kind in things]
    classes = [things.index(kind) for kind in segments.classes[thing_rows].tolist()]
    masks = tuple(segments.masks[i] for i in thing_rows)
    instances = Instances(
        segments.boxes[thing_rows], np.array(classes, np.int64), masks
    )

    x = np.arange(stride / 2, WIDTH, stride)
    y = np.arange(stride / 2, HEIGHT, stride)
    canvas = np.full((len(y), len(x)), -1, np.int16)
    for kind, edges in zip(segments.classes.tolist(), run_edges(segments.masks)):
        pixels = pixels_at(x, y, transform, segments.masks[0]["size"])
        inside = np.searchsorted(edges, pixels, "right") % 2 > 0
        canvas[inside] = 0 if kind in things else 1 + stuff.index(kind)
    return moved_instances(instances, transform), canvas


def maps_of_segments(
    segments: Instances, things: Sequence[int], height: int, width: int
) -> dict[str, np.ndarray]:
    """Returns the category of each pixel, -1 where unknown, and the number of its
    instance, 0 where it has none, (height, width) each."""
    categories = np.full((height, width), -1, np.int16)
    instances = np.zeros((height, width), np.int32)
    for number, runs in enumerate(segments.masks, 1):
        inside, kind = coco_mask.decode(runs) > 0, segments.classes[number - 1]
        categories[inside] = kind
        instances[inside] = number if kind in things else 0
    return {"categories": categories, "instances": instances}


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
                labels = {
                    "scene": moved_panoptic(
                        sample.labels["scene"], transform, THINGS, STUFF, MASK_STRIDE
                    )
                }
                return canvas, labels, broken
        raise ImageError(broken[-1])

    def candidates(self, index: int, rng: np.random.Generator) -> Iterator[int]:
        """Yields the sample, then random others in place of broken ones."""
        yield index
        yield from rng.permutation(len(self.samples))[: MOST_BROKEN + 1].tolist()


class ValidationSet(Dataset):
    """Letterboxed images (C, H, W), in order."""

    def __init__(self, samples: Sequence[Sample]):
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor:
        return torch.from_numpy(letterbox(self.samples[index])).permute(2, 0, 1)


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
    targets = {"scene": stack_panoptic([one["scene"] for one in labels])}
    return images, targets, sum(broken, [])


def stack_grids(batch: list[Grids]) -> dict[str, Tensor]:
    """Returns the fields of `Grids`, (B, G, ...) each; classes are -1 where padded."""
    # A power of two: torch.compile compiles the loss anew for each number of rows.
    most = 1 << max(max(len(grids.classes) for grids in batch) - 1, 15).bit_length()
    stacked = {}
    for name, first in batch[0]._asdict().items():
        padding = -1 if name == "classes" else 0
        whole = np.full((len(batch), most, *first.shape[1:]), padding, first.dtype)
        for row, grids in zip(whole, batch):
            row[: len(grids.classes)] = getattr(grids, name)
        stacked[name] = torch.from_numpy(whole)
    return stacked


def stack_panoptic(batch: list[tuple[Grids, np.ndarray]]) -> dict[str, Tensor]:
    """Returns the instances as `stack_grids` has them, and "stuff" (B, h, w)."""
    grids, stuff = zip(*batch)
    return stack_grids(grids) | {"stuff": torch.from_numpy(np.stack(stuff))}


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
        min(BATCH_SIZE, 32),  # more images at once need memory, and save no time
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
