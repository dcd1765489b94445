"""A small labeled dataset of short codes, drawn on the spot: digits on a strip.

As in scene.py a frozen record holds the content of an image, and :func:`draw` turns the
record into pixels. Needs numpy and OpenCV (the extra ``train``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml

TOKENS = "0123456789"
LENGTHS = (3, 5)  # fewest and most tokens of a text
SIZE = (32, 96)  # height and width of an image in pixels
NOISE = 6.0  # standard deviation of the sensor noise, in gray values
EMPTY = 0.04  # fraction of images without any digit


@dataclass(frozen=True)
class Strip:
    """The content of one image; the text's lower left corner is x and y in pixels."""

    text: str
    scale: float  # font scale of OpenCV
    corner: tuple[int, int]
    ink: int  # gray value of the text
    paper: int
    noise_seed: int


def sample_strip(
    rng: np.random.Generator, tokens: str = TOKENS, lengths: tuple[int, int] = LENGTHS
) -> Strip:
    """Draws a strip at random; equal generators give equal strips."""
    shortest, longest = lengths
    length = 0 if rng.random() < EMPTY else int(rng.integers(shortest, longest + 1))
    text = "".join(tokens[i] for i in rng.integers(len(tokens), size=length))
    scale = float(rng.uniform(0.65, 0.8))
    width, height = _extent(text, scale)
    left = int(rng.integers(1, SIZE[1] - width))
    bottom = int(rng.integers(height + 3, SIZE[0] - 3))
    gray = int(rng.integers(0, 70)), int(rng.integers(150, 256))
    ink, paper = gray if rng.random() < 0.5 else gray[::-1]
    return Strip(text, scale, (left, bottom), ink, paper, int(rng.integers(2**32)))


def _extent(text: str, scale: float) -> tuple[int, int]:
    """Returns the width and height of a text in pixels."""
    return cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)[0]


def draw(strip: Strip) -> np.ndarray:
    """Returns the pixels of a strip: (height, width) uint8."""
    image = np.full(SIZE, strip.paper, np.uint8)
    font = (cv2.FONT_HERSHEY_SIMPLEX, strip.scale, strip.ink, 2, cv2.LINE_AA)
    cv2.putText(image, strip.text, strip.corner, *font)
    rng = np.random.default_rng(strip.noise_seed)
    noisy = image + NOISE * rng.standard_normal(image.shape, np.float32)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def draw_dataset(
    folder: Path,
    train: int = 400,
    validation: int = 50,
    seed: int = 0,
    tokens: str = TOKENS,
    lengths: tuple[int, int] = LENGTHS,
) -> None:
    """Writes a dataset in the native layout to a new folder: `train/` and `val/`.

    The task is scene text recognition. Image i of a split depends on the seed and on i
    alone.
    """
    for number, (name, count) in enumerate((("train", train), ("val", validation))):
        images = Path(folder) / name / "images"
        images.mkdir(parents=True)
        texts = {}
        for index in range(count):
            rng = np.random.default_rng([seed, number, index])
            strip = sample_strip(rng, tokens, lengths)
            texts[f"strip_{index:05d}.png"] = strip.text
            cv2.imwrite(str(images / f"strip_{index:05d}.png"), draw(strip))
        entry = {"task": "scene text recognition", "tokens": tokens}
        entry["annotations"] = "texts.yaml"
        for file, value in (("metadata.yaml", entry), ("texts.yaml", texts)):
            text = yaml.safe_dump(value, sort_keys=False)
            (images.parent / file).write_text(text, "utf-8")
