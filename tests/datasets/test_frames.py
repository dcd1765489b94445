"""Sizes that a file tells of its images: compared with these, and what follows of it."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from emitted_jobs import DETECTION
from faster_coco_eval import mask as coco_mask
from PIL import Image, PngImagePlugin
from small_data import picture

COCO = {"format": "coco", "validation": "val.json"}
POINTS = {"name": "poses", "task": "keypoint_detection", "keypoints": ["head", "foot"]}
POINTS |= {"flip_pairs": []}
MASKS = {"name": "masks", "task": "instance_segmentation", "categories": ["a", "b"]}
MASKS_DATA = COCO | {"augmentation": False}
HEIGHT, WIDTH = 30, 40  # size of the stored pixels
BOX = [4, 2, 20, 6]  # left, top, width, height in stored pixels


def shown(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Returns pixels oriented by EXIF, by rotations of NumPy."""
    turns = {
        1: lambda x: x,
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: lambda x: np.fliplr(np.rot90(x, -1)),
        6: lambda x: np.rot90(x, -1),
        7: lambda x: np.flipud(np.rot90(x, -1)),
        8: np.rot90,
    }
    return turns[orientation](pixels)


def stored_mask() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    left, top, width, height = BOX
    mask[top : top + height, left : left + width] = 1
    mask[top : top + 2, left : left + 2] = 0  # no mirror image of itself
    return mask


def hull(mask: np.ndarray) -> list[int]:
    rows, columns = mask.any(1).nonzero()[0], mask.any(0).nonzero()[0]
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def save(path: Path, orientation: int = 1, height: int = HEIGHT, width: int = WIDTH):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(picture(height, width)).save(path, exif=exif)


def coco(folder: Path, *items: dict, names=("a", "b", "no"), **image) -> Path:
    """A file of one image, about which it tells this."""
    listed = [{"id": i, "name": name} for i, name in enumerate(names)]
    if any("keypoints" in item for item in items):
        listed = [{"id": 0, "name": "person", "keypoints": ["head", "foot"]}]
    content = {
        "images": [{"id": 7, "file_name": "one.png"} | image],
        "categories": listed,
        "annotations": [
            {"id": i, "image_id": 7, "category_id": 0} | item
            for i, item in enumerate(items)
        ],
    }
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"


@pytest.mark.slow
@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
def test_labels_of_stored_pixels_are_turned_with_their_image(
    emitted, tmp_path, capsys, orientation
):
    save(tmp_path / "one.png", orientation)
    size = {"height": HEIGHT, "width": WIDTH}
    right = shown(stored_mask(), orientation)

    path = coco(tmp_path, {"bbox": BOX}, **size)
    [sample] = emitted(DETECTION, **COCO).dataset.read_dataset(path)
    assert (sample.height, sample.width) == (WIDTH, HEIGHT)
    assert sample.labels["cells"].boxes.tolist() == [hull(right)]
    assert "images turned by EXIF: annotations turned too: 1" in capsys.readouterr().err

    runs = coco_mask.encode(np.asfortranarray(stored_mask()))["counts"].decode()
    segmentation = {"size": [HEIGHT, WIDTH], "counts": runs}
    path = coco(tmp_path, {"segmentation": segmentation}, names="ab", **size)
    [sample] = emitted(MASKS, **MASKS_DATA).dataset.read_dataset(path)
    [mask] = sample.labels["masks"].masks
    assert np.array_equal(coco_mask.decode(mask), right)
    assert sample.labels["masks"].boxes.tolist() == [hull(right)]

    # The middle of a pixel, so that the right place is where that pixel comes to lie.
    path = coco(tmp_path, {"keypoints": [6.5, 3.5, 2, 0, 0, 0]}, **size)
    [sample] = emitted(POINTS, **COCO).dataset.read_dataset(path)
    pixel = np.zeros((HEIGHT, WIDTH), bool)
    pixel[3, 6] = True
    [[y, x]] = np.argwhere(shown(pixel, orientation)) + 0.5
    head, foot = sample.labels["poses"].keypoints[0]
    assert head.tolist() == [x, y] and np.isnan(foot).all()


@pytest.mark.sample("6", rest="slow")
@pytest.mark.parametrize("orientation", [1, 6])
def test_labels_of_shown_pixels_stay(emitted, tmp_path, capsys, orientation):
    save(tmp_path / "one.png", orientation)
    height, width = (WIDTH, HEIGHT) if orientation == 6 else (HEIGHT, WIDTH)
    path = coco(tmp_path, {"bbox": [1, 2, 9, 9]}, height=height, width=width)
    [sample] = emitted(DETECTION, **COCO).dataset.read_dataset(path)
    assert sample.labels["cells"].boxes.tolist() == [[1, 2, 10, 11]]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "orientation, side", [(6, WIDTH), (2, None), (3, None), (4, None)]
)
def test_what_sizes_cannot_tell_is_told(emitted, tmp_path, capsys, orientation, side):
    save(tmp_path / "one.png", orientation, height=side or HEIGHT)
    path = coco(tmp_path, {"bbox": BOX}, height=side or HEIGHT, width=WIDTH)
    [sample] = emitted(DETECTION, **COCO).dataset.read_dataset(path)
    assert sample.labels["cells"].boxes.tolist() == [[4, 2, 24, 8]]
    said = capsys.readouterr().err
    assert "turned by EXIF: taken to be annotated as they are shown: 1" in said


@pytest.mark.slow
def test_labels_of_a_larger_image_are_scaled(emitted, tmp_path, capsys):
    save(tmp_path / "one.png", height=30, width=41)  # 41 is rounded
    size = {"height": 300, "width": 409}
    path = coco(tmp_path, {"bbox": [0, 30, 409, 60]}, **size)
    [sample] = emitted(DETECTION, **COCO).dataset.read_dataset(path)
    [box] = sample.labels["cells"].boxes.tolist()
    assert box == pytest.approx([0, 3, 41, 9], abs=1e-4)
    said = capsys.readouterr().err
    assert "images of another size than annotated: annotations scaled: 1" in said

    path = coco(tmp_path, {"keypoints": [409, 150, 2, 0, 0, 1]}, **size)
    [sample] = emitted(POINTS, **COCO).dataset.read_dataset(path)
    [points] = sample.labels["poses"].keypoints.tolist()
    assert points == [[41, 15], [0, 0]]

    square = [100, 100, 200, 100, 200, 200, 100, 200]
    path = coco(tmp_path, {"segmentation": [square]}, names="ab", **size)
    [sample] = emitted(MASKS, **MASKS_DATA).dataset.read_dataset(path)
    assert sample.labels["masks"].boxes.tolist() == [[10, 10, 20, 20]]
    assert coco_mask.area(sample.labels["masks"].masks[0]) == 100


def test_a_scaled_and_turned_image(emitted, tmp_path):
    save(tmp_path / "one.png", 6)  # shown as 30x40
    path = coco(tmp_path, {"bbox": [20, 40, 30, 60]}, height=300, width=400)
    [sample] = emitted(DETECTION, **COCO).dataset.read_dataset(path)
    [box] = sample.labels["cells"].boxes.tolist()
    assert box == pytest.approx([20, 2, 26, 5], abs=1e-4)


@pytest.mark.parametrize("head", [DETECTION, POINTS, MASKS], ids=lambda h: h["task"])
@pytest.mark.parametrize("size", [(40, 40), (400, 300), (31, 46)])
def test_another_shape_is_refused_with_both_sizes(emitted, tmp_path, head, size):
    save(tmp_path / "one.png")
    item = {"bbox": BOX, "keypoints": [1, 1, 2, 2, 2, 2], "segmentation": [[1, 1] * 3]}
    used = {"object_detection": "bbox", "keypoint_detection": "keypoints"}
    item = {
        used.get(head["task"], "segmentation"): item[
            used.get(head["task"], "segmentation")
        ]
    }
    names = ("a", "b") if head is MASKS else ("a", "b", "no")
    path = coco(tmp_path, item, names=names, height=size[0], width=size[1])
    dataset = emitted(head, **(MASKS_DATA if head is MASKS else COCO)).dataset
    with pytest.raises(SystemExit) as stop:
        dataset.read_dataset(path)
    assert f"one.png: its file of annotations says {size[1]}x{size[0]}" in str(
        stop.value
    )
    assert "the image is 40x30" in str(stop.value) and str(path) in str(stop.value)


@pytest.mark.parametrize(
    "size", [{}, {"height": 0, "width": 0}, {"height": None}, {"width": 99}]
)
def test_sizes_that_are_not_told_are_not_compared(emitted, tmp_path, size):
    save(tmp_path / "one.png")
    path = coco(tmp_path, {"bbox": BOX}, **size)
    [sample] = emitted(DETECTION, **COCO).dataset.read_dataset(path)
    assert sample.labels["cells"].boxes.tolist() == [[4, 2, 24, 8]]


@pytest.mark.parametrize("orientation, told", [(1, False), (2, True), (6, True)])
def test_what_no_size_tells_is_told(emitted, tmp_path, capsys, orientation, told):
    save(tmp_path / "one.png", orientation)
    path = coco(tmp_path, {"bbox": BOX})
    emitted(DETECTION, **COCO).dataset.read_dataset(path)
    said = "images turned by EXIF: taken to be annotated as they are shown: 1"
    assert (said in capsys.readouterr().err) == told


@pytest.mark.parametrize("size", [("a", 3), ([1], 3), (float("nan"), 3)])
def test_sizes_that_are_none_are_named(emitted, tmp_path, size):
    save(tmp_path / "one.png")
    path = coco(tmp_path, {"bbox": BOX}, height=size[0], width=size[1])
    with pytest.raises(SystemExit, match="one.png: not a width and a height"):
        emitted(DETECTION, **COCO).dataset.read_dataset(path)


def test_voc_is_compared_too(emitted, tmp_path, capsys):
    for name, orientation in (("turned", 8), ("other", 1)):
        save(tmp_path / "JPEGImages" / f"{name}.png", orientation)
    box = "<bndbox><xmin>4</xmin><ymin>2</ymin><xmax>24</xmax><ymax>8</ymax></bndbox>"
    (tmp_path / "Annotations").mkdir()
    for name, width in (("turned", WIDTH), ("other", 2 * WIDTH)):
        size = f"<size><width>{width}.0</width><height>{HEIGHT}</height></size>"
        text = f"<annotation>{size}<object><name>a</name>{box}</object></annotation>"
        (tmp_path / "Annotations" / f"{name}.xml").write_text(text)
    split = tmp_path / "ImageSets" / "Main" / "val.txt"
    split.parent.mkdir(parents=True)
    split.write_text("turned\n")
    dataset = emitted(DETECTION, format="voc", validation="val").dataset
    [sample] = dataset.read_dataset(split)
    right = shown(stored_mask(), 8)
    assert sample.labels["cells"].boxes.tolist() == [hull(right)]
    assert "annotations turned too: 1" in capsys.readouterr().err
    split.write_text("turned\nother\n")
    with pytest.raises(SystemExit, match="other: .* says 80x30, the image is 40x30"):
        dataset.read_dataset(split)


PANOPTIC = {
    "name": "scene",
    "task": "panoptic_segmentation",
    "categories": ["a", "b"],
    "colors": [[255, 0, 0], [0, 255, 0]],
    "things": ["a"],
}
CLASSES = {
    "name": "map",
    "task": "semantic_segmentation",
    "categories": ["a", "b"],
    "colors": [[255, 0, 0], [0, 255, 0]],
}


def panoptic(folder: Path) -> Path:
    """An image that EXIF turns, and segments of its stored pixels: 1, and 2 around."""
    save(folder / "images" / "one.png", 6)
    ids = np.where(stored_mask(), 1, 2).astype(np.uint8)
    (folder / "val").mkdir()
    Image.fromarray(np.dstack([ids, 0 * ids, 0 * ids])).save(folder / "val" / "one.png")
    kinds = [{"id": i, "name": n, "isthing": 1 - i} for i, n in enumerate("ab")]
    segments = [{"id": 1, "category_id": 0}, {"id": 2, "category_id": 1}]
    image = {"id": 7, "file_name": "one.png", "height": HEIGHT, "width": WIDTH}
    item = {"image_id": 7, "file_name": "one.png", "segments_info": segments}
    content = {"images": [image], "annotations": [item], "categories": kinds}
    (folder / "val.json").write_text(json.dumps(content))
    return folder / "val.json"


@pytest.mark.slow
def test_segments_are_turned_with_their_image(emitted, tmp_path):
    path, right = panoptic(tmp_path), shown(stored_mask(), 6)
    [sample] = emitted(PANOPTIC, **COCO).dataset.read_dataset(path)
    label = sample.labels["scene"]
    assert label.classes.tolist() == [0, 1]
    assert np.array_equal(coco_mask.decode(label.masks[0]), right)
    assert np.array_equal(coco_mask.decode(label.masks[1]), 1 - right)


def test_segments_become_maps_that_are_turned(emitted, tmp_path):
    path = panoptic(tmp_path)
    modules = emitted(CLASSES, task="panoptic_segmentation", **COCO)
    [sample] = modules.dataset.read_dataset(path)
    categories = modules.data.read_segments(sample.labels["map"])
    assert np.array_equal(categories == 0, shown(stored_mask(), 6) == 1)


@pytest.mark.slow
def test_boxes_that_become_quadrilaterals_begin_at_the_top_left(emitted, tmp_path):
    save(tmp_path / "one.png", 6)
    head = {
        "name": "q",
        "task": "quadrilateral_detection",
        "categories": ["a", "b", "no"],
    }
    path = coco(tmp_path, {"bbox": BOX}, height=HEIGHT, width=WIDTH)
    modules = emitted(head, task="object_detection", **COCO)
    [sample] = modules.dataset.read_dataset(path)
    left, top, right, bottom = hull(shown(stored_mask(), 6))
    corners = [[left, top], [right, top], [right, bottom], [left, bottom]]
    assert sample.labels["q"].corners.tolist() == [corners]


# ---- One orientation for sizes and for pixels ----

XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
    ' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/>'
    "</rdf:RDF></x:xmpmeta>"
)


def exif(value: int, kind: int = 3) -> bytes:
    """EXIF with this orientation, of a type: 3 has 16 bits, 4 has 32."""
    entry = struct.pack("<HHII", 0x0112, kind, 1, value)
    return b"Exif\0\0II*\0\x08\0\0\0\x01\0" + entry + b"\0\0\0\0"


METADATA = {
    "none": {},
    "turned": {"exif": exif(6)},
    "upside down": {"exif": exif(3)},
    "zero": {"exif": exif(0)},
    "nine": {"exif": exif(9)},
    "65537": {"exif": exif(65537, 4)},
    "65542": {"exif": exif(65542, 4)},
    "turned by 32 bits": {"exif": exif(6, 4)},
    "XMP": {"xmp": XMP.encode()},
    "XMP and EXIF that differ": {"xmp": XMP.encode(), "exif": exif(1)},
}


@pytest.mark.parametrize(
    "orientation, said", [(3, None), (6, "a rotated TIFF"), (8, "a rotated TIFF")]
)
def test_a_tiff_that_is_turned_is_named(dataset, tmp_path, orientation, said):
    given = Image.Exif()
    given[0x0112] = orientation
    Image.fromarray(picture()).save(tmp_path / "one.tiff", exif=given)
    if said is None:
        assert dataset.image_size(tmp_path / "one.tiff") == (30, 40)
        return
    with pytest.raises(ValueError, match=said):
        dataset.image_size(tmp_path / "one.tiff")


def test_exif_behind_the_pixels_of_a_png_counts(dataset, tmp_path):
    path, body = tmp_path / "one.png", exif(6)[6:]
    Image.fromarray(picture()).save(path)
    chunk = b"eXIf" + body
    chunk = struct.pack(">I", len(body)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    whole = path.read_bytes()
    path.write_bytes(whole[:-12] + chunk + whole[-12:])
    assert dataset.image_size(path) == (40, 30)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "avif", "tiff"])
@pytest.mark.parametrize("told", METADATA)
def test_an_image_has_the_size_that_it_is_decoded_at(dataset, tmp_path, told, suffix):
    path, given = tmp_path / f"one.{suffix}", dict(METADATA[told])
    if suffix == "png" and "xmp" in given:
        given["pnginfo"] = PngImagePlugin.PngInfo()
        given["pnginfo"].add_itxt("XML:com.adobe.xmp", given.pop("xmp").decode())
    if suffix == "tiff":
        given.pop("exif", None)
    Image.fromarray(picture()).save(path, **given)
    decoded = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    assert dataset.image_size(path) == decoded.shape[:2]
    if suffix in ("jpg", "png", "webp"):
        turned = told.startswith("turned") or told == "65542"
        assert (dataset.image_size(path) == (40, 30)) == turned
