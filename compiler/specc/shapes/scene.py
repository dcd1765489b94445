"""A scene of colored shapes: how it is sampled, and its pixels.

A :class:`Scene` is a frozen record of all that an image shows. :func:`draw` turns it to
pixels and small functions derive its annotations, so that a further task needs a
further function and never another drawing. Needs numpy and OpenCV (the extra ``train``).
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from specc.shapes import whole

CATEGORIES = ("circle", "square", "triangle", "star")
BACKGROUNDS = whole.BACKGROUNDS

SIZES = (160, 320)  # shortest and longest side of an image in pixels
RADII = (20, 60)  # least and largest circumscribed circle of a shape in pixels
SEPARATE_RADII = (32, 60)  # the same for shapes that are whole and do not touch
SEPARATE_TILT = 0.3  # how far these are turned at most, either way, in radians
UPRIGHT = {"circle": 0, "square": 45, "triangle": -90, "star": -90}  # degrees
MAX_SHAPES = 6
EMPTY = 0.08  # fraction of images without any shape
NOISE = 8.0  # standard deviation of the sensor noise, in gray values
SUPERSAMPLING = 4  # sub-pixels along the side of a pixel, for smooth edges

Color = tuple[int, int, int]  # red, green, blue, 0..255


@dataclass(frozen=True)
class Shape:
    """One filled shape; center and radius in pixels, rotation in radians clockwise."""

    category: str
    center: tuple[float, float]  # (x, y) in pixels
    radius: float  # radius of the circumscribed circle
    rotation: float
    color: Color


@dataclass(frozen=True)
class Background:
    """Two colors in a pattern; a plain background shows the first color alone."""

    kind: str
    colors: tuple[Color, Color]
    period: float  # distance between stripes or squares of one color in pixels
    rotation: float


@dataclass(frozen=True)
class Scene:
    """The content of one image; later shapes lie in front of earlier ones."""

    height: int
    width: int
    background: Background
    shapes: tuple[Shape, ...]
    noise_seed: int


# -- Sampling --------------------------------------------------------------------------


def sample_scene(rng: np.random.Generator, separate: bool = False) -> Scene:
    """Draws a scene at random; equal generators give equal scenes. `separate` shapes
    are whole, nearly upright, and do not touch; others may overlap and cross the
    border."""
    height, width = (int(side) for side in rng.integers(SIZES[0], SIZES[1] + 1, 2))
    background = _sample_background(rng)
    count = 0 if rng.random() < EMPTY else int(rng.integers(1, MAX_SHAPES + 1))
    shapes: list[Shape] = []
    for _ in range(count):
        shape = _sample_shape(rng, height, width, separate)
        if all(_is_apart(shape, other, separate) for other in shapes):
            shapes.append(shape)
    return Scene(height, width, background, tuple(shapes), int(rng.integers(2**32)))


def _sample_background(rng: np.random.Generator) -> Background:
    return Background(
        kind=BACKGROUNDS[rng.integers(len(BACKGROUNDS))],
        colors=(_sample_muted(rng, 0.15, 0.45), _sample_muted(rng, 0.5, 0.8)),
        period=float(rng.uniform(16, 48)),
        rotation=float(rng.uniform(0, np.pi)),
    )


def _sample_shape(
    rng: np.random.Generator, height: int, width: int, separate: bool
) -> Shape:
    radius = float(rng.uniform(*(SEPARATE_RADII if separate else RADII)))
    # With less than the radius some shapes cross the border.
    margin = radius if separate else 0.4 * radius
    category = CATEGORIES[rng.integers(len(CATEGORIES))]
    x = float(rng.uniform(margin, width - margin))
    y = float(rng.uniform(margin, height - margin))
    if separate:
        tilt = rng.uniform(-SEPARATE_TILT, SEPARATE_TILT)
        rotation = float(np.radians(UPRIGHT[category]) + tilt)
    else:
        rotation = float(rng.uniform(0, 2 * np.pi))
    color = _rgb(rng.random(), rng.uniform(0.7, 1.0), rng.uniform(0.75, 1.0))
    return Shape(category, (x, y), radius, rotation, color)


def _is_apart(one: Shape, other: Shape, separate: bool) -> bool:
    """Returns whether neither shape covers the other's center; `separate` shapes do not
    overlap either."""
    distance = np.hypot(*np.subtract(one.center, other.center))
    least = one.radius + other.radius if separate else max(one.radius, other.radius)
    return bool(distance > least)


def _sample_muted(rng: np.random.Generator, low: float, high: float) -> Color:
    return _rgb(rng.random(), rng.uniform(0.0, 0.25), rng.uniform(low, high))


def _rgb(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


# -- Drawing ---------------------------------------------------------------------------


def draw(scene: Scene) -> np.ndarray:
    """Returns the pixels of a scene: (height, width, 3) uint8, red first."""
    image = _draw_background(scene)
    for shape in scene.shapes:
        alpha = coverage(shape, scene.height, scene.width)[..., None]
        image += alpha * (np.float32(shape.color) - image)
    rng = np.random.default_rng(scene.noise_seed)
    image += NOISE * rng.standard_normal(image.shape, np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _draw_background(scene: Scene) -> np.ndarray:
    background = scene.background
    y, x = np.mgrid[: scene.height, : scene.width].astype(np.float32)
    cos, sin = np.cos(background.rotation), np.sin(background.rotation)
    frequency = 2 * np.pi / background.period
    across = np.sin(frequency * (cos * x + sin * y))
    along = np.sin(frequency * (cos * y - sin * x))
    wave = {"plain": -np.ones_like(x), "stripes": across, "checks": across * along}
    blend = np.clip(0.5 + 4 * wave[background.kind], 0, 1)[..., None]
    first, second = np.float32(background.colors)
    return first + blend.astype(np.float32) * (second - first)


def outline(shape: Shape) -> np.ndarray:
    """Returns the corners of a shape in order, (n, 2) x and y in pixels; 64 of a
    circle."""
    corners = {"circle": 64, "square": 4, "triangle": 3, "star": 10}[shape.category]
    angles = shape.rotation + 2 * np.pi * np.arange(corners) / corners
    radii = np.full(corners, shape.radius)
    if shape.category == "star":
        radii[1::2] *= 0.45
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.add(shape.center, radii[:, None] * directions)


@lru_cache(maxsize=MAX_SHAPES)  # each kind of annotation asks for those of a scene
def coverage(shape: Shape, height: int, width: int) -> np.ndarray:
    """Returns the fraction of every pixel inside a shape: (height, width) float32,
    0..1, which nobody may change."""
    mask = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    corners = outline(shape) * SUPERSAMPLING - 0.5  # sub-pixel centers are integers
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255)
    mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    fraction = mask.astype(np.float32) / 255
    fraction.flags.writeable = False
    return fraction


# -- Visibility ------------------------------------------------------------------------


def owners(scene: Scene) -> np.ndarray:
    """Returns the index of the shape at every pixel, -1 for none: (height, width)
    int."""
    indices = np.full((scene.height, scene.width), -1)
    for index, shape in enumerate(scene.shapes):
        indices[coverage(shape, scene.height, scene.width) >= 0.5] = index
    return indices


def boxes(scene: Scene) -> list[dict]:
    """Returns the tight box of each shape's visible part: xmin, ymin, xmax, ymax in
    pixels.

    The box is clipped by the border and by shapes in front; wholly hidden shapes have
    none.
    """
    indices = owners(scene)
    found = []
    for index, shape in enumerate(scene.shapes):
        rows, columns = np.nonzero(indices == index)
        if len(rows):
            extent = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
            box = [int(edge) for edge in extent]
            found.append({"category": shape.category, "bbox": box})
    return found
