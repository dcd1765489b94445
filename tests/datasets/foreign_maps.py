"""Real sets written as images beside maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from foreign import Picture, Sets, link, table
from layouts_yolo import write
from PIL import Image

UNKNOWN = 255  # a value of index maps


def save(path: Path, pixels: np.ndarray, colors: np.ndarray | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
        return
    image = Image.fromarray(pixels)
    if colors is not None:
        image.putpalette(colors.ravel().tolist())
    image.save(path)


def index_map(picture: Picture) -> np.ndarray:
    return np.where(picture.label < 0, UNKNOWN, picture.label).astype(np.uint8)


def palette(of: Sets) -> np.ndarray:
    """Colors (256, 3) of indices, none twice."""
    place = np.arange(256)
    return np.stack([place * 37 % 256, place * 91 % 256, 255 - place], 1).astype(
        np.uint8
    )


def beside(images: str, maps: str, pixels: Callable[[Picture], np.ndarray]):
    """A layout with these paths of images and of their maps."""

    def written(folder: Path, of: Sets) -> None:
        for name, pictures in of.sets.items():
            for picture in pictures:
                link(picture, folder / images.format(set=name))
                path = maps.format(set=name, stem=picture.path.stem)
                save(folder / path, pixels(picture))

    return written


index_masks = beside("images/{set}", "masks/{set}/{stem}.png", index_map)
masks_by_ending = beside("{set}", "{set}_labels/{stem}_labelIds.png", index_map)


def coded_masks(folder: Path, of: Sets) -> None:
    index_masks(folder, of)
    write(folder / "codes.txt", *of.names)


def color_masks(folder: Path, of: Sets) -> None:
    """CamVid's, with a table of colors."""
    colors = palette(of)
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / name)
            path = folder / f"{name}_labels" / f"{picture.path.stem}_L.png"
            save(path, colors[index_map(picture)])
    rows = [[name, *colors[i]] for i, name in enumerate(of.names)]
    rows.append(["Void", *colors[UNKNOWN]])
    table(folder / "class_dict.csv", ["name", "r", "g", "b"], rows)


def voc_masks(folder: Path, of: Sets) -> None:
    for name, pictures in of.sets.items():
        for picture in pictures:
            link(picture, folder / "JPEGImages")
            path = folder / "SegmentationClass" / f"{picture.path.stem}.png"
            save(path, index_map(picture), palette(of))
        stems = (picture.path.stem for picture in pictures)
        write(folder / "ImageSets" / "Segmentation" / f"{name}.txt", *stems)


def number_map(picture: Picture) -> np.ndarray:
    from faster_coco_eval.core import mask as coco_mask

    pixels = np.zeros((picture.height, picture.width), np.uint16)
    for number, thing in enumerate(picture.label, 1):
        pixels[coco_mask.decode(thing["mask"]) > 0] = number
    return pixels


numbers = beside("images/{set}", "masks/{set}/{stem}.png", number_map)


def bowl(folder: Path, of: Sets) -> None:
    """A folder for each image, and a mask for each instance."""
    from faster_coco_eval.core import mask as coco_mask

    for name, pictures in of.sets.items():
        for picture in pictures:
            place = folder / name / picture.path.stem
            link(picture, place / "images")
            for number, thing in enumerate(picture.label):
                mask = 255 * coco_mask.decode(thing["mask"])
                save(place / "masks" / f"{number}.png", mask)


def depth(unit: float, kind: type) -> Callable[[Picture], np.ndarray]:
    def pixels(picture: Picture) -> np.ndarray:
        return np.where(picture.label > 0, picture.label * unit, 0).astype(kind)

    def rounded(picture: Picture) -> np.ndarray:
        return np.where(picture.label > 0, picture.label * unit + 0.5, 0).astype(kind)

    return rounded if kind is np.uint16 else pixels


millimeters = beside("{set}/rgb", "{set}/depth/{stem}.png", depth(1000, np.uint16))
arrays = beside("{set}/images", "{set}/depth/{stem}.npy", depth(1, np.float32))
floats = beside("{set}/image", "{set}/depth/{stem}_depth.tiff", depth(1, np.float32))


def mvtec(folder: Path, of: Sets) -> None:
    for picture in of.sets["train"]:
        link(picture, folder / "train" / "good")
    for picture in of.sets["val"]:
        kind = "good" if picture.label["label"] == "normal" else "crack"
        link(picture, folder / "test" / kind)
        if kind != "good":
            path = folder / "ground_truth" / kind / f"{picture.path.stem}_mask.png"
            save(path, np.uint8(255 * (picture.label["map"] > 0)))
