"""The emitted input pipeline against the plainest one: imread, linear resize, pad.

    python benchmarks/loader_speed.py --pairs 20
    python benchmarks/loader_speed.py --images path/to/jpegs

Both letterbox 640x480 JPEGs, one process, one thread, files in the system's cache.
The plain pipeline is the fastest peer and not antialiased; the emitted one is.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from emitted import FOLDER, load
from pairs import cost, interleave, parser, ratios, report

BARS = {256: 1.5, 512: 1.0}  # resolution: least speed against the plain pipeline
IMAGES = 32
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 90]


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument(
        "--images", type=Path, help="folder of JPEGs (default: drawn on the spot)"
    )
    options = arguments.parse_args()
    cv2.setNumThreads(0)
    dataset, data = load(FOLDER / "dataset.py"), load(FOLDER / "data.py")
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.images or draw_images(Path(scratch))
        samples = [
            sample(dataset, path) for path in sorted(folder.glob("*.jpg"))[:IMAGES]
        ]
        kept = [
            compare(data, samples, resolution, options.pairs) for resolution in BARS
        ]
    return 0 if all(kept) else 1


def compare(data, samples: list, resolution: int, pairs: int) -> bool:
    """Images per second of both at a square resolution."""
    model = sys.modules["model"]  # `fit` reads the canvas there, `letterbox` in data
    for module in (model, data):
        module.HEIGHT = module.WIDTH = resolution

    def emitted() -> None:
        for item in samples:
            data.letterbox(item)

    def plain() -> None:
        for item in samples:
            letterbox(str(item.path), resolution)

    ours, theirs = interleave(lambda: cost(emitted), lambda: cost(plain), pairs)
    for name, costs in (("emitted", ours), ("imread, linear, pad", theirs)):
        rates = [len(samples) / seconds for seconds in costs]
        report(f"{name}, 640x480 to {resolution}", rates, "img/s")
    label = f"emitted speed / plain speed, to {resolution}"
    return report(label, ratios(theirs, ours), at_least=BARS[resolution])


def letterbox(path: str, resolution: int) -> np.ndarray:
    image = cv2.imread(path)
    height, width = image.shape[:2]
    scale = resolution / max(height, width)
    size = round(width * scale), round(height * scale)
    image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    bottom, right = resolution - size[1], resolution - size[0]
    image = cv2.copyMakeBorder(
        image, 0, bottom, 0, right, cv2.BORDER_CONSTANT, value=(104, 116, 124)
    )
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def sample(dataset, path: Path):
    """An image without labels: they cost nothing beside the pixels."""
    return dataset.Sample(path, *dataset.image_size(path), labels={})


def draw_images(folder: Path) -> Path:
    """640x480 JPEGs with detail at all scales, the size of photographs at that quality."""
    rng = np.random.default_rng(0)
    for index in range(IMAGES):
        image = np.zeros((480, 640, 3), np.float32)
        for size in (4, 16, 64, 240):
            noise = rng.normal(0, 90 / size**0.5, (size, size, 3)).astype(np.float32)
            image += cv2.resize(noise, (640, 480), interpolation=cv2.INTER_CUBIC)
        pixels = np.clip(image + 128, 0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f"{index:02d}.jpg"), pixels, QUALITY)
    return folder


if __name__ == "__main__":
    sys.exit(main())
