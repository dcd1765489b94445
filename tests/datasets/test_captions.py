"""Captions of the sheets that `specc data` draws."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from specc.datasets.pictures import tile

IMAGE = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    "version, told",
    [("5.0.0", "Küche 写真 ?"), ("4.11.0", "Kuche ?? ?")],
)
def test_names_of_files_are_told_as_opencv_can_draw_them(monkeypatch, version, told):
    """A decomposed u and an undecodable byte are what file systems give."""
    said = []
    monkeypatch.setattr(cv2, "__version__", version)
    monkeypatch.setattr(cv2, "putText", lambda image, text, *rest: said.append(text))
    tile(IMAGE, "Ku\u0308che 写真 \udcff")
    assert said == [told]
