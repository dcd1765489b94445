"""Depth estimation: maps of 8 and 16 bits, the loss, the size of what is predicted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from map_data import ROOM, make, room, room_codes
from PIL import Image

NEAREST, FARTHEST = 1, 5


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return make(tmp_path_factory.mktemp("room"), ROOM)


def read(job, folder) -> np.ndarray:
    """The depth of the first image."""
    sample = job.dataset.read_dataset(folder)[0]
    return job.data.read_depth(sample.labels["room"], NEAREST, FARTHEST)


def refused(job, folder) -> str:
    with pytest.raises(SystemExit) as stopped:
        job.dataset.read_dataset(folder)
    return str(stopped.value)


# ---- Reading ----


def test_sixteen_bits_are_read(job, tmp_path):
    depth = read(job, room(tmp_path))
    assert depth.dtype == np.float32 and (depth[0] == -1).all()
    assert depth[1, 0] == NEAREST and depth[1, -1] == FARTHEST
    assert depth[1] == pytest.approx(np.linspace(1, 5, 40), abs=1e-3)


def test_eight_bits_are_read(job, tmp_path):
    codes = np.tile(np.linspace(255, 1, 40).round(), (30, 1)).astype(np.uint8)
    codes[3, 3] = 0
    depth = read(job, room(tmp_path, codes=codes))
    assert depth[0, 0] == NEAREST and depth[0, -1] == FARTHEST and depth[3, 3] == -1
    assert depth[1] == pytest.approx(np.linspace(1, 5, 40), abs=0.01)


def test_eight_bits_in_a_file_of_sixteen_are_told(job, tmp_path):
    """They would all be read as the farthest."""
    codes = np.tile(np.linspace(255, 1, 40), (30, 1)).astype(np.uint16)
    folder = room(tmp_path, codes=codes)
    with pytest.raises(job.data.ImageError) as told:
        read(job, folder)
    path = folder / "maps" / "0.png"
    what = "a map of uint16 with values up to 255, which are not of 8 or 16 bits"
    assert str(told.value) == f"{path}: {what}"


@pytest.mark.parametrize(
    "most, told", [(1, False), (2, True), (255, True), (256, False)]
)
def test_from_which_value_on_a_file_of_sixteen_bits_holds_eight(
    job, tmp_path, most, told
):
    """The farthest alone may be meant so; 256 is no value of 8 bits."""
    folder = room(tmp_path, codes=np.full((30, 40), most, np.uint16))
    if told:
        with pytest.raises(job.data.ImageError, match=f"with values up to {most}, "):
            read(job, folder)
    else:
        depth = FARTHEST - (FARTHEST - NEAREST) * (most - 1) / 65534
        assert read(job, folder) == pytest.approx(depth, abs=1e-5)


@pytest.mark.parametrize("value, depth", [(0, -1), (1, FARTHEST)])
def test_a_map_of_one_value_is_read(job, tmp_path, value, depth):
    """All unknown, or all at the farthest."""
    found = read(job, room(tmp_path, codes=np.full((30, 40), value, np.uint16)))
    assert (found == depth).all()


def test_a_colored_map_is_named_before_training(job, tmp_path):
    path = room(tmp_path) / "maps" / "1.png"
    Image.new("RGB", (40, 30)).save(path)
    words = f"1.jpg: its map is RGB, not L or I;16 or I;16B or I: {path}"
    assert words in refused(job, tmp_path)


def test_a_map_of_another_shape_is_named(job, tmp_path):
    path = room(tmp_path) / "maps" / "1.png"
    Image.fromarray(room_codes()[:, :20]).save(path)
    words = f"another aspect ratio: {path} is 20x30, the image 40x30"
    assert words in refused(job, tmp_path)


@pytest.mark.parametrize("limits", [[1, 6], [5, 1], "1..5", None])
def test_the_range_is_compared_with_the_jobs(job, tmp_path, limits):
    said = refused(job, room(tmp_path, range=limits))
    assert f"the range is {limits}, the job's is [1.0, 5.0]" in said


def test_the_entry_of_the_jobs_range_is_taken(job, tmp_path):
    """A dataset may describe several maps of depth."""
    room(tmp_path)
    path = tmp_path / "metadata.yaml"
    other = "- {task: depth estimation, range: [0, 9], annotations: far}\n"
    lines = path.read_text().splitlines()
    entry = "- " + "\n  ".join(lines)
    path.write_text(other + entry + "\n")
    assert len(job.dataset.read_dataset(tmp_path)) == 3


# ---- Loss ----


def loss(job, depth, truth) -> torch.Tensor:
    return job.model.depth_loss(depth, {"depth": truth}, 0.005)["log"]


def test_the_true_depth_has_no_loss(job):
    depth = torch.full((2, 1, 8, 12), 2.5)
    assert loss(job, depth, torch.full((2, 64, 96), 2.5)) == 0


def test_a_common_factor_counts_half(job):
    """The square of its logarithm, times 1 - 0.5."""
    depth, truth = torch.full((2, 1, 8, 12), 4.0), torch.full((2, 64, 96), 2.0)
    assert loss(job, depth, truth).item() == pytest.approx(0.5 * np.log(2) ** 2)


def test_an_image_without_depth_teaches_nothing_and_spoils_nothing(job):
    torch.manual_seed(0)
    truth = torch.full((2, 64, 96), -1.0)
    truth[0] = 2.0
    depth = (1 + 4 * torch.rand(2, 1, 8, 12)).requires_grad_()
    found = loss(job, depth, truth)
    found.backward()
    alone = loss(job, depth[:1], truth[:1])
    assert found == alone and found > 0
    assert depth.grad.isfinite().all() and (depth.grad[1] == 0).all()


def test_a_batch_without_depth_has_no_loss(job):
    depth = torch.full((2, 1, 8, 12), 3.0, requires_grad=True)
    found = loss(job, depth, torch.full((2, 64, 96), -1.0))
    found.backward()
    assert found == 0 and (depth.grad == 0).all()


def test_a_range_from_zero_is_finite(tmp_path):
    job = make(tmp_path, ROOM | {"range": [0, 1]})
    truth = torch.zeros(1, 64, 96)
    depth = torch.zeros(1, 1, 8, 12, requires_grad=True)
    found = job.model.depth_loss(depth, {"depth": truth}, job.model.FARTHEST / 1000)
    found["log"].backward()
    assert found["log"] == 0 and depth.grad.isfinite().all()
    ones = torch.ones(1, 1, 8, 12)  # a depth of 0 is known, and counts as the least
    found = job.model.depth_loss(ones, {"depth": truth}, 0.001)["log"]
    assert found.item() == pytest.approx(np.log(1000) ** 2 / 2, rel=1e-5)
    zeros = np.zeros((4, 4), np.float32)
    errors = job.evaluate.depth_errors(zeros, zeros + 0.5, 0.001)
    metrics = job.evaluate.depth_metrics([errors])
    assert np.isfinite(list(metrics.values())).all() and metrics["mae"] == 0.5


# ---- Predictions ----


@pytest.mark.parametrize("size", [(48, 200), (200, 48), (7, 5), (1, 1)])
def test_predictions_have_the_size_of_the_image(job, size):
    images = torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8)
    model = job.model.DepthEstimator().eval()
    depth = job.model.predict(model, images)["room"]["depth"]
    assert depth.shape == (2, *size)
    assert NEAREST <= depth.min() and depth.max() <= FARTHEST


def test_the_whole_range_can_be_predicted(job):
    model = job.model.DepthEstimator().eval()
    images = torch.zeros(1, 3, 64, 96, dtype=torch.uint8)
    for bias, depth in ((-30.0, NEAREST), (30.0, FARTHEST)):
        torch.nn.init.constant_(model.head.share.bias, bias)
        assert model(images).mean().item() == pytest.approx(depth)


def test_predictions_at_their_own_size(tmp_path):
    """With `resize_input` off, an image is padded, and its map cut."""
    backbone = {"resize_input": False}
    job = make(tmp_path, ROOM, backbone=backbone)
    model = job.model.DepthEstimator().eval()
    images = torch.randint(0, 256, (1, 3, 70, 101), dtype=torch.uint8)
    depth = job.model.predict(model, images)["room"]["depth"]
    canvas = job.model.padded(images, model.mean)
    assert depth.shape == (1, 70, 101) and canvas.shape == (1, 3, 96, 128)
    with torch.inference_mode():
        results = job.model.decode(model(canvas))
    cells = results["room"]["depth"]
    whole = F.interpolate(cells, scale_factor=job.model.STRIDE, mode="bilinear")
    assert torch.equal(depth, whole[:, 0, :70, :101])
    sample = job.dataset.Sample("", 70, 101, {})
    said = job.evaluate.to_annotations(results, 0, sample)["room"]
    assert np.array_equal(said, depth[0].numpy())


# ---- Metrics ----


def measured(job, truth, found) -> dict:
    arrays = np.float32(truth), np.float32(found)
    return job.evaluate.depth_metrics([job.evaluate.depth_errors(*arrays, 0.005)])


def test_errors_are_those_of_known_pixels(job):
    metrics = measured(job, [[1, 2, 4, -1]], [[1, 3, 2, 5]])
    assert metrics["mae"] == 1 and metrics["rmse"] == pytest.approx((5 / 3) ** 0.5)
    assert metrics["abs_rel"] == pytest.approx((0.5 + 0.5) / 3)
    assert metrics["delta1"] == pytest.approx(1 / 3)
    assert metrics["delta2"] == pytest.approx(2 / 3)  # 1.5 is below 1.25^2
    assert metrics["delta3"] == pytest.approx(2 / 3)  # 2 is above 1.25^3


def test_images_without_depth_have_no_metrics(job):
    assert measured(job, [[-1, -1]], [[1, 3]]) == {}


def test_evidence_adds_up(job):
    rng = np.random.default_rng(0)
    pairs = [rng.uniform(1, 5, (2, 9, 9)).astype(np.float32) for _ in range(4)]
    apart = job.evaluate.depth_metrics(
        [job.evaluate.depth_errors(*pair, 0.005) for pair in pairs]
    )
    whole = np.concatenate(pairs, 1)
    assert apart == pytest.approx(measured(job, whole[0], whole[1]), rel=1e-5)


# ---- Drawings and files ----


def test_the_nearest_is_the_brightest(job):
    depth = np.float32([[NEAREST, 3, FARTHEST, -1]])
    image = np.zeros((1, 4, 3), np.uint8)
    drawn = job.draw.draw_depth(image, depth, NEAREST, FARTHEST).sum(-1)[0]
    assert drawn[0] > drawn[1] > drawn[2] and drawn[3] == 0


def test_a_saved_map_is_read_as_it_was(job, tmp_path):
    depth = np.float32([[1, 2.2, 3.3, 5]])
    name = job.draw.save_depth(depth, NEAREST, FARTHEST, tmp_path / "a.png")
    found = job.data.read_depth(tmp_path / name, NEAREST, FARTHEST)
    assert found == pytest.approx(depth, abs=1e-4)
