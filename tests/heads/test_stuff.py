"""Stuff of panoptic segmentation: what it costs, where it lies, and what of it is kept."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from emitted_jobs import load_all, make
from test_panoptic_segmentation import (
    CAR,
    HEAD,
    PERSON,
    ROAD,
    SKY,
    drawing,
    segments,
    street,
)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = make(tmp_path_factory.mktemp("stuff"), [HEAD])
    return load_all(folder, "model", "data")


def test_stuff_costs_what_its_known_pixels_do_on_average(modules):
    data, model = modules.data, modules.model
    still = data.Transform(np.float32([1, 1]), np.zeros(2, np.float32))
    placed = data.moved_panoptic(
        segments(data, street()), still, model.THINGS, model.STUFF, 4
    )
    targets = data.stack_panoptic([placed])
    kinds = targets["stuff"].long()
    assert set(kinds.unique().tolist()) == {-1, 0, 1, 2}
    outputs = drawing(model, {}, horizon=48)
    torch.manual_seed(0)
    outputs = outputs._replace(stuff=torch.randn_like(outputs.stuff))
    found = model.panoptic_loss(outputs, targets, 2.0, 3.0)["stuff"]
    large = F.interpolate(outputs.stuff, kinds.shape[1:], mode="bilinear")
    logs = large.double().log_softmax(1).movedim(1, -1)[kinds >= 0]
    expected = -3 * logs.gather(1, kinds[kinds >= 0][:, None]).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize("axis", [0, 1])
def test_rows_and_columns_of_stuff_have_strides_of_their_own(modules, axis):
    """A map of 4x6 cells, 16 rows or 4 columns of pixels each; half of it is sky."""
    stuff = torch.zeros(3, 4, 6)
    sky, road = stuff.movedim(1 + axis, 1).chunk(2, 1)
    sky[1], road[2] = 5, 5
    nothing = {"boxes": torch.zeros(0, 4), "masks": torch.zeros(0, 8, 12)}
    nothing |= {"count": torch.tensor(0), "classes": torch.zeros(0, dtype=torch.long)}
    strides = torch.tensor([2.0, 8.0])  # strides of masks, x and y
    found, instances = modules.model.merge_segments(
        nothing | {"stuff": stuff}, (64, 24), strides, (CAR, PERSON), (SKY, ROAD)
    )
    halves = found.chunk(2, axis)
    assert not instances.any()
    assert (halves[0] == SKY).all() and (halves[1] == ROAD).all()


@pytest.mark.parametrize("axis, stride, edge", [(0, 16, 29.6), (1, 4, 9.6)])
def test_the_stuff_of_a_pixel_is_that_at_its_middle(modules, axis, stride, edge):
    """Logits grow with the distance to an edge, which lies just beyond a middle."""
    sides = torch.arange((4, 6)[axis]) * stride + stride / 2 - edge
    ramp = (sides[:, None] if axis == 0 else sides).expand(4, 6)
    stuff = torch.stack([torch.zeros(4, 6), -ramp, ramp])
    nothing = {"boxes": torch.zeros(0, 4), "masks": torch.zeros(0, 8, 12)}
    nothing |= {"count": torch.tensor(0), "classes": torch.zeros(0, dtype=torch.long)}
    found, _ = modules.model.merge_segments(
        nothing | {"stuff": stuff},
        (64, 24),
        torch.tensor([2.0, 8.0]),
        (CAR, PERSON),
        (SKY, ROAD),
    )
    before, beyond = found.split([int(edge) + 1, (64, 24)[axis] - int(edge) - 1], axis)
    assert (before == SKY).all() and (beyond == ROAD).all()


def test_stuff_that_an_instance_hides_is_not_there(modules):
    """Sky fills all rows, but is seen in the last of 640 alone."""
    stuff = torch.zeros(3, 4, 6)
    stuff[1] = 5
    found = {
        "boxes": torch.tensor([[0.0, 0, 24, 639]]),
        "masks": torch.ones(1, 8, 12),
        "count": torch.tensor(1),
        "classes": torch.tensor([0]),
        "stuff": stuff,
    }
    found, instances = modules.model.merge_segments(
        found, (640, 24), torch.tensor([2.0, 80.0]), (CAR, PERSON), (SKY, ROAD)
    )
    assert (found[:-1] == CAR).all() and (instances[:-1] == 1).all()
    assert (found[-1] == -1).all() and not instances[-1].any()


@pytest.mark.parametrize("channels, groups", [(16, 8), (96, 16), (128, 32), (6, 1)])
def test_norms_of_maps_have_groups_of_two_channels_or_more(modules, channels, groups):
    """At most 32 groups, as many as divide the channels alike."""
    block = modules.model.map_block(8, channels)
    (norm,) = [x for x in block if isinstance(x, torch.nn.GroupNorm)]
    assert (norm.num_groups, norm.num_channels) == (groups, channels)
    assert not block(torch.zeros(1, 8, 3, 5)).any()  # no bias before a norm


@pytest.mark.parametrize("channels, groups", [(16, 8), (96, 16), (128, 32), (6, 1)])
def test_norms_of_towers_have_groups_of_two_channels_or_more(modules, channels, groups):
    tower = modules.model.tower(channels, 2)
    norms = [x for x in tower if isinstance(x, torch.nn.GroupNorm)]
    sizes = [(norm.num_groups, norm.num_channels) for norm in norms]
    assert sizes == [(groups, channels)] * 2
    assert not tower(torch.zeros(1, channels, 3, 5)).any()
