"""A small labelled dataset of coloured shapes, drawn on the spot for the demo.

A :class:`Scene` is a frozen record of all that an image shows. :func:`draw` turns it to
pixels and small functions derive its annotations, so that a further task needs a further
function and never another drawing. Needs numpy and OpenCV (``specc[train]``).
"""

from __future__ import annotations

import colorsys
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

try:
    import cv2
    import numpy as np
    import yaml
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"{error.name} is missing; install what the demo needs: "
        "pip install 'specc[train]'",
        name=error.name,
    ) from error

from specc import shapes_maps, shapes_masks, shapes_points, shapes_whole  # the same

CATEGORIES = ("circle", "square", "triangle", "star")
BACKGROUNDS = shapes_whole.BACKGROUNDS
COUNTS = ("none", "one", "two", "three", "four", "five", "six")  # shapes in an image
RECORD = "shapes.json"  # in the dataset's folder: how it was drawn

SIZES = (160, 320)  # pixels: shortest and longest side of an image
RADII = (20, 60)  # pixels: circumscribed circle of a shape
MAX_SHAPES = 6
EMPTY = 0.08  # fraction of images without any shape
NOISE = 8.0  # standard deviation of the sensor noise, in grey values
SUPERSAMPLING = 4  # sub-pixels along a side, for smooth edges
JPEG_QUALITY = 95

Color = tuple[int, int, int]  # red, green, blue, 0..255


@dataclass(frozen=True)
class Shape:
    """One filled shape; centre and radius in pixels, rotation in radians clockwise."""

    category: str
    center: tuple[float, float]  # x, y
    radius: float  # of the circumscribed circle
    rotation: float
    color: Color


@dataclass(frozen=True)
class Background:
    """Two colours in a pattern; plain shows the first alone."""

    kind: str
    colors: tuple[Color, Color]
    period: float  # pixels from one stripe or row of squares to its like
    rotation: float


@dataclass(frozen=True)
class Scene:
    """What one image shows; later shapes lie in front of earlier ones."""

    height: int
    width: int
    background: Background
    shapes: tuple[Shape, ...]
    noise_seed: int


# -- Sampling --------------------------------------------------------------------------


def sample_scene(rng: np.random.Generator) -> Scene:
    """Draw a scene at random; equal generators give equal scenes."""
    height, width = (int(side) for side in rng.integers(SIZES[0], SIZES[1] + 1, 2))
    background = _sample_background(rng)
    count = 0 if rng.random() < EMPTY else int(rng.integers(1, MAX_SHAPES + 1))
    shapes: list[Shape] = []
    for _ in range(count):
        shape = _sample_shape(rng, height, width)
        if all(_is_apart(shape, other) for other in shapes):
            shapes.append(shape)
    return Scene(height, width, background, tuple(shapes), int(rng.integers(2**32)))


def _sample_background(rng: np.random.Generator) -> Background:
    return Background(
        kind=BACKGROUNDS[rng.integers(len(BACKGROUNDS))],
        colors=(_sample_muted(rng, 0.15, 0.45), _sample_muted(rng, 0.5, 0.8)),
        period=float(rng.uniform(16, 48)),
        rotation=float(rng.uniform(0, np.pi)),
    )


def _sample_shape(rng: np.random.Generator, height: int, width: int) -> Shape:
    radius = float(rng.uniform(*RADII))
    margin = 0.4 * radius  # less than the radius: some shapes cross the border
    return Shape(
        category=CATEGORIES[rng.integers(len(CATEGORIES))],
        center=(
            float(rng.uniform(margin, width - margin)),
            float(rng.uniform(margin, height - margin)),
        ),
        radius=radius,
        rotation=float(rng.uniform(0, 2 * np.pi)),
        color=_rgb(rng.random(), rng.uniform(0.7, 1.0), rng.uniform(0.75, 1.0)),
    )


def _is_apart(one: Shape, other: Shape) -> bool:
    """Shapes may overlap, but neither covers the other's centre."""
    distance = np.hypot(*np.subtract(one.center, other.center))
    return bool(distance > max(one.radius, other.radius))


def _sample_muted(rng: np.random.Generator, low: float, high: float) -> Color:
    return _rgb(rng.random(), rng.uniform(0.0, 0.25), rng.uniform(low, high))


def _rgb(hue: float, saturation: float, value: float) -> Color:
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)


# -- Drawing ---------------------------------------------------------------------------


def draw(scene: Scene) -> np.ndarray:
    """The pixels of a scene: (height, width, 3) uint8, red first."""
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
    """Corners of a shape in order, (n, 2) x and y in pixels; a circle has 64."""
    corners = {"circle": 64, "square": 4, "triangle": 3, "star": 10}[shape.category]
    angles = shape.rotation + 2 * np.pi * np.arange(corners) / corners
    radii = np.full(corners, shape.radius)
    if shape.category == "star":
        radii[1::2] *= 0.45
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.add(shape.center, radii[:, None] * directions)


def coverage(shape: Shape, height: int, width: int) -> np.ndarray:
    """The fraction of every pixel inside a shape: (height, width) float32, 0..1."""
    mask = np.zeros((height * SUPERSAMPLING, width * SUPERSAMPLING), np.uint8)
    corners = outline(shape) * SUPERSAMPLING - 0.5  # sub-pixel centres are integers
    cv2.fillPoly(mask, [np.rint(corners).astype(np.int32)], 255)
    mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA)
    return mask.astype(np.float32) / 255


# -- Annotations -----------------------------------------------------------------------


def owners(scene: Scene) -> np.ndarray:
    """The index of the shape seen at every pixel, -1 for none: (height, width) int."""
    indices = np.full((scene.height, scene.width), -1)
    for index, shape in enumerate(scene.shapes):
        indices[coverage(shape, scene.height, scene.width) >= 0.5] = index
    return indices


def boxes(scene: Scene) -> list[dict]:
    """The tight box of what is seen of each shape, xmin, ymin, xmax, ymax in pixels.

    The box is clipped by the border and by shapes in front; wholly hidden shapes have none.
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


def keypoints(scene: Scene) -> list[dict]:
    """The keypoints of each shape (see shapes_points.py)."""
    return shapes_points.keypoints(scene, [outline(shape) for shape in scene.shapes])


def quadrilaterals(scene: Scene) -> list[dict]:
    """The corners of each square that is seen (see shapes_points.py)."""
    seen = set(np.unique(owners(scene)).tolist())
    outlines = [outline(shape) for shape in scene.shapes]
    return shapes_points.quadrilaterals(scene, outlines, seen)


def labels(scene: Scene) -> dict[str, object]:
    """What one label says of the whole image, by its file of annotations."""
    seen = [shape["category"] for shape in boxes(scene)]
    return {
        "tags.yaml": [name for name in CATEGORIES if name in seen],
        "counts.yaml": COUNTS[len(seen)],
        "keypoints.yaml": keypoints(scene),
        "quadrilaterals.yaml": quadrilaterals(scene),
        "identities.yaml": scene.background.kind,
        "fractions.yaml": round(float((owners(scene) >= 0).mean()), 4),
    }


# -- Dataset ---------------------------------------------------------------------------

METADATA = [
    {
        "task": "object detection",
        "categories": list(CATEGORIES),
        "annotations": "boxes.yaml",
    },
    {
        "task": "multiclass classification",
        "categories": list(BACKGROUNDS),
        "annotations": "backgrounds.yaml",
    },
    {
        "task": "multilabel classification",
        "labels": list(CATEGORIES),
        "annotations": "tags.yaml",
    },
    {
        "task": "multiclass classification",
        "ordered": True,
        "categories": list(COUNTS),
        "annotations": "counts.yaml",
    },
    {"task": "regression", "range": [0.0, 1.0], "annotations": "fractions.yaml"},
    *shapes_maps.METADATA,
    *shapes_masks.METADATA,
    *shapes_points.METADATA,
    *shapes_whole.METADATA,
]


def draw_dataset(
    folder: Path, train: int = 200, validation: int = 50, seed: int = 0
) -> None:
    """Write a dataset in the native layout: `train/` and `val/`, several tasks each.

    They are object detection (the shapes), multiclass classification (the background;
    how many shapes, ordered), multilabel classification (which shapes), regression (the
    fraction of the image that shapes cover), keypoint detection (how far each shape
    reaches), quadrilateral detection (squares), semantic segmentation, depth
    estimation and metric learning (the background again).

    Image i of a split depends on the seed and on i alone. A dataset drawn earlier with
    the same numbers is kept.

    Raises FileExistsError where the folder holds anything else.
    """
    folder = Path(folder)
    record = {"train": train, "validation": validation, "seed": seed}
    if folder.exists() and any(folder.iterdir()):
        _require_same(folder, record)
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Elsewhere until it is whole: an interrupted run leaves no half a dataset.
    with TemporaryDirectory(dir=folder.parent) as scratch:
        whole = Path(scratch) / "dataset"
        _draw_split(whole / "train", train, (seed, 0))
        _draw_split(whole / "val", validation, (seed, 1))
        (whole / RECORD).write_text(f"{json.dumps(record)}\n", "utf-8")
        if folder.exists():
            folder.rmdir()
        whole.rename(folder)


def _require_same(folder: Path, record: dict) -> None:
    path = folder / RECORD
    if not path.is_file():
        raise FileExistsError(
            f"{folder} holds files that the demo did not draw; name an empty folder"
        )
    if json.loads(path.read_text("utf-8")) != record:
        raise FileExistsError(
            f"{folder} holds shapes drawn with other numbers (see {RECORD}); "
            "delete it or name another folder"
        )


def _draw_split(folder: Path, count: int, entropy: tuple[int, int]) -> None:
    (folder / "images").mkdir(parents=True)
    scenes = {
        f"shapes_{index:05d}.jpg": sample_scene(
            np.random.default_rng([*entropy, index])
        )
        for index in range(count)
    }
    for name, scene in scenes.items():
        _write_image(folder / "images" / name, draw(scene))
    leaves_in_line = None  # PyYAML's word for it; False is blocks throughout
    _write_yaml(folder / "metadata.yaml", METADATA, leaves_in_line)
    found = {name: boxes(scene) for name, scene in scenes.items()}
    _write_yaml(folder / "boxes.yaml", found, leaves_in_line)
    kinds = {name: scene.background.kind for name, scene in scenes.items()}
    _write_yaml(folder / "backgrounds.yaml", kinds, False)
    told = {name: labels(scene) for name, scene in scenes.items()}
    for file in next(iter(told.values()), ()):
        whole = {name: of[file] for name, of in told.items()}
        _write_yaml(folder / file, whole, leaves_in_line)
    for name, scene in scenes.items():
        covered = [coverage(s, scene.height, scene.width) for s in scene.shapes]
        shapes_maps.write(folder, Path(name).stem, scene, covered)
        path = (folder / "masks" / name).with_suffix(".tif")
        seen = owners(scene)
        shapes_masks.write_pages(path, shapes_masks.pages(scene, seen))
        both = folder / "panoptic" / path.name
        shapes_masks.write_pages(both, shapes_masks.panoptic_pages(scene, seen))


def _write_image(path: Path, image: np.ndarray) -> None:
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    path.write_bytes(data.tobytes())


def _write_yaml(path: Path, value: object, flow: bool | None) -> None:
    # The C emitter is tenfold faster, and absent from some builds of PyYAML.
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text = yaml.dump(value, Dumper=dumper, default_flow_style=flow, sort_keys=False)
    path.write_text(text, "utf-8")
