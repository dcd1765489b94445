"""Signals, losses that are not finite, and errors that users can mend."""

import argparse
import contextlib
import math
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from checkpoints import save
from data import BATCH_SIZE, ChangedError, ImageError
from model import HEIGHT, WIDTH

# ---- Signals ----


class Stopped(Exception):
    """A signal ended the run, whose state is in last.pt; its number is the argument."""


@contextlib.contextmanager
def former_signals() -> Iterator[None]:
    """Restores the handlers of signals in the end."""
    former = {x: signal.getsignal(x) for x in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in former.items():
            if handler not in (None, signal.getsignal(number)):
                signal.signal(number, handler)


class Votes:
    """Lets the processes decide alike: one process after each step, several after ten,
    or fewer if these would take more than 2 seconds by the clock of rank 0."""

    def __init__(self, rank: int, world: int):
        self.rank, self.world, self.signals = rank, world, []
        self.steps, self.wait, self.last = 0, 1, time.monotonic()
        if threading.current_thread() is threading.main_thread():  # others may not
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self.catch)

    def catch(self, number: int, frame: object):
        """A signal ends the run after the step under way, a second Ctrl-C at once; but
        torchrun passes each on to processes that have it from the terminal already."""
        if self.world == 1 and number == signal.SIGINT in self.signals:
            raise KeyboardInterrupt
        self.signals.append(number)

    def largest(self, *values: float) -> list[float]:
        """After a step: whether a process has caught a signal, and the largest of each
        value over all processes; zeros where this step has no vote."""
        self.steps += 1
        if self.steps < self.wait:
            return [0.0] * (1 + len(values))
        now = time.monotonic()
        wait = min(10, 2 * self.steps / max(now - self.last, 1e-9))
        wait = wait if self.rank == 0 and self.world > 1 else 1
        *values, wait = agree(self.world, bool(self.signals), *values, wait)
        self.steps, self.wait, self.last = 0, int(wait), now
        return values


def agree(world: int, *values: float) -> list[float]:
    """Returns the maximum of each value over all processes."""
    shared = torch.tensor(values, dtype=torch.float64)
    if world > 1:
        dist.all_reduce(shared, dist.ReduceOp.MAX)
    return shared.tolist()


# ---- Numbers that are not finite ----


def is_finite(values: dict[str, float], model: nn.Module | None) -> bool:
    """Returns whether logged values and, before a checkpoint, the `model` are finite.
    Gradients of an infinite norm are clipped to zeros, which do no harm."""
    if math.isnan(values["gradient_norm"]):
        return False
    values = {name: x for name, x in values.items() if name != "gradient_norm"}
    if not all(map(math.isfinite, values.values())):
        return False
    state = model.state_dict().values() if model else [torch.zeros(())]
    return bool(torch.stack([x.isfinite().all() for x in state]).all())


def save_bad_batch(path: Path, batches: Iterator, first: int, recent: list) -> str:
    """Saves the first batch with a loss that is not finite; returns the message.

    `recent` holds the loss and its terms in the iterations after `first`, and `batches`
    gives these iterations again: seed and iteration decide what is in a batch.
    """
    for iteration, (terms, batch) in enumerate(zip(recent, batches), first + 1):
        terms = {name: term.item() for name, term in terms.items()}
        if not math.isfinite(terms["loss"]):
            images, targets = batch
            state = {"iteration": iteration, "terms": terms}
            save(path, state | {"images": images, "targets": targets})
            return (
                f"the loss became infinite or NaN in iteration {iteration}: {terms}\n"
                f"  {path} holds the images and targets, for torch.load\n"
                "  last.pt is from before: try a lower learning rate, or clip gradients"
            )
    iteration = first + len(recent)
    what = "gradients, weights or another process"
    return f"{what} became infinite or NaN by iteration {iteration}"


# ---- Errors that users can mend ----


def guarded(main: Callable, args: argparse.Namespace):
    """Runs `main` as a script: a stop becomes an exit code, and what users can mend a
    message."""
    told = threading.excepthook

    def tell(failure: object):  # TensorBoard raises errors of its thread here as well
        if "tensorboard" not in type(failure.thread).__module__:
            told(failure)

    threading.excepthook = tell
    try:
        main(**vars(args))
    except Stopped as stop:
        raise SystemExit(128 + stop.args[0]) from None
    except (ChangedError, ImageError) as error:  # behind a worker's traceback
        line = str(error).splitlines()[-1]
        raise SystemExit(re.sub(r"^data\.\w+: ", "", line)) from None
    except (MemoryError, RuntimeError) as error:
        raise SystemExit(f"\n{known_failure(error)}") from None
    except OSError as error:
        raise SystemExit(f"{args.output}: cannot go on: {error}") from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None


def known_failure(error: Exception) -> str:
    """Returns advice on an error that users can mend; raises any other again."""
    text = str(error)
    no_memory = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
    if no_memory or "can't allocate memory" in text:
        return (
            f"out of memory at {BATCH_SIZE} images of {HEIGHT}x{WIDTH} a step\n"
            "  try a smaller batch_size or resolution, or accumulation, in the job"
            f"\n  ({text.splitlines()[0] if text else 'MemoryError'})"
        )
    if "DataLoader worker" in text:
        return (
            f"a process that reads images died: {text.splitlines()[0]}\n"
            "  often memory ran out: try fewer --workers, and --resume"
        )
    raise error
