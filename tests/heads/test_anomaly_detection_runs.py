"""Anomaly detection in processes of its own: it learns, resumes, and shares its work."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from emitted_jobs import build
from runs import (
    assert_equal_runs,
    checkpoint,
    group,
    run,
    train,
    train_until_killed,
)
from torchrun import torchrun

from specc.shapes.tiles import draw_dataset

pytestmark = pytest.mark.slow

HEAD = {
    "name": "flaws",
    "task": "anomaly_detection",
    "channels": 32,
    "false_alarms": 0.2,
}
SHORT = {"max_iterations": 12, "validations": 3}

# What train.py does at a validation, in each process of a group.
CALIBRATE = """
import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).parent))
from dataset import VALIDATION, read_dataset
from evaluate import calibrate, evaluate, load_model


def main():
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    model = load_model(Path(sys.argv[1]), torch.device("cpu"))
    samples = read_dataset(Path(sys.argv[2]) / VALIDATION)
    model.head.calibration.alarm.fill_(3)  # no matter what it was
    for buffer in model.head.laterals.buffers():  # buffers of rank 0 are saved
        buffer += rank
    calibrate(model, samples, torch.device("cpu"), 0, rank, world)
    metrics = evaluate(model, samples, torch.device("cpu"), 0, rank, world)
    calibration = model.head.calibration
    metrics |= {"alarm": calibration.alarm.item(), "spread": calibration.spread.item()}
    Path(f"{sys.argv[3]}-{rank}").write_text(json.dumps(metrics))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a dataset of tiles; nine images cannot be halved."""
    folder = tmp_path_factory.mktemp("tiles")
    draw_dataset(folder / "tiles", train=40, validation=21)
    draw_dataset(folder / "few", train=16, validation=9)
    return folder


def make(folder: Path, *heads: dict, data="tiles", **trainer) -> Path:
    sets = {"train": f"{data}/train", "validation": f"{data}/val"}
    job = {
        "name": folder.name,
        "data": sets | {"resolution": [64, 96], "channels": 1},
        "model": {"backbone": {"top_level": 3}, "heads": heads or [HEAD]},
        "trainer": {
            "max_iterations": 100,
            "validations": 2,
            "batch_size": 8,
            "optimizer": {"kind": "adamw", "learning_rate": 0.003},
        }
        | trainer,
    }
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    return build(job, folder)


@pytest.fixture(scope="module")
def trained(place) -> tuple[Path, Path]:
    """The code of a job, and what it wrote; the run is short."""
    job = make(place / "begins", max_iterations=30)
    train(job, place / "runs" / "begins")
    return job, place / "runs" / "begins"


@pytest.mark.soak
def test_defects_that_it_never_saw_are_found(place):
    train(make(place / "learns"), place / "runs" / "learns")
    best = checkpoint(place / "runs" / "learns" / "best.pt")["metrics"]
    assert best["flaws/image_auroc"] > 0.9
    assert best["flaws/pixel_auroc"] > 0.9
    assert best["flaws/pro"] > 0.6
    assert best["flaws/image_f1"] > 0.7


def test_a_checkpoint_keeps_its_calibration(trained, place):
    """Another process measures the same, F1 at its threshold included."""
    job, output = trained
    state = checkpoint(output / "best.pt")
    assert state["model"]["head.calibration.alarm"] != 0
    flags = ("--weights", output / "best.pt", "--data", place)
    found = json.loads(run(job, "evaluate.py", *flags).stdout)
    assert found == pytest.approx(state["metrics"], abs=1e-9)


def test_scores_and_maps_are_written(trained, place):
    job, output = trained
    images = sorted((place / "tiles/val/images").iterdir())
    labels = yaml.safe_load((place / "tiles/val/labels.yaml").read_text())
    flags = ("--weights", output / "best.pt", "--output", place / "drawn")
    run(job, "predict.py", *flags, *images)
    report = json.loads((place / "drawn" / "predictions.json").read_text())
    alarms = []
    for image in images:
        words = report[str(image)]["flaws"]
        alarms.append(words["label"] == "anomalous")
        assert (words["score"] >= 0.5) == alarms[-1]
        scores = cv2.imread(str(place / "drawn" / words["map"]), cv2.IMREAD_UNCHANGED)
        assert scores.shape == cv2.imread(str(image)).shape[:2]
        assert scores.max() == pytest.approx(255 * words["score"], abs=1)
    wanted = np.array([labels[image.name] == "anomalous" for image in images])
    hits = 2 * (wanted & alarms).sum() / (wanted.sum() + sum(alarms))
    assert hits == pytest.approx(
        checkpoint(output / "best.pt")["metrics"]["flaws/image_f1"]
    )
    # 11 images are normal, of which a fifth may give an alarm.
    assert 1 <= (np.array(alarms) & ~wanted).sum() <= 3


@pytest.mark.soak
def test_a_killed_run_goes_on_bit_for_bit_with_an_average(place):
    job = make(place / "averaged", data="few", ema=0.9, **SHORT)
    whole, broken = (place / "runs" / f"{job.name}-{n}" for n in ("whole", "broken"))
    train(job, whole)
    train_until_killed(job, broken, at=7)
    train(job, broken, "--resume")
    assert_equal_runs(whole, broken)


def test_last_weights_predict_as_they_were_validated(place):
    """The average alone is validated and calibrated; all of last.pt has to be."""
    job = make(place / "average", data="few", ema=0.9, **SHORT)
    output = place / "runs" / "average"
    train(job, output)
    last = checkpoint(output / "last.pt")
    for name in ("alarm", "spread"):
        key = f"head.calibration.{name}"
        assert last["ema"][key] == last["model"][key] != name.count("spread")
    flags = ("--weights", output / "last.pt", "--data", place)
    found = json.loads(run(job, "evaluate.py", *flags).stdout)
    lines = (output / "metrics.jsonl").read_text().splitlines()
    logged = json.loads(lines[-1])
    assert found == pytest.approx({name: logged[name] for name in found}, abs=1e-6)


def test_two_processes_calibrate_and_measure_as_one_does(trained, place):
    job, output = trained
    weights, script = output / "best.pt", job / "calibrate.py"
    script.write_text(CALIBRATE)
    group(job, script.name, weights, place, place / "measured")
    one, two = (json.loads((place / f"measured-{i}").read_text()) for i in (0, 1))
    assert one == two
    best = checkpoint(weights)
    wanted = best["metrics"] | {
        name: best["model"][f"head.calibration.{name}"].item()
        for name in ("alarm", "spread")
    }
    assert one == pytest.approx(wanted, abs=1e-5)


@pytest.mark.soak
def test_it_learns_in_two_processes(place):
    """The levels that it does not train have no gradient to wait for."""
    job = make(place / "pair", data="few", **SHORT)
    flags = ("--data", place, "--output", place / "runs" / "pair", "--workers", 0)
    torchrun(job / "train.py", *flags)
    best = checkpoint(place / "runs" / "pair" / "best.pt")["metrics"]
    assert 0 < best["flaws/image_auroc"] <= 1


@pytest.mark.soak
def test_it_learns_beside_a_head_that_trains_the_trunk(place):
    picture = {"name": "picture", "task": "autoencoding", "level": 3, "channels": 16}
    job = make(place / "both", HEAD, picture, data="few", **SHORT)
    train(job, place / "runs" / "both")
    best = checkpoint(place / "runs" / "both" / "best.pt")["metrics"]
    assert {"flaws/image_auroc", "picture/mae"} <= best.keys()
