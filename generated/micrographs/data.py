"""Images and batches: from a sample to what the model sees."""

import atexit
import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Iterator, Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from dataset import BROKEN_SHARE, MOST_BROKEN, Sample
from model import HEIGHT, PAD, WIDTH, fit, resampled

BATCH_SIZE = 256  # images of one optimizer step, over all processes
SCALE = 0.7  # training images grow or shrink by up to this share
COLOR = 0.5  # their brightness, contrast and saturation vary by up to this share
HUE = 0.1  # hues turn by up to this part of the color circle
GRAY = 0.2  # this part of the images becomes gray
BLUR = 1.28  # largest standard deviation of a blur; pixels

# ---- Images: the geometry of model.py, in OpenCV ----


class ImageError(Exception):
    """An image cannot be decoded."""


class ChangedError(Exception):
    """The size of an image has changed since the dataset was read."""


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


def augment(sample: Sample, rng: np.random.Generator) -> np.ndarray:
    """Returns an image transposed, scaled, recolored, blurred, placed and mirrored
    at random."""
    transposed = rng.random() < 0.5
    size = sample.height, sample.width
    size = size[::-1] if transposed else size
    height, width = fit(*size)
    factor = rng.uniform(1 - SCALE, 1 + SCALE)
    height, width = max(1, round(height * factor)), max(1, round(width * factor))
    if transposed:
        image = read_image(sample, width, height, fast=True).transpose(1, 0, 2)
    else:
        image = read_image(sample, height, width, fast=True)
    image = recolor(image, rng)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)  # the circle has 256 hues
    hsv[:, :, 0] += np.uint8(round(256 * rng.uniform(-HUE, HUE)) % 256)
    image = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
    if rng.random() < GRAY:
        gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        image = cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
    if rng.random() < 0.5:
        deviation = BLUR * (1 - rng.random())  # above 0, which OpenCV would not take
        image = cv2.GaussianBlur(image, (0, 0), deviation)
    # Crops an image that is larger than the canvas, pads a smaller one.
    top, left = random_offset(height, HEIGHT, rng), random_offset(width, WIDTH, rng)
    canvas = on_canvas(image, top, left)
    if rng.random() < 0.5:
        canvas = cv2.flip(canvas, 1)
    if rng.random() < 0.5:
        canvas = cv2.flip(canvas, 0)
    return canvas


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


# ---- Batches ----


class TrainingSet(Dataset):
    """Augmented samples by (epoch, index, view): a key always gives one view.

    An image that cannot be decoded is replaced by another one, chosen by the same pair.
    The error messages are returned with the sample.
    """

    def __init__(self, samples: Sequence[Sample], seed: int):
        self.samples, self.seed = samples, seed

    def __getitem__(
        self, key: tuple[int, int, int]
    ) -> tuple[np.ndarray, dict, list[str]]:
        rng = np.random.default_rng((self.seed, *key))
        broken = []
        for index in self.candidates(
            key[1], np.random.default_rng((self.seed, *key[:2]))
        ):
            sample = self.samples[index]
            try:
                canvas = augment(sample, rng)
            except ImageError as error:
                broken.append(str(error))
            else:
                return canvas, sample.labels, broken
        raise ImageError(broken[-1])

    def candidates(self, index: int, rng: np.random.Generator) -> Iterator[int]:
        """Yields the sample, then random others in place of broken ones."""
        yield index
        yield from rng.permutation(len(self.samples))[: MOST_BROKEN + 1].tolist()


class ValidationSet(Dataset):
    """Letterboxed images (C, H, W), in order, or a random view of each, which its
    name decides: the same in every run and process."""

    def __init__(self, samples: Sequence[Sample], views: bool):
        self.samples, self.views = samples, views

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Tensor:
        sample = self.samples[index]
        if self.views:
            rng = np.random.default_rng(list(os.fsencode(sample.path.name)))
            canvas = augment(sample, rng)
        else:
            canvas = letterbox(sample)
        return torch.from_numpy(np.ascontiguousarray(canvas)).permute(2, 0, 1)


def batch_keys(length: int, seed: int, start: int, rank: int, world: int) -> Iterator:
    """Yields the (epoch, index, view) of each batch from iteration `start` on.

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
            index = order[position % length]
            batch += [(epoch, index, 0), (epoch, index, 1)]  # two views, in a row
        yield batch


def collate(batch: list[tuple]) -> tuple[Tensor, dict, list[str]]:
    """Stacks images (B, 3, H, W), uint8, and targets; lists errors."""
    canvases, _, broken = zip(*batch)
    images = torch.from_numpy(np.stack(canvases)).permute(0, 3, 1, 2)
    targets = {"texture": {}}
    return images, targets, sum(broken, [])


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


def validation_batches(
    samples: Sequence[Sample], workers: int, views: bool = False
) -> DataLoader:
    return DataLoader(
        ValidationSet(samples, views),
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
