"""Small datasets of maps, and the modules that a job emits for them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import yaml
from emitted_jobs import DATA_SIZE, build, load_all
from PIL import Image
from small_data import picture

COLORS = {"road": (128, 64, 128), "sky": (0, 0, 255), "car": (255, 255, 255)}
STREET = {
    "name": "street",
    "task": "semantic_segmentation",
    "categories": list(COLORS),
    "colors": list(COLORS.values()),
    "channels": 16,
}
ROOM = {
    "name": "room",
    "task": "depth_estimation",
    "range": [1, 5],
    "channels": 16,
}


MODULES = ("model", "dataset", "data", "evaluate", "draw")


def make(folder: Path, *heads: dict, backbone=None, **data) -> SimpleNamespace:
    """The modules of a job that reads levels 3..5 of a neck of 16 channels."""
    neck = {"kind": "fpn", "bottom_level": 3, "top_level": 5, "channels": 16}
    job = {
        "name": "tested",
        "data": {"train": "train", "validation": "val", "resolution": DATA_SIZE} | data,
        "model": {"backbone": backbone, "heads": heads, "neck": neck},
        "trainer": {"batch_size": 4},
    }
    return load_all(build(job, folder), *MODULES)


def street(folder: Path, count=3, **metadata) -> Path:
    """Images 40x30 whose left half is road and whose right half is sky, but for a car
    in the middle and a black row at the top."""
    colors = {name: list(color) for name, color in COLORS.items()}
    task = {"task": "semantic segmentation", "categories": list(COLORS)}
    dataset(folder, count, task | {"colors": colors} | metadata)
    for i in range(count):
        Image.fromarray(street_map()).save(folder / "maps" / f"{i}.png")
    return folder


def street_map() -> np.ndarray:
    colors = np.zeros((30, 40, 3), np.uint8)
    colors[1:, :20], colors[1:, 20:] = COLORS["road"], COLORS["sky"]
    colors[10:20, 15:25] = COLORS["car"]
    return colors


def room(folder: Path, count=3, codes=None, **metadata) -> Path:
    """Images 40x30 with a depth map: `codes` if given."""
    dataset(folder, count, {"task": "depth estimation", "range": [1, 5]} | metadata)
    codes = room_codes() if codes is None else codes
    for i in range(count):
        Image.fromarray(codes).save(folder / "maps" / f"{i}.png")
    return folder


def room_codes() -> np.ndarray:
    """Depth 1 (nearest) to 5 from left to right; unknown at the top."""
    row = np.linspace(65535, 1, 40).round()
    codes = np.tile(row, (30, 1)).astype(np.uint16)
    codes[0] = 0
    return codes


def dataset(folder: Path, count: int, entry: dict) -> None:
    for name in ("images", "maps"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(picture(seed=i)).save(folder / "images" / f"{i}.jpg")
    entry = {"annotations": "maps/"} | entry
    (folder / "metadata.yaml").write_text(yaml.safe_dump(entry))
