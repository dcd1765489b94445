"""Checkpoints and logs of a run: what --resume goes on from."""

import hashlib
import json
import math
import os
import sys
from pathlib import Path

import torch
from torch import nn
from torch.utils.tensorboard import SummaryWriter

from dataset import Sample
from draw import save_curves, save_image, sheet
from evaluate import JOB, predict_samples

# ---- Checkpoints ----


def save(path: Path, state: dict):
    """Written beside the last good file, then renamed: `path` is never half a file."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            torch.save({"format": 1, "job": JOB} | state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # a full disk is the latter to PyTorch
        temporary.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise SystemExit(
            f"{path}: cannot be written, is the disk full? ({reason})\n"
            "  The last good checkpoint stays; free some space and add --resume."
        ) from None


def resume(path: Path, run: dict, parts: dict, start: dict, tolerant: bool) -> dict:
    """Puts `parts` (model, optimizer) back; returns the counters, named as in `start`.

    `run` is what must not have changed, beside the job. A `tolerant` resume keeps what
    it can: weights, iteration and time; with the same job also the optimizer's state.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        theirs = found["run"] | {"job": json.loads(found["job"])}
        counters = {name: found.get(name, value) for name, value in start.items()}
    except Exception:  # a foreign file can raise nearly anything
        raise SystemExit(f"{path}: not a checkpoint of train.py") from None
    changed = differences(theirs, run | {"job": json.loads(JOB)})
    shown = "".join(f"\n  {line}" for line in changed[:10])
    if changed and not tolerant:
        raise SystemExit(f"{path}: of another run; see --resume any{shown}")
    same_job = not any(line.startswith("job") for line in changed)
    try:
        for name, part in parts.items():
            if same_job:
                part.load_state_dict(found[name])
            elif isinstance(part, nn.Module):
                part.load_state_dict(found["model"])
    except (RuntimeError, ValueError, LookupError) as error:
        raise SystemExit(f"{path}: not of this model.py: {error}") from None
    if changed:
        kept = "all but the best score" if same_job else "weights, iteration and time"
        print(f"{path}: of another run; it keeps {kept}{shown}", file=sys.stderr)
        counters = start | {"iteration": found["iteration"]}
        counters |= {"elapsed_seconds": found["elapsed_seconds"]}
    return counters


def differences(theirs: object, ours: object, name: str = "") -> list[str]:
    """Where two runs differ, a line each: "job/trainer/batch_size: 16, now 32"."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in theirs | ours:
            path = f"{name}/{key}" if name else key
            found += differences(theirs.get(key), ours.get(key), path)
        return found
    return [] if theirs == ours else [f"{name}: {theirs!r:.60}, now {ours!r:.60}"]


def fingerprint(samples: list[Sample]) -> str:
    """Changes with the number of images, their order, names and sizes."""
    images = [f"{image.path.name} {image.height} {image.width}" for image in samples]
    digest = hashlib.sha256(os.fsencode("\n".join(images))).hexdigest()
    return f"{len(samples)} ({digest[:12]})"


# ---- Logs ----


class Log:
    """metrics.jsonl, TensorBoard and pictures of a run that goes on after `start`."""

    def __init__(self, folder: Path, start: int):
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*.tmp"):  # of a run that was killed as it wrote
            leftover.unlink()
        self.folder, self.path = folder, folder / "metrics.jsonl"
        # What was logged after the checkpoint will be logged again.
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [line for line in lines if 0 <= iteration_of(line) <= start]
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text("".join(f"{line}\n" for line in kept))
        temporary.replace(self.path)
        self.board = SummaryWriter(folder / "tensorboard", purge_step=start + 1)

    def row(self, iteration: int, split: str, values: dict[str, float]):
        with self.path.open("a") as file:
            row = {"iteration": iteration, "split": split} | values
            file.write(json.dumps(row) + "\n")
        for name, value in values.items():
            self.board.add_scalar(f"{split}/{name}", value, iteration)

    def pictures(self, iteration: int, model: nn.Module, samples: list, device):
        """Labels beside predictions of at most 12 images, and the curves so far."""
        shown = samples[:: math.ceil(len(samples) / 12)]
        image = sheet(shown, predict_samples(model, shown, device))
        self.board.add_image("predictions", image, iteration, dataformats="HWC")
        save_image(self.folder / "predictions.png", image)
        save_curves(self.path, self.folder / "curves.png")


def iteration_of(line: str) -> int:
    """-1 for a line that was cut short."""
    try:
        return json.loads(line)["iteration"]
    except (ValueError, LookupError, TypeError):
        return -1
