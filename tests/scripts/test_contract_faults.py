"""The contract that `specc build --tests` emits fails where the code is wrong."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from contracts import JOB, contract, emit
from emitted_jobs import GENERATED

from specc.plan.extras import CONTRACT

OUTPUTS = "test_outputs_have_the_shapes_of_the_levels"
FOUND = "test_predictions_have_their_keys_and_shapes"
STATE = "test_weights_have_their_names_and_shapes"
RESUME = "test_a_killed_run_goes_on_to_the_same_end"
PROCESSES = "test_two_processes_measure_what_one_does"
AGAIN = "test_predictions_are_the_same_again"
PACKAGE = "test_a_copy_in_a_package_predicts_the_same"

HEAD = "        return self.head("
DROPOUT = ("model.py", HEAD, f"        images = F.dropout(images, 0.3)\n{HEAD}")
DRAWN = "        rng = np.random.default_rng((self.seed, *key))\n"
MEASURED = "    found = predict_samples(model, samples[rank::world]"
PADDED = (
    MEASURED,
    f"    samples = [*samples, *samples[: -len(samples) % world]]\n{MEASURED}",
)


def changed(folder: Path, *edits: tuple[str, str, str]) -> Path:
    for file, old, new in edits:
        text = (folder / file).read_text()
        assert text.count(old) == 1, (file, old)
        (folder / file).write_text(text.replace(old, new))
    return folder


def breach(folder: Path, test: str) -> str:
    """Runs one test, which fails; returns its message."""
    code, said = contract(folder, "-k", test)
    assert code == 1, said
    assert re.search(rf"^(FAILED|ERROR) {CONTRACT}::{test}", said, re.M), said
    return said


@pytest.mark.slow
def test_swapped_outputs_break_it(tmp_path):
    folder = tmp_path / "cells"
    shutil.copytree(GENERATED / "blood-cells", folder)
    old, new = "return Predictions(logits, bins,", "return Predictions(bins, logits,"
    said = breach(changed(folder, ("model.py", old, new)), OUTPUTS)
    assert "outputs.logits.shape" in said


@pytest.mark.soak
@pytest.mark.slow
def test_swapped_heads_break_it(tmp_path):
    folder = tmp_path / "both"
    shutil.copytree(GENERATED / "shapes-and-scenes", folder)
    text = (folder / "model.py").read_text()
    start = text.index("        return {", text.index("class Network"))
    end = text.index("}", start)
    turned = {'"shapes":': '"scene":', '"scene":': '"shapes":'}
    returned = re.sub('"shapes":|"scene":', lambda m: turned[m[0]], text[start:end])
    (folder / "model.py").write_text(text[:start] + returned + text[end:])
    breach(folder, OUTPUTS)


@pytest.mark.soak
@pytest.mark.slow
@pytest.mark.parametrize(
    "edit, test",
    [
        (("model.py", '"probabilities": ', '"scores": '), FOUND),
        (("model.py", "self.bn2 = ", "self.norm2 = self.bn2 = "), STATE),
    ],
    ids=["a key", "a weight's name"],
)
def test_another_model_breaks_it(edit, test, tmp_path):
    breach(changed(emit(JOB, tmp_path / "job"), edit), test)


@pytest.mark.soak
@pytest.mark.slow
def test_a_constant_that_is_not_found_breaks_it(tmp_path):
    """The copy would be as large as the job."""
    edit = ("model.py", "HEIGHT, WIDTH = 64, 96", "HEIGHT = 64; WIDTH = 96")
    breach(changed(emit(JOB, tmp_path / "job"), edit), OUTPUTS)


RESUMES = {
    "the place in the data": [
        ("train.py", "batches(iteration, workers", "batches(0, workers")
    ],
    "the optimizer": [
        ("train.py", "{'model': model, 'optimizer': optimizer}", "{'model': model}")
    ],
    "the generator of views": [
        ("data.py", DRAWN, "        rng = RNG\n"),
        ("data.py", "# ---- Batches ----\n", "RNG = np.random.default_rng(0)\n"),
    ],
    "the log": [("checkpoints.py", "if 0 <= iteration_of(line) <= start", "")],
}


@pytest.mark.soak
@pytest.mark.parametrize("lost", RESUMES)
def test_what_a_resume_loses_breaks_it(lost, tmp_path):
    said = breach(changed(emit(JOB, tmp_path / "job"), *RESUMES[lost]), RESUME)
    assert "torch.equal" in said or "logs[0] == logs[1]" in said


@pytest.mark.soak
def test_dropout_of_your_own_breaks_it(tmp_path):
    """Code without dropout seeds no step: whoever adds some has to."""
    said = breach(changed(emit(JOB, tmp_path / "job"), DROPOUT), RESUME)
    assert "torch.equal" in said


@pytest.mark.soak
def test_duplicates_that_are_counted_break_it(tmp_path):
    folder = emit(JOB, tmp_path / "job")
    said = breach(changed(folder, ("evaluate.py", *PADDED)), PROCESSES)
    assert "one == pytest.approx(two" in said


@pytest.mark.soak
@pytest.mark.parametrize(
    "edit, test",
    [
        (("evaluate.py", "shares[i % world][i // world]", "shares[0][0]"), PROCESSES),
        ((*DROPOUT[:2], f"        images = images + torch.rand(1)\n{HEAD}"), AGAIN),
        (
            ("model.py", HEAD, f'        images = images + ("." in __name__)\n{HEAD}'),
            PACKAGE,
        ),
        (("model.py", "import torch\n", "import dataset\nimport torch\n"), PACKAGE),
    ],
    ids=["a share twice", "a random image", "a name", "an import"],
)
def test_other_faults_break_it(edit, test, tmp_path):
    breach(changed(emit(JOB, tmp_path / "job"), edit), test)
