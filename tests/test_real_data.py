"""The examples on the real images that their jobs name, where those are at hand.

SPECC_TEST_DATA names the folder; `.ci/run` sets it where the data lies beside the
checkout.
"""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from runs import run

ROOT = Path(__file__).resolve().parents[1]
DATA = os.environ.get("SPECC_TEST_DATA")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA, reason="SPECC_TEST_DATA names no folder of images"),
]


def test_real_boxes_are_read_and_trained_on(tmp_path):
    """A few images alone are trained on; all are read."""
    flags = ("--data", DATA, "--workers", 0, "--overfit", 4, "--max-iterations", 1)
    code, output = ROOT / "generated" / "blood-cells", tmp_path / "run"
    done = run(code, "train.py", *flags, "--output", output)
    assert "boxes without area left out: 2" in done.stderr
    rows = [json.loads(x) for x in (output / "metrics.jsonl").read_text().splitlines()]
    assert math.isfinite(rows[0]["loss"]) and rows[-1]["split"] == "validation"


@pytest.mark.soak
@pytest.mark.parametrize("name", ["blood-cells", "photos"])
def test_an_example_trains_and_evaluates_on_real_images(name, tmp_path):
    code, output = ROOT / "generated" / name, tmp_path / "run"
    flags = ("--data", DATA, "--workers", 0)
    flags += ("--output", output, "--max-iterations", 2)
    run(code, "train.py", *flags)
    rows = [json.loads(x) for x in (output / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row["split"] == "train"]
    assert losses and all(map(math.isfinite, losses))
    last = rows[-1]
    assert last["split"] == "validation"
    done = run(code, "evaluate.py", "--weights", output / "last.pt", "--data", DATA)
    metrics = json.loads(done.stdout)
    assert metrics == pytest.approx({key: last[key] for key in metrics}, abs=1e-6)
