"""Images that EXIF turns, where annotations tell no sizes: `init` and `data` say so."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
import pytest
from map_data import street
from PIL import Image

from specc.cli import run_cli
from specc.datasets.advice import findings_of
from specc.datasets.data import look
from specc.datasets.survey import Images

DETECTION = "object_detection"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="6"/>'


def turn(folder: Path, orientation: int | None, **options) -> None:
    """Writes all images below a folder anew, with this orientation."""
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    for path in folder.rglob("*.*"):
        if path.suffix in (".png", ".jpg") and path.parent.name != "maps":
            with Image.open(path) as image:
                image.convert("RGB").save(path, exif=exif, **options)


def findings(path: Path) -> dict:
    looked = look(path.read_bytes(), Path(), Images())
    return {found.kind: found for found in findings_of(looked)}


@pytest.mark.sample("street-semantic_segmentation-3-3", rest="slow")
@pytest.mark.parametrize(
    "lay_out, task, count, orientation",
    [
        (layouts.as_yolo, DETECTION, 12, 3),
        (layouts.as_yolo, DETECTION, 12, 8),
        (layouts.as_native, DETECTION, 8, 6),
        (street, "semantic_segmentation", 3, 3),
    ],
)
def test_turned_images_are_told(place, capsys, lay_out, task, count, orientation):
    lay_out(place / "set")
    turn(place / "set", orientation)
    assert run_cli(["init", task, "--data", "set"]) == 0
    said = capsys.readouterr().out
    assert (
        "images that were looked at, by EXIF; annotations are taken to be of what is shown"
        in said
    )
    found = findings(place / "job.json")["turned"]
    assert found.message == f"{count} images are turned by EXIF"
    assert len(found.files) == found.count == count and not found.is_error


@pytest.mark.sample("as_yolo-object_detection-9", rest="slow")
@pytest.mark.parametrize(
    "lay_out, task, orientation",
    [
        (layouts.as_yolo, DETECTION, 1),
        (layouts.as_yolo, DETECTION, 9),
        (layouts.as_coco, DETECTION, 6),  # the reader counts turned images
        (layouts.as_folders, "multiclass_classification", 6),
    ],
)
def test_where_it_does_not_matter_nothing_is_said(
    place, capsys, lay_out, task, orientation
):
    lay_out(place / "set")
    turn(place / "set", orientation)
    assert run_cli(["init", task, "--data", "set"]) == 0
    assert "turned" not in capsys.readouterr().out
    assert "turned" not in findings(place / "job.json")


def test_what_the_readers_do_not_follow_turns_nothing(place, capsys):
    """XMP alone."""
    layouts.as_yolo(place / "set")
    turn(place / "set", None)
    for path in (place / "set").rglob("*.png"):
        with Image.open(path) as image:
            image.save(path.with_suffix(".webp"), xmp=XMP, lossless=True)
        path.unlink()
    assert run_cli(["init", DETECTION, "--data", "set"]) == 0
    assert "turned" not in capsys.readouterr().out
    assert json.loads(Path("job.json").read_text())["data"]["format"] == "yolo"
