"""Provoked faults of a run: each ends the run with a message, and loses nothing."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch
from runs import SAVES, SCENE, checkpoint, make, train

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def job(world) -> Path:
    options = {"max_iterations": 12, "validations": 4}
    return make(world / "fragile", SCENE, backbone={"top_level": 2}, **options)


def with_fault(job: Path, file: str, old: str, new: str) -> Path:
    """A copy of the emitted folder in which one text is replaced."""
    folder = job.with_name(f"fault-{abs(hash((file, new)))}")
    shutil.copytree(job, folder)
    text = (folder / file).read_text()
    assert text.count(old) == 1
    (folder / file).write_text(text.replace(old, new))
    return folder


FULL = """            if state.get("iteration") == 6:
                file.write(b"half")
                with open("/dev/full", "wb") as file:
                    torch.save({"long": torch.zeros(10**6)}, file)
"""
TERMS = "        terms = loss_terms(outputs, targets)\n"


def test_a_loss_that_is_nan_leaves_its_batch_and_the_last_checkpoint(job):
    """It is found two iterations later, with the next checkpoint."""
    bad = "{k: v * math.nan if iteration == 6 else v for k, v in terms.items()}"
    broken = with_fault(job, "train.py", TERMS, f"{TERMS}        terms = {bad}\n")
    output = broken / "run"
    said = train(broken, output, code=1).stderr
    assert "Traceback" not in said
    assert (
        "the loss became infinite or NaN in iteration 7: {'loss': nan, 'scene/" in said
    )
    assert "bad-batch-0.pt holds the images and targets" in said
    last = checkpoint(output / "last.pt")
    assert last["iteration"] == 6
    assert all(value.isfinite().all() for value in last["model"].values())
    batch = checkpoint(output / "bad-batch-0.pt")
    assert batch["iteration"] == 7 and math.isnan(batch["terms"]["scene/loss/class"])
    assert batch["images"].shape == (4, 3, 64, 96)
    assert batch["images"].dtype == torch.uint8
    # It is the batch that the loop saw: a run that saves it has the same.
    seen = with_fault(
        job,
        "train.py",
        TERMS,
        "        if iteration == 6:\n"
        "            torch.save(images, args.output / 'seen.pt')\n" + TERMS,
    )
    train(seen, seen / "run", "--max-iterations", 7)
    assert torch.equal(torch.load(seen / "run" / "seen.pt"), batch["images"])
    train(job, output, "--resume")  # the last good checkpoint goes on
    assert checkpoint(output / "last.pt")["iteration"] == 12


@pytest.mark.soak
def test_weights_that_are_infinite_are_told_from_a_loss(job):
    step = "        optimizer.step()\n"
    bad = "        if iteration == 8:\n            model.head.linear.bias.data += math.inf\n"
    broken = with_fault(job, "train.py", step, step + bad)
    said = train(broken, broken / "run", code=1).stderr
    assert "weights or another process became infinite or NaN by iteration 9" in said
    assert checkpoint(broken / "run" / "last.pt")["iteration"] == 6


def test_out_of_memory_says_what_to_try(job):
    raising = f"{TERMS}        raise torch.cuda.OutOfMemoryError('tried to allocate')\n"
    broken = with_fault(job, "train.py", TERMS, raising)
    said = train(broken, broken / "run", code=1).stderr
    assert "Traceback" not in said
    assert "out of memory at 4 images of 64x96 a step" in said
    assert "try a smaller batch_size or resolution, or accumulation, in the job" in said
    assert "(tried to allocate)" in said


def test_out_of_main_memory_says_so_too(job):
    """PyTorch's own error, of an allocation that no machine can satisfy."""
    raising = f"{TERMS}        torch.empty(10**15)\n"
    broken = with_fault(job, "train.py", TERMS, raising)
    said = train(broken, broken / "run", code=1).stderr
    assert "Traceback" not in said and "out of memory at 4 images" in said


def test_a_dead_worker_is_told(job):
    """As the kernel ends one that uses too much memory."""
    line = "        rng = np.random.default_rng((self.seed, *key))\n"
    kill = "        if key[0] > 0:\n            __import__('os').kill(__import__('os').getpid(), 9)\n"
    broken = with_fault(job, "data.py", line, kill + line)
    said = train(broken, broken / "run", "--workers", 1, code=1).stderr
    # PyTorch raises from a signal handler, which may interrupt what ignores errors.
    assert "main(args)" not in said
    assert "a process that reads images died: DataLoader worker" in said
    assert "fewer --workers, and --resume" in said


def test_any_other_error_keeps_its_traceback(job):
    raising = f"{TERMS}        raise RuntimeError('unheard of')\n"
    broken = with_fault(job, "train.py", TERMS, raising)
    said = train(broken, broken / "run", code=1).stderr
    assert "Traceback" in said and "RuntimeError: unheard of" in said


def test_a_full_disk_keeps_the_last_checkpoint(job):
    """The second write fails as PyTorch's does on a full disk: with an error of its own."""
    broken = with_fault(job, "checkpoints.py", SAVES, FULL + SAVES)
    said = train(broken, broken / "run", code=1).stderr
    assert "last.pt: cannot be written: [Errno 28] No space left on device" in said
    assert checkpoint(broken / "run" / "last.pt")["iteration"] == 3
    assert not list((broken / "run").glob("*.tmp"))


@pytest.mark.soak
def test_another_error_of_a_checkpoint_is_not_taken_for_the_disk_s(job):
    raising = (
        "            raise RuntimeError('CUDA error: unspecified launch failure')\n"
    )
    broken = with_fault(job, "checkpoints.py", SAVES, raising + SAVES)
    said = train(broken, broken / "run", code=1).stderr
    assert "Traceback" in said and "unspecified launch failure" in said
    assert "cannot be written" not in said
    assert not list((broken / "run").glob("*.tmp"))
