"""The emitted model.py from an image to its boxes: predict sees what data.py shows."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import GENERATED, MODEL_SIZE, build, load, load_data
from predictions import boxes_of, certain, predictions_for

from specc.shapes.scene import draw, sample_scene

pytestmark = pytest.mark.usefixtures("one_thread")

HEIGHT, WIDTH = MODEL_SIZE


# ---- What the model sees: the torch path against data.py's ----


@pytest.fixture(scope="module")
def opencv(detector) -> ModuleType:
    """The data.py beside the detector."""
    return load_data(Path(detector.__file__).parent).data


def scene_of(height: int, width: int) -> np.ndarray:
    """A picture of the demo, at another size."""
    scene = sample_scene(np.random.default_rng(5))
    return cv2.resize(draw(scene), (width, height), interpolation=cv2.INTER_AREA)


def canvases(detector, opencv, image: np.ndarray, folder: Path) -> tuple:
    """Returns the model's inputs for an image: through predict, and through data.py."""
    path = folder / "image.png"
    cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    model = detector.Detector().eval()
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    detector.predict(model, torch.from_numpy(image).permute(2, 0, 1)[None])
    canvas = opencv.letterbox(opencv.Sample(path, *image.shape[:2], {}))
    return seen[0][0].permute(1, 2, 0).numpy(), canvas.astype(np.float32)


SIZES = [
    (96, 160),
    (192, 320),
    (120, 500),
    (700, 300),
    (60, 90),
    (31, 17),
    (200, 5),
    (1, 200),
    # Not (200, 1): torch 2.13's antialiased interpolation makes a single column constant.
]


@pytest.mark.sample("size1", "size3", "size6")
@pytest.mark.parametrize("size", SIZES)
def test_torch_and_opencv_see_the_same(detector, opencv, tmp_path, size):
    """Same geometry; pixels within 1.5 levels of 255 on average, 12 at the edges."""
    in_torch, in_opencv = canvases(detector, opencv, scene_of(*size), tmp_path)
    assert in_torch.shape == in_opencv.shape == (HEIGHT, WIDTH, 3)
    height, width = detector.fit(*size)
    assert max(height / HEIGHT, width / WIDTH) == 1
    around = np.ones((HEIGHT, WIDTH), bool)
    around[:height, :width] = False
    np.testing.assert_array_equal(np.round(in_torch[around]), in_opencv[around])
    apart = np.abs(in_torch - in_opencv)[:height, :width]
    assert apart.mean() <= 1.5
    assert np.percentile(apart, 99) <= 12


def test_halves_are_rounded_up_to_whole_levels(detector):
    """Columns of two neighboring levels by turns, two of which become one: in rows, from
    0 and 1 to 254 and 255."""
    low = torch.arange(255)[:, None]
    image = torch.cat([low, low + 1] * 4, 1).byte().expand(1, 3, -1, -1)
    found = detector.resampled(image, (255, 4))[..., 1:-1]
    assert torch.equal(found, (low + 1.0).expand_as(found))


@pytest.mark.parametrize("size", [(192, 320), (120, 500), (700, 300), (60, 90)])
def test_torch_and_opencv_put_a_rectangle_in_the_same_place(
    detector, opencv, tmp_path, size
):
    image = np.zeros((*size, 3), np.uint8)
    rows = slice(size[0] // 4, size[0] // 2)
    columns = slice(size[1] // 3, size[1] * 3 // 4)
    image[rows, columns] = 255
    ratios = np.divide(detector.fit(*size), size)
    for canvas in canvases(detector, opencv, image, tmp_path):
        light = canvas[:, :, 0] / 255
        height, width = detector.fit(*size)
        light = light[:height, :width]
        # The mass of light in a row or column gives the edges to a part of a pixel.
        tall, wide = light.sum(0).max(), light.sum(1).max()
        np.testing.assert_allclose(tall, (rows.stop - rows.start) * ratios[0], atol=0.1)
        length = columns.stop - columns.start
        np.testing.assert_allclose(wide, length * ratios[1], atol=0.1)
        middle = (light.sum(0) * (np.arange(width) + 0.5)).sum() / light.sum()
        expected = (columns.start + columns.stop) / 2 * ratios[1]
        np.testing.assert_allclose(middle, expected, atol=0.1)


# ---- What it says, in the image's own pixels ----


@pytest.mark.parametrize("size", [(192, 320), (120, 500), (700, 300), (60, 90)])
def test_boxes_come_back_in_the_image_s_own_pixels(detector, size):
    model = detector.Detector().eval()
    seen = certain(
        predictions_for(detector, (HEIGHT, WIDTH)), {(12, 20): (1, 4, 8, 20, 28)}
    )
    model.register_forward_hook(lambda *_: seen)
    found = detector.predict(model, torch.zeros(1, 3, *size, dtype=torch.uint8))
    height, width = detector.fit(*size)
    box = torch.tensor([4.0, 8, 20, 28])
    box *= torch.tensor([size[1] / width, size[0] / height]).repeat(2)
    box = box.minimum(torch.tensor(size[::-1]).repeat(2))
    torch.testing.assert_close(found["cells"]["boxes"][0, 0], box, atol=0.05, rtol=0)


def test_boxes_end_at_the_border_of_the_image(detector):
    model = detector.Detector().eval()
    outside = certain(
        predictions_for(detector, (HEIGHT, WIDTH)),
        {(12, 12): (1, -20, -10, 200 - 100, 60), (150, 90): (1, 140, 80, 180, 120)},
    )
    model.register_forward_hook(lambda *_: outside)
    found = detector.predict(model, torch.zeros(1, 3, 96, 160, dtype=torch.uint8))
    expected = boxes_of((0, 0, 100, 60), (140, 80, 160, 96))
    boxes = found["cells"]["boxes"][0, :2]
    torch.testing.assert_close(boxes, expected, atol=0.01, rtol=0)


def test_an_image_of_any_size_is_padded_where_it_is_not_resized():
    both = load(GENERATED / "shapes-and-scenes" / "model.py")
    model = both.Network().eval()
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.randint(256, (1, 3, 70, 100), dtype=torch.uint8)
    found = both.predict(model, image)
    assert seen[0].shape == (1, 3, 96, 128)
    assert (seen[0][..., :70, :100] == image).all()
    around = seen[0][..., 70:, :] / 255
    torch.testing.assert_close(around, model.mean.expand_as(around) / 255)
    boxes = found["shapes"]["boxes"]
    assert (boxes >= 0).all() and (boxes <= torch.tensor([100, 70, 100, 70])).all()


def test_plain_strided_levels_take_an_image_of_any_size(tmp_path):
    """Nothing is padded where no level is upsampled."""
    head = {"task": "object_detection", "categories": ["a"], "name": "cells"}
    job = {
        "name": "whole",
        "data": {"train": "train", "resolution": [64, 96]},
        "model": {
            "backbone": {"name": "resnet18", "resize_input": False},
            "neck": {"kind": "none"},
            "heads": [head | {"bottom_level": 5, "top_level": 5}],
        },
    }
    module = load(build(job, tmp_path) / "model.py")
    assert not hasattr(module, "DIVISOR")
    model = module.Detector().eval()
    seen = []
    model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    image = torch.randint(256, (1, 3, 70, 101), dtype=torch.uint8)
    boxes = module.predict(model, image)["cells"]["boxes"]
    assert torch.equal(seen[0], image)
    assert (boxes >= 0).all() and (boxes <= torch.tensor([101, 70, 101, 70])).all()
