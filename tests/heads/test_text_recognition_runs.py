"""Both text heads in processes of their own: they learn, and share their work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from emitted_jobs import build
from head_jobs import MAX_TOKENS, TOKENS
from runs import checkpoint, rows, run, train
from torchrun import torchrun

from specc.shapes.text import SIZE, draw_dataset

pytestmark = pytest.mark.slow

TASKS = ("scene_text_recognition", "autoregressive_text_recognition")


@pytest.fixture(scope="module")
def strips(tmp_path_factory) -> Path:
    """A folder with a dataset of digits; five images to validate cannot be halved."""
    folder = tmp_path_factory.mktemp("strips")
    easy = {"tokens": TOKENS, "lengths": (1, MAX_TOKENS)}
    draw_dataset(folder / "strips", train=400, validation=60, **easy)
    draw_dataset(folder / "few", train=16, validation=5, **easy)
    return folder


def head_of(task: str, **options) -> dict:
    sizes = {"tokens": TOKENS, "max_tokens": MAX_TOKENS}
    return {"name": "code", "task": task} | sizes | options


def make(folder: Path, *heads: dict, data="strips", **trainer) -> Path:
    sets = {"train": f"{data}/train", "validation": f"{data}/val"}
    job = {
        "name": folder.name,
        "data": sets | {"resolution": list(SIZE), "channels": 1},
        "model": {"backbone": {"top_level": 3}, "heads": heads},
        "trainer": {
            "max_iterations": 120,
            "validations": 2,
            "batch_size": 16,
            "gradient_clipping": 10,
            "optimizer": {"kind": "adamw", "learning_rate": 0.001},
        }
        | trainer,
    }
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job))
    return build(job, folder)


@pytest.mark.parametrize(
    "task", [TASKS[0], pytest.param(TASKS[1], marks=pytest.mark.soak)]
)
@pytest.mark.soak
def test_digits_are_learned_and_read_by_another_process(strips, task):
    rate = 0.003 if task == TASKS[0] else 0.001
    fast = {"optimizer": {"kind": "adamw", "learning_rate": rate}}
    job = make(strips / task.replace("_", "-"), head_of(task), **fast)
    output = strips / "runs" / job.name
    train(job, output)
    best = checkpoint(output / "best.pt")["metrics"]
    assert best["code/exact_match"] > 0.3
    assert best["code/character_error_rate"] < 0.7  # at first it is 1
    images = sorted((strips / "strips" / "val" / "images").iterdir())
    flags = ("--weights", output / "best.pt", "--output", strips / "drawn")
    run(job, "predict.py", *flags, *images)
    report = json.loads((strips / "drawn" / "predictions.json").read_text())
    texts = [report[str(image)]["code"] for image in images]
    assert all(set(one["text"]) <= set(TOKENS) for one in texts)
    assert all(0 <= one["score"] <= 1 for one in texts)
    labels = (strips / "strips" / "val" / "texts.yaml").read_text()
    right = [f"{image.name}: '{one['text']}'" for image, one in zip(images, texts)]
    share = sum(line in labels for line in right) / len(right)
    assert share == pytest.approx(best["code/exact_match"], abs=0.05)


SHORT = {"max_iterations": 12, "validations": 3, "batch_size": 4}


@pytest.mark.soak
def test_the_script_trains_in_two_processes(strips):
    job = make(strips / "pair", head_of(TASKS[1]), data="few", **SHORT)
    output = strips / "runs" / "pair"
    flags = ("--data", strips, "--output", output, "--workers", 0)
    torchrun(job / "train.py", *flags)
    assert checkpoint(output / "last.pt")["run"]["processes"] == 2
    found = [row for row in rows(output) if "code/exact_match" in row]
    assert [row["iteration"] for row in found] == [4, 8, 12]
