"""The depth that maps hold by the range of a job is told: by train.py, `init` and `data`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from emitted_jobs import build
from map_data import ROOM, make, room
from PIL import Image
from runs import run

from specc.cli import run_cli


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return make(tmp_path_factory.mktemp("room"), ROOM)


def codes(*values: int) -> np.ndarray:
    """Columns of equal width, below a row that is unknown."""
    columns = np.repeat(values, 40 // len(values))
    return np.vstack([np.zeros((1, 40)), np.tile(columns, (29, 1))]).astype(np.uint16)


# By hand: depth is 5 - 4 * (code - 1) / 65534; these are the codes of millimeters.
MILLIMETERS = codes(1000, 1000, 3000, 3000, 5000)
WANTED = [5 - 4 * (code - 1) / 65534 for code in (5000, 3000, 1000)]


def test_nearest_median_and_farthest(job, tmp_path):
    folder = room(tmp_path, codes=MILLIMETERS)
    maps = [sample.labels["room"] for sample in job.dataset.read_dataset(folder)]
    low, middle, high = (f"{depth:.4g}" for depth in WANTED)
    assert job.data.depth_in_numbers(maps, 1, 5) == (
        f"depth: nearest {low}, median {middle}, farthest {high},"
        " of a range from 1 to 5"
    )


def test_maps_that_are_unknown_or_broken(job, tmp_path):
    folder = room(tmp_path, codes=codes(0))
    maps = sorted((folder / "maps").iterdir())
    assert job.data.depth_in_numbers(maps, 1, 5) == "depth: unknown in all of 3 maps"
    maps[0].write_bytes(b"no map")
    room(tmp_path / "other", count=1, codes=codes(65535))
    maps += (tmp_path / "other" / "maps").iterdir()
    told = job.data.depth_in_numbers(maps, 1, 5)
    assert told.startswith("depth: nearest 1, median 1, farthest 1,")


@pytest.mark.parametrize("count", [1, 49, 50, 99, 100, 101, 250])
def test_fewer_than_fifty_maps_are_all_read_of_more_fifty_at_most(
    job, monkeypatch, count
):
    """Evenly: what is nearest and farthest in each is told by its place in the list."""
    read = []

    def depth_of(place: int, nearest: float, farthest: float) -> np.ndarray:
        read.append(place)
        return np.array([[place, -1.0]])

    monkeypatch.setattr(job.data, "read_depth", depth_of)
    told = job.data.depth_in_numbers(range(count), 0, 300)
    assert len(read) == count if count < 50 else 25 <= len(read) <= 50
    assert read == list(range(0, count, read[1] if read[1:] else 1))
    assert told.startswith(f"depth: nearest 0, median {np.median(read):.4g}, ")
    assert f"farthest {read[-1]:.4g}, of a range from 0 to 300" in told


@pytest.mark.parametrize("kind, most", [(np.int32, 70_000), (np.float32, 5)])
def test_maps_of_other_bits_are_not_measured_by_init(place, capsys, kind, most):
    """The emitted reader refuses them: by their mode, or as they are decoded."""
    found = room(place / "set")
    for path in (found / "maps").iterdir():
        path.unlink()
        image = Image.fromarray(np.full((30, 40), most, kind))
        image.save(path.with_suffix(".tif"))
    assert run_cli(["init", "depth_estimation", "--data", "set"]) == 0
    assert "unknown in all of 3 maps" in capsys.readouterr().out


def test_a_map_of_32_bits_is_named(job, tmp_path):
    path = tmp_path / "map.tif"
    Image.fromarray(np.full((30, 40), 70_000, np.int32)).save(path)
    what = "a map of int32 with values up to 70000, which are not of 8 or 16 bits"
    with pytest.raises(job.data.ImageError, match=what):
        job.data.read_depth(path, 1, 5)


@pytest.mark.slow
def test_init_data_and_train_tell_the_same(place, capsys):
    """The data and the job of the case: millimeters, read as the range says."""
    for name in ("train", "val"):
        room(place / "set" / name, count=4, codes=MILLIMETERS)
    low, middle, high = (f"{depth:.4g}" for depth in WANTED)
    words = f"nearest {low}, median {middle}, farthest {high}"

    assert run_cli(["init", "depth_estimation", "--data", "set"]) == 0
    assert words in capsys.readouterr().out

    run_cli(["data", "job.json", "--format", "json"])
    [head] = json.loads(capsys.readouterr().out)["heads"]
    assert head["unit"] == "maps"
    assert head["numbers"]["training"] == pytest.approx(WANTED, abs=1e-4)
    run_cli(["data", "job.json"])
    said = capsys.readouterr().out
    assert f"no depth is nearer than {low}, of a range from 1 to 5" in said
    spread = " .. ".join(f"{round(depth, 4):g}" for depth in WANTED)
    assert (
        f"nearest .. median .. farthest, in the unit of the range, training: {spread}"
        in said
    )

    job = json.loads(Path("job.json").read_text())
    job["model"]["backbone"] = {"name": "resnet18"}
    job["trainer"]["max_iterations"] = 1
    job["data"]["resolution"] = [64, 64]
    Path("job.json").write_text(json.dumps(job))
    (place / "built").mkdir()
    ran = run(
        build(job, place / "built"), "train.py", "--device", "cpu", "--workers", 0
    )
    assert f"depth: {words}, of a range from 1 to 5\n" in ran.stderr
