"""The centers and strides of cells: built once for the job's resolution, or for others."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pytest
import torch
from emitted_jobs import GENERATED, MODEL_SIZE, detecting, load, make
from torch.export import Dim
from torch.utils._python_dispatch import TorchDispatchMode

pytestmark = pytest.mark.usefixtures("one_thread")

STRIDES = 8, 16, 32, 64


@pytest.fixture(scope="module")
def detector(tmp_path_factory) -> ModuleType:
    return load(make(tmp_path_factory.mktemp("cells"), [detecting("a")]) / "model.py")


def maps(height: int, width: int) -> list[torch.Tensor]:
    """Returns maps of levels of an image of this size."""
    return [torch.zeros(1, 1, -(-height // s), -(-width // s)) for s in STRIDES]


class Counter(TorchDispatchMode):
    """Counts what writes memory: views do not."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, _, args=(), kwargs=None):
        self.count += not function.is_view
        return function(*args, **(kwargs or {}))


@pytest.mark.slow
@pytest.mark.sample("float-size0", "float-size2", "half-size1", "bfloat16-size3")
@pytest.mark.parametrize("size", [MODEL_SIZE, (160, 96), (2048, 3104), (8, 8)])
@pytest.mark.parametrize("change", ["float", "half", "bfloat16", "double"])
def test_cells_have_their_centers_at_any_size(detector, size, change):
    grid = getattr(detector.Grid(*STRIDES), change)()
    centers, strides = grid(*maps(*size))
    expected = []
    for stride in STRIDES:
        y, x = (np.arange(-(-side // stride)) * stride + stride / 2 for side in size)
        rows = [(a, b, stride) for b in y.tolist() for a in x.tolist()]
        expected += rows
    found = torch.cat([centers, strides], 1)
    assert found.dtype == torch.float32
    assert found.tolist() == [list(row) for row in expected]


def test_cells_of_a_level_as_fine_as_the_image(detector):
    """Half of stride 2, as masks of a head that reads level 1 have it."""
    centers, _ = detector.Grid(1)(torch.zeros(1, 1, 2, 3))
    assert centers.tolist() == [[x + 0.5, y + 0.5] for y in (0, 1) for x in (0, 1, 2)]


def test_cells_cost_one_kernel_and_are_no_weights(detector):
    grid, levels = detector.Grid(*STRIDES), maps(*MODEL_SIZE)
    with Counter() as known:
        grid(*levels)
    levels = maps(320, 320)
    with Counter() as other:
        grid(*levels)
    assert known.count == 1 < other.count
    assert not grid.state_dict()
    assert not [name for name in detector.Detector().state_dict() if "grid" in name]


@pytest.mark.slow
def test_cells_are_exported_for_any_size_where_images_are_not_resized():
    """Also where the example has the size of the training crops, whose cells are known."""
    module = load(GENERATED / "shapes-and-scenes" / "model.py")
    grid = module.Grid(*STRIDES).eval()
    example = maps(module.HEIGHT, module.WIDTH)
    sizes = tuple({2: Dim.DYNAMIC, 3: Dim.DYNAMIC} for _ in example)
    exported = torch.export.export(grid, (*example,), dynamic_shapes=(sizes,)).module()
    for size in ((module.HEIGHT, module.WIDTH), (96, 256)):
        for found, expected in zip(exported(*maps(*size)), grid(*maps(*size))):
            assert torch.equal(found, expected)
