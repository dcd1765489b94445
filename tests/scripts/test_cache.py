"""Decoded images that are kept: the same views, without decoding, whatever happens."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import torch
from emitted_jobs import DATA_SIZE, DETECTION, load_data, make_reader
from small_data import picture

HEIGHT, WIDTH = DATA_SIZE
SIZES = [(240, 320), (330, 200), (64, 96), (65, 97), (31, 40), (20, 150), (7, 3)]
OPTIONS = {
    "default": {},
    "as they are": {"augmentation": False},
    "one size": {"augmentation": {"scale": 0}},
    "turned": {"augmentation": {"scale": 0, "transpose": True}},
    "any view": {
        "augmentation": {"scale": 0.9, "transpose": True, "vertical_flip": True}
    },
    "cropped": {"augmentation": {"random_crop": 0.6, "transpose": True, "blur": 1}},
    "gray": {"channels": 1},
    "four bands": {"channels": 4},
}


@pytest.fixture
def with_cache(emitted, tmp_path, monkeypatch):
    """The data.py of a job with a cache, which is empty, and these options."""

    def get(cache="kept", **options) -> ModuleType:
        data = emitted(DETECTION, validation="val", cache=cache, **options).data
        monkeypatch.setattr(data, "CACHE", tmp_path / "cache")
        return data

    return get


def draw(data, folder: Path, channels=3, suffix=".png") -> Sequence:
    """Samples of unlike sizes, larger than the canvas and smaller."""
    made = []
    folder.mkdir(exist_ok=True)
    for i, (height, width) in enumerate(SIZES):
        image = picture(height, width, seed=i)
        noise = np.random.default_rng(i).integers(0, 40, image.shape, np.uint8)
        image = np.concatenate([image + noise, noise[:, :, :1]], 2)[:, :, :channels]
        path = folder / f"{i}{suffix}"
        assert cv2.imwrite(str(path), image if channels != 1 else image[:, :, :1])
        objects = data.Objects(np.float32([[0, 0, 2, 3 + i]]), np.int64([0]))
        made.append(data.Sample(path, height, width, {"cells": objects}))
    return made


def seen(data, samples: list, epochs=range(3)) -> list[np.ndarray]:
    """All training views of these epochs."""
    views = data.TrainingSet(samples, seed=1)
    return [views[epoch, i][0] for epoch in epochs for i in range(len(samples))]


def assert_equal(first: list, second: list):
    assert len(first) == len(second)
    for one, other in zip(first, second):
        assert one.dtype == other.dtype and np.array_equal(one, other)


def kept(folder: Path, name="cache") -> list[Path]:
    return sorted((folder / name).glob("*.u8"))


def synced(data, samples: list):
    data.allocate.__globals__["sync"]([sample.slot for sample in samples])


def are_there(samples: list) -> list[bool]:
    return [sample.slot.file.read_bytes()[sample.slot.mark] > 0 for sample in samples]


# ---- Views ----


@pytest.mark.sample("cropped", rest="slow")
@pytest.mark.parametrize("name", OPTIONS)
def test_a_warm_cache_gives_the_views_of_a_cold_one(with_cache, tmp_path, name):
    """And decodes nothing: the images are gone by then."""
    options = OPTIONS[name]
    data = with_cache(**options)
    given = draw(data, tmp_path / "images", options.get("channels", 3))
    training, validation = data.cached(given, given, verbose=False)
    assert not any(are_there(training) + are_there(validation))
    # Cold: each view made right after its image was decoded.
    cold = [view for epoch in (4, 5) for view in seen(data, training, [epoch])]
    first = [data.ValidationSet(validation)[i] for i in range(len(given))]
    again = data.cached(given, given, verbose=False)
    shutil.rmtree(tmp_path / "images")
    slots = [[x.slot for x in samples] for samples in (training, validation)]
    assert [[x.slot for x in samples] for samples in again] == slots
    assert all(are_there(training) + are_there(validation))
    assert_equal(seen(data, again[0], [4, 5]), cold)
    for i, image in enumerate(first):
        assert torch.equal(data.ValidationSet(again[1])[i], image)
    assert len(seen(data, training, range(6, 12))) == 6 * len(SIZES)


def test_each_view_may_be_the_first(with_cache, tmp_path, monkeypatch):
    """Whichever view decodes an image, the later ones are the same."""
    data = with_cache()
    given = draw(data, tmp_path / "images")
    warm = data.cached(given, given, verbose=False)[0]
    expected = seen(data, warm, range(4))
    for epoch in range(4):
        monkeypatch.setattr(data, "CACHE", tmp_path / f"cache{epoch}")
        cold = data.cached(given, given, verbose=False)[0]
        count = len(SIZES)
        own = expected[epoch * count : (epoch + 1) * count]
        assert_equal(seen(data, cold, [epoch]), own)


@pytest.mark.sample("as they are", rest="slow")
@pytest.mark.parametrize("name", ["as they are", "one size", "gray", "four bands"])
def test_views_of_one_size_are_those_without_a_cache(
    with_cache, emitted, tmp_path, name
):
    options = {"augmentation": {"scale": 0}} | OPTIONS[name]
    data = with_cache(**options)
    plain = emitted(DETECTION, validation="val", **options).data
    given = draw(data, tmp_path / "images", options.get("channels", 3))
    training, validation = data.cached(given, given, verbose=False)
    assert_equal(seen(data, training), seen(plain, given))
    for i in range(len(given)):
        image = data.ValidationSet(validation)[i]
        assert torch.equal(image, plain.ValidationSet(given)[i])


def test_scaled_views_are_nearly_those_without_a_cache(with_cache, emitted, tmp_path):
    """They are shrunk from pixels of a size that none of them is larger than."""
    data, plain = with_cache(), emitted(DETECTION, validation="val").data
    given = draw(data, tmp_path / "images")
    training, _ = data.cached(given, given, verbose=False)
    for sample in training:
        height, width = data.fit(sample.height, sample.width)
        wanted = min(round(1.25 * height), sample.height)
        assert sample.slot.shape[0] == wanted
    differences = [
        np.abs(one.astype(int) - other).mean()
        for one, other in zip(seen(data, training), seen(plain, given))
    ]
    assert max(differences) < 3 and np.mean(differences) < 1


def test_a_sample_without_a_place_is_decoded(with_cache, tmp_path):
    """As predict.py has them."""
    data = with_cache()
    sample, *_ = draw(data, tmp_path / "images")
    canvas = data.letterbox(sample)
    assert canvas.shape == (HEIGHT, WIDTH, 3)
    assert not (tmp_path / "cache").exists()


def test_an_image_that_does_not_decode_is_no_other_than_without(
    with_cache, emitted, tmp_path
):
    """Named, replaced and counted, in every epoch."""
    data, plain = with_cache(), emitted(DETECTION, validation="val").data
    given = draw(data, tmp_path / "images", suffix=".jpg")
    given[2].path.write_bytes(given[2].path.read_bytes()[:-50])
    training, _ = data.cached(given, given, verbose=False)
    views, others = data.TrainingSet(training, 0), plain.TrainingSet(given, 0)
    for epoch in range(3):
        for i in range(len(given)):
            (_, labels, broken), (_, same, told) = views[epoch, i], others[epoch, i]
            assert broken == told and bool(broken) == (i == 2)
            assert (labels["cells"].boxes == same["cells"].boxes).all()
    assert are_there(training) == [i != 2 for i in range(len(given))]


# ---- What is kept for one is not served to another ----


def test_a_changed_image_is_decoded_again(with_cache, tmp_path):
    """Though its name, length and time are as they were."""
    data = with_cache(augmentation=False)
    given = draw(data, tmp_path / "images", suffix=".bmp")
    training, _ = data.cached(given, given, verbose=False)
    before = seen(data, training, [0])
    path, status = given[1].path, given[1].path.stat()
    assert cv2.imwrite(str(path), 255 - cv2.imread(str(path)))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    assert path.stat().st_mtime_ns == status.st_mtime_ns
    training, _ = data.cached(given, given, verbose=False)
    after = seen(data, training, [0])
    assert_equal([*before[:1], *before[2:]], [*after[:1], *after[2:]])
    inside = np.s_[:20, :20]
    inverse = 255 - before[1][inside].astype(int)
    assert np.abs(after[1][inside] - inverse).max() <= 1  # resampling rounds


@pytest.mark.sample("options1", rest="slow")
@pytest.mark.parametrize("options", [{"resolution": [96, 64]}, {"channels": 1}])
def test_another_job_has_pixels_of_its_own(with_cache, emitted, tmp_path, options):
    data = with_cache(augmentation=False)
    given = draw(data, tmp_path / "images")
    seen(data, data.cached(given, given, verbose=False)[0])
    other = with_cache(augmentation=False, **options)
    plain = emitted(DETECTION, validation="val", augmentation=False, **options).data
    training, _ = other.cached(given, given, verbose=False)
    assert not any(are_there(training))
    assert_equal(seen(other, training), seen(plain, given))


@pytest.mark.slow
def test_another_decoder_has_pixels_of_its_own(tmp_path):
    """The code belongs to its user, who may read images in another way."""
    job = {"validation": "val", "cache": str(tmp_path / "cache"), "augmentation": False}
    modules = []
    for line in ("", "    image = 255 - image\n"):
        folder = tmp_path / f"job{len(modules)}"
        folder.mkdir()
        make_reader(folder, (DETECTION,), job)
        text = (folder / "data.py").read_text()
        place = "    image = resized(image, height, width)\n"
        assert text.count(place) == 1
        (folder / "data.py").write_text(text.replace(place, line + place))
        modules.append(load_data(folder).data)
    given = draw(modules[0], tmp_path / "images")
    first, second = (data.cached(given, given, verbose=False)[0] for data in modules)
    assert first[0].slot.file != second[0].slot.file
    views = seen(modules[0], first), seen(modules[1], second)
    assert np.abs(views[0][0].astype(int) - views[1][0]).max() > 50


def test_a_file_that_was_cut_short_is_filled_again(with_cache, tmp_path):
    data = with_cache()
    given = draw(data, tmp_path / "images")
    training, _ = data.cached(given, given, verbose=False)
    before = seen(data, training)
    file = training[0].slot.file
    size = file.stat().st_size
    synced(data, training)
    for length, whole in ((0, 0), (size // 2, 0), (size - 39, len(SIZES) - 3)):
        os.truncate(file, length)
        training, _ = data.cached(given, given, verbose=False)
        assert are_there(training).count(True) == whole
        assert_equal(seen(data, training), before)
        synced(data, training)


def test_a_crash_of_the_machine_takes_what_was_not_synced(with_cache, tmp_path):
    """Not that of a process: another run of the same boot finds all of it."""
    data = with_cache()
    given = draw(data, tmp_path / "images")
    training, _ = data.cached(given, given, verbose=False)
    expected = seen(data, training)
    file = training[0].slot.file

    def start_again(boot: bytes) -> list[bool]:
        with file.open("r+b") as opened:
            opened.seek(-36, os.SEEK_END)
            opened.write(boot)
        return are_there(data.cached(given, given, verbose=False)[0])

    this = file.read_bytes()[-36:]
    assert this == Path("/proc/sys/kernel/random/boot_id").read_bytes()[:36]
    assert all(start_again(this))
    assert not any(start_again(bytes(36)))
    assert file.read_bytes()[-36:] == this
    views = data.TrainingSet(training, seed=1)
    for i in (0, 1, 2):
        views[0, i]
    synced(data, training)
    views[0, 5]
    assert start_again(bytes(36)) == [i in (0, 1, 2) for i in range(len(SIZES))]
    assert_equal(seen(data, training), expected)


# ---- Disks ----


def test_what_the_cache_takes_is_told(with_cache, tmp_path, capsys):
    data = with_cache(augmentation=False)
    given = draw(data, tmp_path / "images")
    parts = given[:5], given[5:]
    size = sum(3 * np.prod(np.minimum(data.fit(*one), one)) for one in SIZES)
    told = f"{tmp_path}/cache: {size / 1e6:.1f} MB for {len(SIZES)} decoded images"
    training, _ = data.cached(*parts, verbose=True)
    assert capsys.readouterr().out == f"{told}; 0 of them are there\n"
    seen(data, training)
    data.cached(*parts, verbose=True)
    assert capsys.readouterr().out == f"{told}; 5 of them are there\n"
    data.cached(*parts, verbose=False)
    assert capsys.readouterr().out == ""


def test_a_disk_without_room_is_refused(with_cache, tmp_path, monkeypatch):
    data = with_cache()
    given = draw(data, tmp_path / "images")
    training, validation = data.cached(given, given, verbose=False)
    wanted = sum(sample.slot.size for sample in (*training, *validation))
    for free, filled in ((wanted - 1, 0), (wanted, 0), (wanted // 2, len(given))):
        usage = shutil._ntuple_diskusage(10**9, 0, free)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
        if filled:  # cached images need no more room
            seen(data, training)
        if free == wanted - 1:
            with pytest.raises(
                SystemExit, match="cache: decoded images need 0 MB, 0 MB are"
            ):
                data.cached(given, given, verbose=False)
        else:
            data.cached(given, given, verbose=False)


def test_a_folder_that_cannot_be_made_is_told(with_cache, tmp_path, monkeypatch):
    data = with_cache()
    given = draw(data, tmp_path / "images")
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(data, "CACHE", tmp_path / "file" / "cache")
    with pytest.raises(SystemExit) as caught:
        data.cached(given, given, verbose=False)
    reason = "the cache of decoded images cannot be made: Not a directory"
    assert str(caught.value) == f"{tmp_path}/file/cache: {reason}"
