"""Sizes of PNGs as they are shown, of their chunks alone: no pixel is decoded."""

from __future__ import annotations

import io
import struct
import zlib
from types import ModuleType

import cv2
import numpy as np
import pytest
from emitted_jobs import DETECTION
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from small_data import picture

XMP = b"""XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r">
<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF>
</x:xmpmeta>"""


@pytest.fixture
def dataset(emitted) -> ModuleType:
    return emitted(DETECTION, validation="val").dataset


@pytest.fixture(autouse=True)
def undecoded(monkeypatch):
    def refuse(image):
        raise AssertionError("a PNG was decoded for its header")

    monkeypatch.setattr(PngImageFile, "load", refuse)


def chunk(kind: bytes, content: bytes) -> bytes:
    sum_ = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + sum_


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return chunk(b"eXIf", tags.tobytes().removeprefix(b"Exif\0\0"))


def png(before: bytes = b"", after: bytes = b"") -> bytes:
    """A PNG of 40x30 with chunks before its pixels, and after them."""
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, "PNG")
    whole = file.getvalue()
    first, last = whole.index(b"IDAT") - 4, whole.index(b"IEND") - 4
    return whole[:first] + before + whole[first:last] + after + whole[last:]


CHUNKS = {
    "none": png(),
    "before": png(before=exif(6)),
    "after": png(after=exif(6)),
    "of XMP": png(before=chunk(b"iTXt", XMP)),
    "not turned": png(after=exif(3)),
    "behind the end": png() + exif(6),
}


@pytest.mark.parametrize("which", CHUNKS)
def test_the_header_says_what_opencv_decodes(dataset, tmp_path, which):
    path = tmp_path / "image.png"
    path.write_bytes(CHUNKS[which])
    shown = cv2.imdecode(np.frombuffer(CHUNKS[which], np.uint8), cv2.IMREAD_COLOR)
    assert dataset.image_size(path) == shown.shape[:2]
    assert shown.shape[:2] == ((40, 30) if which in ("before", "after") else (30, 40))


def test_a_png_that_is_cut_short_has_a_size(dataset, tmp_path):
    """It is named, and replaced, where its pixels are wanted."""
    whole = png()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert dataset.image_size(tmp_path / "cut.png") == (30, 40)


def test_a_chunk_may_say_that_it_has_two_gigabytes(dataset, tmp_path):
    (tmp_path / "image.png").write_bytes(
        png(after=struct.pack(">I", 2**31 - 1) + b"abcd")
    )
    assert dataset.image_size(tmp_path / "image.png") == (30, 40)
