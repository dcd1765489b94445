"""Around the loop: flags, processes, signals, and faults that end a run."""

import argparse
import contextlib
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from tqdm import tqdm

from data import BATCH_SIZE, ChangedError, ImageError
from evaluate import command_line, in_a_line
from model import HEIGHT, WIDTH

# ---- Flags ----


def flags(max_iterations: float) -> argparse.ArgumentParser:
    """Returns a parser with the flags of train.py."""
    parser = command_line("Train the model of model.py.")
    parser.add_argument("--data", type=Path, default=Path(), help="root of datasets")
    parser.add_argument("--output", type=Path, default=Path("runs/flowers"))
    parser.add_argument(
        "--resume",
        nargs="?",
        const="same",
        choices=("same", "any"),
        metavar="any",
        help="go on from last.pt, if there is one; any: even if the job, the images, "
        "the seed, the number of processes or of iterations changed: keeps weights, "
        "iteration and time; state of the optimizer and best score if they still fit",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--max-iterations", type=int, default=max_iterations)
    parser.add_argument(
        "--overfit",
        type=int,
        metavar="N",
        help="train and validate on the first N training images: a working job learns "
        "them by heart",
    )
    return parser


def arguments(given: dict[str, object], max_iterations: float) -> argparse.Namespace:
    """Returns flags that are given as keywords, and the defaults of the others."""
    parser = flags(max_iterations)
    args = parser.parse_args([])
    if unknown := given.keys() - vars(args).keys():
        raise TypeError(f"no such flags: {', '.join(sorted(unknown))}")
    vars(args).update(given)
    args.data, args.output = Path(args.data), Path(args.output)
    least = min(args.max_iterations, 1 if args.overfit is None else args.overfit)
    if least < 1 or (args.workers or 0) < 0 or not 0 <= args.seed < 2**32:
        parser.error("--max-iterations, --overfit start at 1, --workers, --seed at 0")
    return args


# ---- Processes ----


def setup(given: dict[str, object], max_iterations: float) -> tuple:
    """Returns the flags, rank, number of processes (0 and 1 without torchrun), and the
    device; ends the program where they do not fit the job, or an earlier run."""
    args = arguments(given, max_iterations)
    rank, world = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if BATCH_SIZE % world:
        raise SystemExit(f"{world} processes cannot share batches of {BATCH_SIZE}")
    last, device = args.output / "last.pt", args.device
    if last.exists() and not args.resume:
        raise SystemExit(f"{last} exists: add --resume or choose another --output")
    if device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
        torch.cuda.set_device(device)
        torch.backends.cudnn.benchmark = True  # all images have one size
        torch.set_float32_matmul_precision("high")  # TF32
    if world > 1:  # NCCL for gradients, gloo for flags
        # Import before init_process_group: its default arguments would hold the group.
        import_module("torch.distributed.nn")
        dist.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl")
    return args, rank, world, torch.device(device)


def leave(world: int):
    """Waits until rank 0 has saved: torchrun ends the others when one has left."""
    if world > 1:
        max_over_processes(world, 0)
        dist.destroy_process_group()


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
        if threading.current_thread() is threading.main_thread():  # signals need it
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self.catch)

    def catch(self, number: int, _: object):
        """A signal ends the run after the step under way, a second Ctrl-C at once; but
        torchrun passes each on to processes that have it from the terminal already."""
        if self.world == 1 and number == signal.SIGINT in self.signals:
            raise KeyboardInterrupt
        self.signals.append(number)

    def stopped(self) -> Stopped:
        """Returns what ends the run, by SIGTERM where another process has caught it."""
        return Stopped((self.signals or [signal.SIGTERM])[0])

    def largest(self, *values: float) -> list[float]:
        """Returns after a step whether a process has caught a signal, and the largest
        of each value over all processes; zeros where this step has no vote."""
        self.steps += 1
        if self.steps < self.wait:
            return [0.0] * (1 + len(values))
        now = time.monotonic()
        wait = min(10, 2 * self.steps / max(now - self.last, 1e-9))
        wait = wait if self.rank == 0 and self.world > 1 else 1
        maxima = max_over_processes(self.world, bool(self.signals), *values, wait)
        self.steps, self.wait, self.last = 0, int(maxima.pop()), now
        return maxima


def max_over_processes(world: int, *values: float) -> list[float]:
    """Returns the maximum of each value over all processes."""
    shared = torch.tensor(values, dtype=torch.float64)
    if world > 1:
        dist.all_reduce(shared, dist.ReduceOp.MAX)
    return shared.tolist()


# ---- Pace ----


class Pace:
    """Tells on stderr how fast a run is, once ten steps are measured, and when it will
    end; after the first validation, what share of the run all of them will take."""

    def __init__(self, steps: int, validations: int, progress: float):
        self.steps, self.step = steps, 0.0  # seconds of one, once they are known
        self.validations = validations - int(progress * validations + 1e-9)  # to come
        self.validating = 0.0  # seconds so far

    def timed(self, batches: Iterator) -> Iterator:
        """Yields batches, and measures ten steps after the first one, which is slow."""
        yield next(batches)
        waits = self.validating = 0.0
        began, busy = time.monotonic(), time.process_time()
        for _ in range(10):
            asked = time.monotonic()
            batch = next(batches)
            waits += time.monotonic() - asked
            yield batch
        self.step = (time.monotonic() - began - self.validating) / 10
        self.tell(waits / 10, (time.process_time() - busy) / 10)
        yield from batches

    def left(self) -> float:
        """Returns the seconds of the steps after those that were measured."""
        return (self.steps - 11) * self.step

    def tell(self, wait: float, busy: float):
        """Prints a line; `busy` are seconds of processors in a step."""
        ends = time.strftime("%b %d %H:%M", time.localtime(time.time() + self.left()))
        parts = [
            f"{self.step:.2g} s a step, of which {wait:.2g} s wait for images",
            f"{BATCH_SIZE / self.step:.3g} images/s",
            f"the steps end about {ends}, without the validations ({self.validations})",
            peak_memory(),
        ]
        on_cpu, threads = not torch.cuda.is_initialized(), torch.get_num_threads()
        if wait > 0.2 * self.step:
            parts.append("more --workers, or `cache` in the job, would speed it up")
        elif on_cpu and threads > 1 and busy < 0.5 * threads * self.step:
            parts.append("its threads wait for processors: try fewer --threads")
        tqdm.write("; ".join(parts), file=sys.stderr)

    def validated(self, began: float):
        """Tells once what share of a run its validations take, if that is large."""
        took = time.monotonic() - began
        self.validating += took
        share = self.validations * took / (self.validations * took + self.left())
        if self.step and share > 0.1:
            said = f"validations take {share:.0%} of the run: fewer would shorten it"
            tqdm.write(f"{said} (`validations` in the job)", file=sys.stderr)
            self.step = 0.0


def peak_memory() -> str:
    """Returns the most memory that was in use: of the GPU, or of this process."""
    if torch.cuda.is_initialized():
        return f"{torch.cuda.max_memory_reserved() / 1e9:.2g} GB of the GPU at its peak"
    if sys.platform == "win32":
        return "peak memory unknown"
    unit = 1 if sys.platform == "darwin" else 1024
    peak = import_module("resource").getrusage(0).ru_maxrss * unit
    return f"{peak / 1e9:.2g} GB at its peak"


# ---- Numbers that are not finite ----


def is_finite(values: dict[str, float], model: nn.Module | None) -> bool:
    """Returns whether logged values and, before a checkpoint, weights are finite."""
    if not all(map(math.isfinite, values.values())):
        return False
    state = model.state_dict().values() if model else [torch.zeros(())]
    return bool(torch.stack([x.isfinite().all() for x in state]).all())


# ---- Errors that users can mend ----


def guarded(main: Callable, max_iterations: float):
    """Runs `main` as a script: a stop becomes an exit code, and what users can mend a
    message."""
    args = flags(max_iterations).parse_args()
    former_hook = threading.excepthook

    def report(failure: object):  # TensorBoard raises errors of its thread here as well
        if "tensorboard" not in type(failure.thread).__module__:
            former_hook(failure)

    threading.excepthook = report
    try:
        main(**vars(args))
    except Stopped as stop:
        raise SystemExit(128 + stop.args[0]) from None
    except (ChangedError, ImageError) as error:
        raise SystemExit(in_a_line(error)) from None
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
