"""Images beside maps as people have them: a small set in each arrangement, of images
64x48. Each writes five images to train on, and three to validate on where it has two
sets."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from layouts import save
from PIL import Image

COUNT, TRAINED = 8, 5
HEIGHT, WIDTH = 48, 64
PALETTE = {1: (128, 0, 0), 2: (0, 128, 0), 255: (224, 224, 192)}  # colors of VOC


def kind_of(number: int) -> str:
    return "train" if number < TRAINED else "val"


def image(path: Path, number: int) -> Path:
    return save(path, number, HEIGHT, WIDTH)


def values(number: int, *given: int) -> np.ndarray:
    """A map of the first value, with a rectangle of each other one."""
    pixels = np.full((HEIGHT, WIDTH), given[0], np.uint8)
    for place, value in enumerate(given[1:], 1):
        left = 5 * place + number
        pixels[4 * place : 4 * place + 10, left : left + 20] = value
    return pixels


def numbers(number: int) -> np.ndarray:
    """Six instances, 12x8, by numbers that differ from image to image."""
    pixels = np.zeros((HEIGHT, WIDTH), np.uint16)
    for i in range(6):
        top, left = 16 * (i // 3) + 2, 20 * (i % 3) + 2
        pixels[top : top + 8, left : left + 12] = i + 1 + number % 2
    return pixels


def millimeters(number: int) -> np.ndarray:
    """Depths of half a meter to three; unknown at the top."""
    depth = 500 + 40 * np.arange(WIDTH) + 7 * np.arange(HEIGHT)[:, None] + number
    depth[:5] = 0
    return depth.astype(np.uint16)


def meters(number: int) -> np.ndarray:
    """The same in meters, unknown as no number in another row."""
    depth = millimeters(number).astype(np.float32) / 1000
    depth[6] = np.nan
    return depth


def write(path: Path, pixels: np.ndarray, palette: dict | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, pixels)
        return
    file = Image.fromarray(pixels)
    if palette:
        flat = [0] * 768
        for index, color in palette.items():
            flat[3 * index : 3 * index + 3] = color
        file.putpalette(flat)
    file.save(path)


def places(images: str, maps: str) -> Callable[[Path, Callable], Path]:
    """Returns a function that writes a set with these paths of an image and of its map,
    in which `set` and `n` stand for the set and the number."""

    def written(folder: Path, pixels: Callable[[int], np.ndarray], **more) -> Path:
        for n in range(COUNT):
            named = {"set": kind_of(n), "n": n}
            image(folder / images.format(**named), n)
            write(folder / maps.format(**named), pixels(n), **more)
        return folder

    return written


def painted(number: int) -> np.ndarray:
    colors = np.array([[0, 0, 0], [128, 0, 0], [0, 128, 0]], np.uint8)
    return colors[values(number, 0, 1, 2)]


def index_masks(folder: Path) -> Path:
    masks = places("images/{set}/{n}.jpg", "masks/{set}/{n}.png")
    return masks(folder, lambda n: values(n, 0, 1, 2, 255))


def binary_masks(folder: Path) -> Path:
    masks = places("images/{n}.jpg", "mask/{n}_mask.png")
    return masks(folder, lambda n: values(n, 0, 255))


def one_folder(folder: Path) -> Path:
    return places("{n}.jpg", "{n}_mask.png")(folder, lambda n: values(n, 0, 255))


def twins(folder: Path) -> Path:
    return places("{n}.jpg", "{n}.png")(folder, lambda n: values(n, 0, 1, 2))


def of_beginnings(folder: Path) -> Path:
    """Words before the number tell images and masks apart, in one folder of a set."""
    masks = places("{set}/image_{n}.png", "{set}/mask_{n}.png")
    return masks(folder, lambda n: values(n, 0, 1, 2))


def of_label_beginnings(folder: Path) -> Path:
    masks = places("pictures/a{n}.jpg", "gt/gt_a{n}.png")
    return masks(folder, lambda n: values(n, 0, 1, 2))


def as_camvid(folder: Path) -> Path:
    masks = places("{set}/{n}.png", "{set}annot/{n}.png")
    return masks(folder, lambda n: values(n, 0, 1, 2))


def as_carvana(folder: Path) -> Path:
    masks = places("{set}/{n}.jpg", "{set}_masks/{n}_mask.gif")
    return masks(folder, lambda n: values(n, 0, 1))


def as_cityscapes(folder: Path) -> Path:
    stem = "{set}/aachen/aachen_00{n}_000019"
    for kind in ("color", "instanceIds", "labelIds", "labelTrainIds"):
        masks = places(
            f"leftImg8bit/{stem}_leftImg8bit.png", f"gtFine/{stem}_gtFine_{kind}.png"
        )
        trained = kind == "labelTrainIds"
        given = (255, 0, 1, 2) if trained else (0, 7, 8, 11)
        masks(folder, lambda n, given=given: values(n, *given))
    return folder


def of_colors(folder: Path) -> Path:
    places("{set}/images/{n}.png", "{set}/masks/{n}.png")(folder, painted)
    table = "name,r,g,b\nbackground,0,0,0\nroad,128,0,0\nsky,0,128,0\n"
    (folder / "class_dict.csv").write_text(table)
    return folder


def of_unnamed_colors(folder: Path) -> Path:
    return places("X/{n}.png", "X_labels/{n}_L.png")(folder, painted)


def of_codes(folder: Path) -> Path:
    masks = places("images/im_{n}.png", "labels/im_{n}_P.png")
    masks(folder, lambda n: values(n, 0, 1, 2))
    (folder / "codes.txt").write_text("Road\nSky\nVoid\n")
    return folder


def as_voc(folder: Path) -> Path:
    masks = places("JPEGImages/2007_{n}.jpg", "SegmentationClass/2007_{n}.png")
    masks(folder, lambda n: values(n, 0, 1, 2, 255), palette=PALETTE)
    objects = places("JPEGImages/2007_{n}.jpg", "SegmentationObject/2007_{n}.png")
    objects(folder, lambda n: values(n, 0, 1, 2, 3), palette=PALETTE)
    image(folder / "JPEGImages" / "2007_9.jpg", 9)  # without a map
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for kind in ("train", "val"):
        names = [f"2007_{n}" for n in range(COUNT) if kind_of(n) == kind]
        (lists / f"{kind}.txt").write_text("\n".join(names))
    return folder


def as_cvat(folder: Path) -> Path:
    masks = places("JPEGImages/{n}.jpg", "SegmentationClass/{n}.png")
    masks(folder, lambda n: values(n, 0, 1, 2), palette=PALETTE)
    labels = "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\n"
    (folder / "labelmap.txt").write_text(labels)
    return folder


def of_numbers(folder: Path) -> Path:
    return places("images/{n}.png", "masks/{n}.png")(folder, numbers)


def of_millimeters(folder: Path) -> Path:
    return places("{set}/rgb/{n}.png", "{set}/depth/{n}.png")(folder, millimeters)


def of_arrays(folder: Path) -> Path:
    return places("images/{n}.png", "depth/{n}.npy")(folder, meters)


def of_arrays_in_one_folder(folder: Path) -> Path:
    return places("rgb_{n}.png", "depth_{n}.npy")(folder, meters)


def of_floats(folder: Path) -> Path:
    return places("image/{n}.png", "depth/{n}_depth.tiff")(folder, meters)


def as_kitti(folder: Path) -> Path:
    return places("image/{n}.png", "proj_depth/{n}.png")(folder, millimeters)


def as_bowl(folder: Path) -> Path:
    """As the Data Science Bowl of 2018: a folder for each image, and a mask for each
    instance; the set to test on has none."""
    for n in range(COUNT):
        place = folder / ("stage1_train" if n < TRAINED else "stage1_test") / f"a{n}"
        image(place / "images" / f"a{n}.png", n)
        pixels = numbers(n)
        for number in np.unique(pixels[pixels > 0]).tolist() if n < TRAINED else ():
            mask = np.uint8(255 * (pixels == number))
            write(place / "masks" / f"{number}.png", mask)
    return folder


def as_mvtec(folder: Path) -> Path:
    for n in range(COUNT):
        image(folder / "train" / "good" / f"00{n}.png", n)
        image(folder / "test" / "good" / f"00{n}.png", 50 + n)
        for place, kind in enumerate(("broken", "dirt"), 1):
            image(folder / "test" / kind / f"00{n}.png", 100 * place + n)
            mask = folder / "ground_truth" / kind / f"00{n}_mask.png"
            write(mask, values(n, 0, 255))
    return folder
