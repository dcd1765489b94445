"""The emitted scripts as users run them: new processes, on a few small images."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from runs import (
    BACKBONE,
    ITERATIONS,
    PATIENCE,
    SCENE,
    SHAPES,
    VALIDATIONS,
    assert_equal_runs,
    checkpoint,
    images,
    make,
    refusal,
    rows,
    run,
    start,
    train,
)

from specc.language.load import load
from specc.resolve import resolve
from specc.shapes.dataset import draw_dataset
from specc.shapes.scene import BACKGROUNDS, CATEGORIES, draw, sample_scene
from specc.shapes.scene import boxes as drawn_boxes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def detector(world) -> Path:
    """The folder of the job that `whole` has learned."""
    return make(world / "detector", SHAPES)


# ---- Training ----


def test_training_learns_and_leaves_what_it_promises(whole):
    losses = [row["loss"] for row in rows(whole) if row["split"] == "train"]
    assert len(losses) == ITERATIONS // 10
    assert losses[-1] < 0.8 * losses[0]
    metrics = [row for row in rows(whole) if row["split"] == "validation"]
    assert [row["iteration"] for row in metrics] == [10, 20, 30, 40]
    assert all(0 <= row["shapes/ap"] <= row["shapes/ap50"] <= 1 for row in metrics)
    for name in ("curves.png", "predictions.png"):
        assert cv2.imread(str(whole / name)).std() > 10
    assert list((whole / "tensorboard").iterdir())
    assert not list(whole.glob("*.tmp"))


def test_the_pace_of_a_run_is_told_once(detector, world):
    """After ten steps, whether or not validations stood between them."""
    flags = ("--max-iterations", 26, "--workers", 0)
    said = train(detector, "runs/paced", *flags).stderr
    (line,) = [x for x in said.splitlines() if " s a step, of which " in x]
    step, wait, rate = (
        float(x) for x in re.findall(r"([\d.e+-]+) (?:s |im)", line)[:3]
    )
    assert 0 < wait < step and rate == pytest.approx(4 / step, rel=0.06)
    assert "without the validations (3); " in line and "GB at its peak" in line
    assert said.count("validations take ") <= 1


def test_checkpoints_hold_what_the_design_says(whole, detector):
    last, best = checkpoint(whole / "last.pt"), checkpoint(whole / "best.pt")
    assert set(last) == {
        *("format", "job", "model", "optimizer", "run", "unlogged"),
        *("iteration", "elapsed_seconds", "best", "threads"),
    }
    assert set(best) == {"format", "job", "model", "metrics"}
    job = (detector / "job.json").read_bytes()
    assert resolve(load(last["job"].encode())) == resolve(load(job))
    assert json.loads(last["job"])["trainer"]["scheduler"]["warmup"] == 0.3
    assert last["iteration"] == ITERATIONS and last["format"] == 1
    found = [row["shapes/ap"] for row in rows(whole) if "shapes/ap" in row]
    assert last["best"] == best["metrics"]["shapes/ap"] == max(found)
    assert all(
        key.split(".")[0] in ("backbone", "neck", "head") for key in last["model"]
    )


def test_a_few_images_can_be_learned_by_heart(detector):
    """They train the model and judge it, whatever the validation set holds."""
    said = train(detector, "runs/few", "--overfit", 2, "--max-iterations", 4).stdout
    seen = checkpoint(detector.parent / "runs/few/last.pt")["run"]
    assert seen["training images"] == seen["validation images"]
    assert seen["training images"].startswith("2 (")
    last = rows(detector.parent / "runs/few")[-1]
    lines = re.findall(r"(?m)^(\S+) +(\S+/\w+) at the end$", said)
    found = {name: value for value, name in lines}
    assert {name: float(value) for name, value in found.items()} == pytest.approx(
        {name: value for name, value in last.items() if "/" in name}, rel=1e-3
    )


@pytest.mark.parametrize(
    "number, code, workers",
    [
        pytest.param(signal.SIGTERM, 143, 1, marks=pytest.mark.soak),
        pytest.param(signal.SIGINT, 130, 0, marks=pytest.mark.soak),
        pytest.param(signal.SIGKILL, -9, 0, marks=pytest.mark.soak),
    ],
)
def test_a_stopped_run_goes_on_bit_for_bit(whole, detector, number, code, workers):
    output = whole.parent / f"stopped-{number}"
    process = start(detector, output, "--workers", workers)
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == code and "Traceback" not in said
    iteration = checkpoint(output / "last.pt")["iteration"]
    assert ITERATIONS // VALIDATIONS <= iteration < ITERATIONS
    train(detector, output, "--resume", "--workers", workers)
    assert_equal_runs(whole, output)


def test_a_finished_run_resumes_to_nothing(whole, detector):
    before = (whole / "metrics.jsonl").read_text()
    train(detector, whole, "--resume")
    assert (whole / "metrics.jsonl").read_text() == before
    assert checkpoint(whole / "last.pt")["iteration"] == ITERATIONS


def test_a_run_does_not_overwrite_another(whole, detector):
    before = (whole / "last.pt").read_bytes()
    said = refusal(train(detector, whole, code=1))
    assert said.endswith("exists: add --resume or choose another --output")
    assert (whole / "last.pt").read_bytes() == before


def test_a_checkpoint_of_another_job_is_refused(whole, world):
    other = make(world / "other", SHAPES, batch_size=2)
    said = refusal(train(other, whole, "--resume", code=1))
    assert "last.pt: of another run" in said
    assert "job/trainer/batch_size: 4, now 2" in said


# ---- Other heads and formats ----


def test_two_heads_learn_together(world):
    both = make(world / "both", SHAPES, SCENE | {"loss_weight": 0.5}, validations=1)
    train(both, "runs/both", "--max-iterations", 4)
    (row,) = [row for row in rows(world / "runs" / "both") if "scene/f1" in row]
    assert 0 <= row["scene/balanced_accuracy"] <= 1 and "shapes/ap" in row
    found, accuracy = confusion(both, "scene")
    assert accuracy == found["scene/accuracy"] == row["scene/accuracy"]
    weights = checkpoint(world / "runs" / "both" / "best.pt")["model"]
    heads = {key.split(".")[1] for key in weights if key.startswith("heads.")}
    assert heads == {"shapes", "scene"}


def test_a_classifier_learns_from_folders(world):
    """And without a validation set: it is split off."""
    rng = np.random.default_rng(0)
    for number, name in enumerate(BACKGROUNDS):
        (world / "folders" / name).mkdir(parents=True)
        for i in range(6):
            image = rng.integers(0, 90, (70, 90, 3), np.uint8)
            image[:, :, number] += 160
            cv2.imwrite(str(world / "folders" / name / f"{i}.png"), image)
    data = {"format": "folders", "train": "folders", "validation": None}
    data["validation_fraction"] = 0.3
    options = {"backbone": {"top_level": 3}, "validations": 1}
    job = make(world / "from-folders", SCENE, data=data, **options)
    train(job, "runs/folders", "--max-iterations", 20)
    (row,) = [row for row in rows(world / "runs" / "folders") if "scene/f1" in row]
    losses = [row["loss"] for row in rows(world / "runs" / "folders") if "loss" in row]
    assert losses[-1] < losses[0] and row["scene/accuracy"] > 0.3


@pytest.mark.soak
def test_a_detector_learns_from_coco(world):
    coco = {"images": [], "annotations": [], "categories": []}
    for number, name in enumerate(CATEGORIES):
        coco["categories"].append({"id": number + 1, "name": name})
    rng = np.random.default_rng(0)
    for part in ("coco", "others"):
        (world / part).mkdir()
    for i in range(6):
        scene = sample_scene(rng)
        picture = cv2.cvtColor(draw(scene), cv2.COLOR_RGB2BGR)
        for part in ("coco", "others"):
            cv2.imwrite(str(world / part / f"{i}.jpg"), picture)
        coco["images"].append({"id": i, "file_name": f"{i}.jpg"})
        for item in drawn_boxes(scene):
            left, top, right, bottom = item["bbox"]
            category = CATEGORIES.index(item["category"]) + 1
            annotation = {"image_id": i, "category_id": category}
            annotation["bbox"] = [left, top, right - left, bottom - top]
            coco["annotations"].append(annotation)
    for part in ("coco", "others"):
        (world / f"{part}.json").write_text(json.dumps(coco))
    data = {"format": "coco", "train": "coco.json", "validation": "others.json"}
    job = make(world / "from-coco", SHAPES, data=data, validations=1)
    train(job, "runs/coco", "--max-iterations", 3)
    (row,) = [row for row in rows(world / "runs" / "coco") if "shapes/ap" in row]
    assert row["iteration"] == 3


# ---- Evaluation and prediction ----


def confusion(job: Path, head: str) -> tuple[dict, float]:
    """The metrics that evaluate.py prints, and the accuracy in the table it writes."""
    folder = job.parent / "tables"
    weights = ("--weights", job.parent / "runs" / job.name / "best.pt")
    flags = (*weights, "--data", job.parent, "--confusion", folder)
    found = json.loads(run(job, "evaluate.py", *flags).stdout)
    lines = (folder / f"{head}.csv").read_text().splitlines()
    names = lines[0].split(",")[1:]
    assert names == [line.split(",")[0] for line in lines[1:]]
    counts = np.array([line.split(",")[1:] for line in lines[1:]], int)
    return found, counts.trace() / counts.sum()


def test_evaluation_prints_the_metrics_of_the_best(whole, detector):
    flags = ("--weights", whole / "best.pt", "--data", detector.parent)
    found = json.loads(run(detector, "evaluate.py", *flags).stdout)
    expected = checkpoint(whole / "best.pt")["metrics"]
    assert found == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "changes, other",
    [
        ({"data": {"resolution": [96, 96]}}, "resolution"),
        ({"score_threshold": 0.5}, "heads"),
        ({"batch_size": 2}, ""),
    ],
)
def test_weights_of_a_job_that_saw_or_kept_something_else_are_told(
    whole, world, changes, other
):
    """Weights fit into any resolution, and any threshold fits them."""
    kept = {k: v for k, v in changes.items() if k == "score_threshold"}
    others = {k: v for k, v in changes.items() if k not in kept}
    job = make(world / f"{other or 'like'}-since", SHAPES | kept, **others)
    flags = ("--weights", whole / "best.pt", "--data", world)
    said = run(job, "evaluate.py", *flags).stderr
    told = f"best.pt: of a job with other {other}: figures may differ"
    assert told in said if other else "of a job" not in said


def see_squares(weights: dict[str, torch.Tensor]):
    """Every cell sees a circle; its box ends a stride away, on each side."""
    weights["head.class_logits.bias"][0] = 6.0
    weights["head.box_bins.weight"].zero_()
    weights["head.box_bins.bias"].zero_().view(4, 16)[:, 1] = 40.0


@pytest.mark.parametrize("resize", [True, False])
def test_predictions_are_in_pixels_of_the_image(whole, world, resize):
    backbone = BACKBONE | {"resize_input": resize}
    job = make(world / f"sure-{resize}".lower(), SHAPES, backbone=backbone)
    state = checkpoint(whole / "best.pt")
    see_squares(state["model"])
    torch.save(state, job / "sure.pt")
    output = world / f"drawn-{resize}"
    paths = images(world)
    run(job, "predict.py", "--weights", job / "sure.pt", "--output", output, *paths)
    found = json.loads((output / "predictions.json").read_text())
    assert list(found) == [str(path) for path in paths]
    whole_squares = 0
    for path, (height, width) in zip(paths, ((240, 700), (500, 210))):
        one = found[str(path)]
        assert (one["height"], one["width"]) == (height, width)
        assert {item["category"] for item in one["shapes"]} <= set(CATEGORIES)
        assert all(0.001 < item["score"] <= 1 for item in one["shapes"])
        boxes = np.array([item["bbox"] for item in one["shapes"]])
        limits = np.array([width, height, width, height])
        assert (boxes >= 0).all() and (boxes <= limits).all()
        # Back on the model's canvas they are squares around the centers of cells.
        scale = min(64 / height, 96 / width) if resize else 1
        seen = [round(width * scale), round(height * scale)]
        inside = boxes[((boxes > 0) & (boxes < limits)).all(1)] * np.tile(
            np.divide(seen, [width, height]), 2
        )
        whole_squares += len(inside)
        strides = (inside[:, 2:] - inside[:, :2]) / 2
        stride = strides[:, 0].round()
        assert set(stride) <= {8, 16, 32}
        np.testing.assert_allclose(strides, stride[:, None].repeat(2, 1), atol=0.01)
        cells = (inside[:, 2:] + inside[:, :2]) / 2 / stride[:, None]
        np.testing.assert_allclose(cells % 1, 0.5, atol=0.01)
        drawing = cv2.imread(str(output / path.name))
        assert drawing.shape == (height, width, 3)
        assert (drawing != cv2.imread(str(path))).any()
    assert whole_squares >= 1  # the weights decide which are seen


def test_images_and_weights_that_are_none_are_told(whole, detector, world):
    (world / "text.png").write_text("no image")
    good, weights = images(world)[0], ("--weights", whole / "best.pt")
    wrong = (good, world / "text.png", world / "absent.png")
    done = run(detector, "predict.py", *weights, *wrong, code=1)
    said = refusal(done)
    assert "text.png: not an image" in said and "absent.png: no such image" in said
    for path in (world / "text.png", world / "absent.pt"):
        done = run(detector, "predict.py", "--weights", path, good, code=1)
        assert path.name in refusal(done)
    other = make(world / "three", SHAPES | {"categories": ["a", "b", "c"]})
    done = run(other, "predict.py", *weights, good, code=1)
    assert "best.pt: " in refusal(done)


def test_folders_are_predicted_past_what_is_broken(whole, detector, world):
    """One of 40 images, whose predictions are made in two parts, is cut short."""
    folder = world / "many [1]"
    (folder / "more").mkdir(parents=True)
    (folder / "more" / "notes.txt").write_text("no image")
    draw_dataset(world / "drawn", train=40, validation=1)
    for path in sorted((world / "drawn" / "train" / "images").iterdir()):
        shutil.copy(path, folder / ("more" if "7" in path.name else ""))
    broken = folder / "shapes_00005.jpg"
    broken.write_bytes(broken.read_bytes()[:-500])
    output, weights = world / "of-folder", ("--weights", whole / "best.pt")
    flags = (*weights, "--output", output, "--workers", 1, "--threshold", 0.02)
    said = run(detector, "predict.py", *flags, folder, code=1).stderr
    assert said.endswith(f"{broken}: cannot be decoded\nleft out: 1\n")
    assert "Traceback" not in said and "not of this run" not in said
    found = json.loads((output / "predictions.json").read_text())
    others = {str(path) for path in folder.rglob("*.jpg") if path != broken}
    assert found.keys() == others and len(others) == 39
    scores = [item["score"] for one in found.values() for item in one["shapes"]]
    assert all(score >= 0.02 for score in scores)
    pattern = folder.with_name("many*") / "more" / "*.jpg"
    said = run(detector, "predict.py", *flags[:6], "--threshold", 1, pattern).stderr
    few = json.loads((output / "predictions.json").read_text())
    assert few.keys() == {str(x) for x in (folder / "more").glob("*.jpg")}
    assert all(one["shapes"] == [] for one in few.values())
    rest = 39 - len(few)
    assert f"{output}: PNG files that are not of this run, left: {rest}\n" in said


def test_of_a_folder_nothing_is_left_out_in_silence(whole, detector, world):
    """A file that is named like an image counts, though it is none; drawings that
    predict.py wrote into a folder below do not."""
    folder = world / "new [2]"
    (folder / "empty").mkdir(parents=True)
    good = shutil.copy(images(world)[0], folder / "good.jpg")
    (folder / "text.JPG").write_text("no image")
    (folder / "zero.png").touch()
    (folder / "IMG_1.HEIC").write_bytes(b"a photograph of a phone")
    (folder / "notes.txt").write_text("no image")
    output = folder / "found"
    flags = ("--weights", whole / "best.pt", "--output", output)
    for given in ([folder], [folder, good], [f"{folder}/*"]):
        done = run(detector, "predict.py", *flags, *given, code=1)
        phone, first, second, last = done.stderr.splitlines()[-4:]
        assert phone.startswith(f"{folder}/IMG_1.HEIC: not an image")
        assert first.startswith(f"{folder}/text.JPG: not an image")
        assert second.startswith(f"{folder}/zero.png: not an image")
        assert last == "left out: 3" and done.stdout.startswith("images: 1; ")
        found = json.loads((output / "predictions.json").read_text())
        assert found.keys() == {str(good)}
        assert {x.name for x in output.iterdir()} == {"good.png", "predictions.json"}
    said = run(detector, "predict.py", *flags, folder / "empty", code=1).stderr
    assert f"{folder}/empty: no image is in this folder\n" in said
    run(detector, "predict.py", *flags, output, "--output", world / "again")
    again = json.loads((world / "again" / "predictions.json").read_text())
    assert again.keys() == {
        f"{output}/good.png"
    }  # a folder that is named itself is read


def test_a_score_that_is_none_is_refused(whole, detector, world):
    flags = ("--weights", whole / "best.pt", "--threshold", 2)
    said = run(detector, "predict.py", *flags, *images(world), code=2).stderr
    assert "argument --threshold: not a number from 0 to 1: 2" in said
    told = " ".join(run(detector, "predict.py", "--help").stdout.split())
    assert "lowest score kept; drawings show those from 0.3 on" in told
