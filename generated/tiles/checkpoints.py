"""Checkpoints and logs of a run: what --resume goes on from."""

import contextlib
import hashlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.utils.tensorboard import SummaryWriter

from dataset import Sample
from draw import save_curves, save_image, sheet
from evaluate import JOB, heads_of, predict_samples

# ---- Checkpoints ----


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Opens a temporary file that replaces `path` once all of it is on the disk."""
    temporary = path.with_suffix(".tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def save(path: Path, state: dict):
    """Saves a checkpoint, all or nothing; ends the run where it cannot be written."""
    try:
        with replacing(path) as file:
            torch.save({"format": 1, "job": JOB} | state, file)
    except (OSError, RuntimeError) as error:
        # Where its file cannot be written, torch.save ends with an error of its own.
        reason = error if isinstance(error, OSError) else error.__context__
        if not isinstance(reason, OSError):
            raise
        raise SystemExit(
            f"{path}: cannot be written: {reason}\n"
            "  The last good checkpoint stays; --resume goes on from it."
        ) from None


def save_bad_batch(path: Path, batches: Callable, last: int, recent: list) -> str:
    """Saves the first batch with a loss that is not finite; returns the message.

    `recent` holds the loss and its terms in the iterations up to the `last`; `batches`
    gives these again, as seed and iteration decide what is in a batch.
    """
    first = last - len(recent)
    again = zip(recent, batches(first, workers=0))
    for number, (terms, batch) in enumerate(again, first + 1):
        terms = {name: term.item() for name, term in terms.items()}
        if not math.isfinite(terms["loss"]):
            state = dict(zip(("images", "targets"), batch))
            save(path, {"iteration": number, "terms": terms} | state)
            return (
                f"\nthe loss became infinite or NaN in iteration {number}: {terms}\n"
                f"  {path} holds the images and targets, for torch.load\n"
                "  last.pt is from before: try a lower learning rate, or clip gradients"
            )
    what = "gradients, weights or another process"
    return f"\n{what} became infinite or NaN by iteration {last}"


def resume(path: Path, run: dict, parts: dict, start: dict, tolerant: bool) -> dict:
    """Puts `parts` (model, optimizer) back; returns the counters, named as in `start`.

    `run` and the job, but for `export`, must not have changed. A `tolerant` resume
    keeps what still has its meaning, at least weights, iteration and time; it says so.
    """
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
        theirs = found["run"] | {"job": json.loads(found["job"]) | {"export": None}}
        counters = {name: found.get(name, value) for name, value in start.items()}
    except Exception:  # torch.load raises many kinds of errors on foreign files
        raise SystemExit(f"{path}: not a checkpoint of train.py") from None
    changed = differences(theirs, run | {"job": json.loads(JOB) | {"export": None}})
    shown = "".join(f"\n  {line}" for line in changed[:10])
    if changed and not tolerant:
        raise SystemExit(f"{path}: of another run; see --resume any{shown}")
    same_job = not any(line.startswith("job") for line in changed)
    try:
        same_score = score_of(found["job"], theirs) == score_of(JOB, run)
        for name, part in parts.items():
            if same_job:
                part.load_state_dict(found[name])
            elif isinstance(part, nn.Module):
                part.load_state_dict(found["model"])
    except (RuntimeError, ValueError, LookupError) as error:
        raise SystemExit(f"{path}: not of this model.py: {error}") from None
    notes = []
    if changed:
        kept = "its state" if same_job else "weights, iteration and time"
        kept += ", and the best score" if same_score else ", not the best score"
        notes.append(f"{path}: of another run; it keeps {kept}{shown}")
        names = ["iteration", "elapsed_seconds"] + ["best"] * same_score
        counters = start | {name: found[name] for name in names}
    if start["threads"] not in (None, counters["threads"]):
        notes.append(f"{path}: of {counters['threads']} threads: sums will differ")
        counters["threads"] = start["threads"]
    if notes and os.environ.get("RANK", "0") == "0":
        print(*notes, sep="\n", file=sys.stderr)
    return counters


def score_of(job: str, run: dict) -> tuple:
    """Returns metric, heads and validation images: scores of equal ones compare."""
    return json.loads(job)["trainer"]["best"], heads_of(job), run["validation images"]


def differences(theirs: object, ours: object, name: str = "") -> list[str]:
    """Returns the differences of two runs: "job/trainer/batch_size: 16, now 32"."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        found = []
        for key in theirs | ours:
            path = f"{name}/{key}" if name else key
            found += differences(theirs.get(key), ours.get(key), path)
        return found
    return [] if theirs == ours else [f"{name}: {theirs!r:.60}, now {ours!r:.60}"]


def fingerprint(samples: list[Sample]) -> str:
    """Returns a hash of the images: their number, order, names and sizes."""
    images = [f"{x.path.name} {x.height} {x.width}" for x in samples]
    digest = hashlib.sha256(os.fsencode("\n".join(images))).hexdigest()
    return f"{len(samples)} ({digest[:12]})"


# ---- Logs ----


class Losses:
    """The loss and its terms in the steps since the last line of the log: `rows` are
    means over the processes, `recent` the own values, which are not shared yet."""

    def __init__(self, world: int, rows: list[dict[str, float]]):
        self.world, self.rows, self.recent = world, rows, []

    def add(self, values: dict[str, Tensor]):
        self.recent.append({name: value.detach() for name, value in values.items()})

    def means(self) -> dict[str, float]:
        """Averages over the steps; waits for the GPU and for all processes."""
        same = [row for row in self.rows if row.keys() == self.recent[0].keys()]
        self.rows[:] = same  # terms of the loss may have changed since
        steps = [torch.stack([*values.values()]) for values in self.recent]
        steps = torch.stack(steps).double().cpu() / self.world
        if self.world > 1:
            dist.all_reduce(steps)
        self.rows += [dict(zip(self.recent[0], row)) for row in steps.tolist()]
        self.recent = []
        return {k: sum(x[k] for x in self.rows) / len(self.rows) for k in self.rows[0]}


class Log:
    """metrics.jsonl, TensorBoard and pictures of a run that goes on after `start`."""

    def __init__(self, folder: Path, start: int):
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob("*.tmp"):  # files that a killed run left
            leftover.unlink()
        self.folder, self.path = folder, folder / "metrics.jsonl"
        # What was logged after the checkpoint will be logged again.
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        kept = [line for line in lines if 0 <= iteration_of(line) <= start]
        with replacing(self.path) as file:
            file.write("".join(f"{line}\n" for line in kept).encode())
        self.board = SummaryWriter(folder / "tensorboard", purge_step=start + 1)

    def row(self, iteration: int, split: str, values: dict[str, float]):
        with self.path.open("a") as file:
            row = {"iteration": iteration, "split": split} | values
            file.write(json.dumps(row) + "\n")
        for name, value in values.items():
            self.board.add_scalar(f"{split}/{name}", value, iteration)

    def pictures(self, iteration: int, model: nn.Module, samples: list, device):
        """Draws labels beside predictions of at most 12 images, and the curves."""
        shown = samples[:: math.ceil(len(samples) / 12)]
        image = sheet(shown, predict_samples(model, shown, device))
        self.board.add_image("predictions", image, iteration, dataformats="HWC")
        save_image(self.folder / "predictions.png", image)
        save_curves(self.path, self.folder / "curves.png")


def iteration_of(line: str) -> int:
    """Returns the iteration of a line of metrics.jsonl; -1 if the line is damaged."""
    try:
        return json.loads(line)["iteration"]
    except (ValueError, LookupError, TypeError):
        return -1
