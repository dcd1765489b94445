"""The emitted input pipeline against the plainest one: imread, resize, pad.

    python benchmarks/loader_speed.py --pairs 20
    python benchmarks/loader_speed.py --images path/to/jpegs

Both letterbox 640x480 JPEGs, one process, one thread, files in the system's cache. The
emitted pipeline is antialiased. The plain one is not to 256, where it is the fastest
peer; to 512 it has OpenCV's antialiased filter, INTER_AREA. Bars are of images for
training. Those of a validation are resized exactly as the product resizes them, which
takes longer: their speed is printed without a bar.

Images for training are measured twice. A young process returns the memory of every image to the system,
and the page faults of the next one are a large part of what whole images cost. Once a
process has freed a few large blocks, as training does, the C library keeps memory, and
what is left is decoding: most of it reads coefficients, which no reduction spares.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from emitted import FOLDER, load
from pairs import cost, interleave, parser, ratios, report

BARS = {256: 1.5, 512: 1.0}  # resolution: least speed against the plain pipeline
FILTERS = {256: cv2.INTER_LINEAR, 512: cv2.INTER_AREA}  # those of the plain pipeline
IMAGES = 32
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]
SLOPE = 1.25  # amplitudes fall as frequency ** -SLOPE; 1.1 to 1.5 in photographs
CONTRAST = (50, 10, 10)  # standard deviations of Y, Cr, Cb
LARGE = 30_000_000  # bytes; above 32 MB the C library learns nothing from a block


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--images", type=Path, help="folder of JPEGs (default: drawn on the spot)"
    )
    options = arguments.parse_args()
    cv2.setNumThreads(0)
    dataset, data = load(FOLDER / "dataset.py"), load(FOLDER / "data.py")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.images or draw_elsewhere(Path(scratch))
        paths = sorted(folder.glob("*.jpg"))[:IMAGES]
        samples = [sample(dataset, path) for path in paths]
        print(f"{len(samples)} JPEGs of {bits_per_pixel(samples):.2f} bits a pixel")
        kept = [
            compare(data, samples, side, options.pairs, "young process", bar)
            for side, bar in BARS.items()
        ]
        warm_heap()
        for side in BARS:
            compare(data, samples, side, options.pairs, "memory kept")
            compare(data, samples, side, options.pairs, "as judged", is_fast=False)
    return 0 if all(kept) else 1


def compare(
    data,
    samples: list,
    side: int,
    pairs: int,
    state: str,
    bar: float | None = None,
    is_fast: bool = True,
) -> bool:
    """Images per second of both at a square resolution."""
    model = sys.modules["model"]  # `fit` reads the canvas there, `on_canvas` in data
    for module in (model, data):
        module.HEIGHT = module.WIDTH = side

    def emitted() -> None:
        for item in samples:
            height, width = data.fit(item.height, item.width)
            image = data.read_image(item, height, width, fast=is_fast)
            data.on_canvas(image, 0, 0)

    def plain() -> None:
        for item in samples:
            letterbox(str(item.path), side)

    ours, theirs = interleave(lambda: cost(emitted), lambda: cost(plain), pairs)
    for name, costs in (("emitted", ours), ("imread, resize, pad", theirs)):
        rates = [len(samples) / seconds for seconds in costs]
        report(f"{name}, to {side}, {state}", rates, "img/s")
    label = f"emitted / plain speed, to {side}, {state}"
    return report(label, ratios(theirs, ours), at_least=bar)


def letterbox(path: str, resolution: int) -> np.ndarray:
    image = cv2.imread(path)
    height, width = image.shape[:2]
    scale = resolution / max(height, width)
    size = round(width * scale), round(height * scale)
    image = cv2.resize(image, size, interpolation=FILTERS[resolution])
    bottom, right = resolution - size[1], resolution - size[0]
    image = cv2.copyMakeBorder(
        image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(104, 116, 124)
    )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def sample(dataset, path: Path):
    """An image without labels: they cost nothing beside the pixels."""
    return dataset.Sample(path, *dataset.image_size(path), labels={})


def bits_per_pixel(samples: list) -> float:
    return statistics.mean(
        8 * item.path.stat().st_size / (item.height * item.width) for item in samples
    )


def warm_heap() -> None:
    """From here on the C library keeps blocks as large as these for later images."""
    blocks = [np.zeros(LARGE, np.uint8) for _ in range(3)]
    blocks.clear()


def draw_elsewhere(folder: Path) -> Path:
    """In another process, because drawing would leave this one's memory warm."""
    process = multiprocessing.get_context("spawn").Process(
        target=draw_images, args=(folder,)
    )
    process.start()
    process.join()
    return folder


def draw_images(folder: Path) -> None:
    """640x480 JPEGs with the spectrum and contrast of photographs."""
    rng = np.random.default_rng(0)
    for index in range(IMAGES):
        planes = [128 + deviation * noise(rng) for deviation in CONTRAST]
        pixels = np.clip(np.stack(planes, 2), 0, 255).astype(np.uint8)
        pixels = cv2.cvtColor(pixels, cv2.COLOR_YCrCb2BGR)
        cv2.imwrite(str(folder / f"{index:02d}.jpg"), pixels, QUALITY)


def noise(rng: np.random.Generator, height=480, width=640) -> np.ndarray:
    """Random phases under the spectrum of photographs; mean 0, deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width))
    frequency[0, 0] = np.inf
    phases = np.exp(2j * np.pi * rng.random(frequency.shape))
    field = np.fft.irfft2(phases * frequency**-SLOPE, (height, width))
    return field / field.std()


if __name__ == "__main__":
    sys.exit(main())
