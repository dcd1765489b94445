"""Whether a first run learns: `specc init`, `build` and `train.py`, without an edit.

    python benchmarks/first_run.py --data ../shared/data --output build/first --minutes 5
    python benchmarks/first_run.py --only omniglot-metric-learning --iterations 200

Each pair of first_pairs.py is trained for as many iterations as take the processor time
of so many minutes on two cores, but no more than its job has: `--max-iterations`
rescales the schedule, and nothing else changes. Two probes tell the time of a step, so
that other work on the machine costs no iterations. Its best weights and naive baselines are judged image
by image. A pair is ahead if the 95 % bootstrap interval of the difference to its best
baseline, over validation images, is above 0. Results are kept in OUTPUT/results.json:
pairs and seeds that are there are not run again.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from first_pairs import LOWER_IS_BETTER, PAIRS, Pair

HERE = Path(__file__).resolve().parent
SPECC = (sys.executable, "-m", "specc.cli")
RESAMPLES = 2000  # number of resamples of the bootstrap
CORES = 2  # number of processors that the minutes are of
PROBES = 12, 36  # lengths of two runs whose difference is the time of steps alone
SHARE = 0.9  # steps take this part of the time, validations the rest


# ---- A run ----


def trained(pair: Pair, args: argparse.Namespace) -> dict:
    """Returns what the run of a pair gave. Raises CalledProcessError."""
    folder = args.output / pair.name
    job, code, run = folder / "job.json", folder / "code", folder / f"run-{args.seed}"
    data = args.data / (pair.file or pair.dataset)
    folder.mkdir(parents=True, exist_ok=True)
    flags = ("--root", args.data, "-o", job, "--force")
    called(*SPECC, "init", pair.task, "--data", data, *flags)
    called(*SPECC, "build", job, "-o", code, "--force")
    whole = json.loads(job.read_text("utf-8"))["trainer"]["max_iterations"]
    iterations = args.iterations or affordable(code, args)
    begun = time.monotonic()
    taught(code, run, min(iterations, whole), args)
    seconds = time.monotonic() - begun
    judged = folder / "judged.json"
    words = (code, run / "best.pt", args.data, pair.name, judged)
    called(sys.executable, HERE / "first_judge.py", *words)
    facts = {"iterations": min(iterations, whole), "of": whole, "seconds": seconds}
    return facts | json.loads(judged.read_text("utf-8"))


def affordable(code: Path, args: argparse.Namespace) -> int:
    """Returns the iterations that take the processor time of the minutes."""
    times = []
    for steps in PROBES:
        began = processor_time()
        taught(code, code.parent / "probe", steps, args, "--overfit", "8")
        times.append(processor_time() - began)
    step = (times[1] - times[0]) / (PROBES[1] - PROBES[0])
    return max(PROBES[0], int(60 * SHARE * CORES * args.minutes / step))


def processor_time() -> float:
    """Returns the seconds of processors that processes took that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def taught(code: Path, run: Path, iterations: int, args, *more: str) -> str:
    """Returns what `train.py` said."""
    called("rm", "-rf", run)
    flags = ("--data", args.data, "--output", run, "--device", "cpu", "--workers", "0")
    flags += ("--threads", args.threads, "--seed", args.seed)
    length = ("--max-iterations", iterations)
    return called(sys.executable, code / "train.py", *flags, *length, *more)


def called(*words: object) -> str:
    """Returns what a command said on both streams. Raises CalledProcessError with it."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, env=environment
    )
    if done.returncode:
        said = (done.stderr or done.stdout)[-2000:]
        raise subprocess.CalledProcessError(done.returncode, str(words[1]), said)
    return done.stdout + done.stderr


# ---- Ahead, or not ----


def compared(pair: Pair, found: dict) -> dict:
    """Returns the model's value, that of the best baseline, and the 95 % interval of
    their difference, of which above 0 is ahead."""
    truth = None if found.get("truth") is None else np.array(found["truth"])
    ours = np.array(found["ours"], float)
    values = {name: np.array(x, float) for name, x in found["naive"].items()}
    finite = [np.isfinite(x) for x in (ours, *values.values())]
    known = np.all([x.reshape(len(x), -1).all(1) for x in finite], 0)
    values = {name: x[known] for name, x in values.items()}
    ours, truth = ours[known], truth if truth is None else truth[known]
    sign = -1 if pair.metric in LOWER_IS_BETTER else 1
    name = max(values, key=lambda x: sign * statistic(values[x], truth))
    rng, differences = np.random.default_rng(0), []
    while len(differences) < RESAMPLES:
        rows = rng.integers(0, len(ours), len(ours))
        labels = truth if truth is None else truth[rows]
        if labels is not None and labels.all() == labels.any():
            continue  # an area needs true rows and false ones
        pairs = [statistic(x[rows], labels) for x in (ours, values[name])]
        differences.append(sign * (pairs[0] - pairs[1]))
    low, high = np.quantile(differences, (0.025, 0.975))
    return {
        "value": statistic(ours, truth),
        "baseline": statistic(values[name], truth),
        "name": name,
        "low": float(low),
        "high": float(high),
        "images": len(ours),
    }


def statistic(values: np.ndarray, truth: np.ndarray | None) -> float:
    """Returns the mean; where there is a truth (N,), the area under the ROC curve; where
    there are truths of labels (N, L), the mean of their average precisions."""
    if truth is None:
        return float(values.mean())
    if truth.ndim == 2:
        pairs = zip(values.T, truth.T)
        return float(np.mean([average_precision(x, y) for x, y in pairs if y.any()]))
    order = np.unique(values, return_inverse=True)[1]
    positive, negative = order[truth], np.sort(order[~truth])
    below = np.searchsorted(negative, positive, "left")
    upto = np.searchsorted(negative, positive, "right")
    return float((below + upto).mean() / 2 / len(negative))


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Returns the precision at each true item, among those that score as high or higher,
    in the mean."""
    upwards = np.sort(scores)
    found = len(scores) - np.searchsorted(upwards, scores[truth], "left")
    right = truth.sum() - np.searchsorted(np.sort(scores[truth]), scores[truth], "left")
    return float((right / found).mean())


# ---- The table ----


def row(pair: Pair, found: dict) -> str:
    one = compared(pair, found)
    beside = "".join(
        f"; {name} {statistic(np.array(x), np.array(found['truth'])):.3f}"
        for name, x in found.get("beside", {}).items()
    )
    ahead = "yes" if one["low"] > 0 else "no"
    cells = (
        f"`{pair.dataset}` {pair.task.replace('_', ' ')}",
        f"{found['iterations']} of {found['of']}",
        pair.metric.replace("_", " "),
        f"{one['value']:.3f}",
        f"{one['baseline']:.3f} ({one['name'].replace('_', ' ')}{beside})",
        f"{one['low']:.3f} .. {one['high']:.3f}",
        ahead,
    )
    return f"| {' | '.join(cells)} |"


HEADER = """| pair | iterations | metric by image | model | baseline | difference | ahead |
|---|---|---|---|---|---|---|"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared/data")
    parser.add_argument("--output", type=Path, default=Path("build/first"))
    parser.add_argument("--only", action="append", metavar="NAME", default=[])
    parser.add_argument(
        "--minutes", type=float, default=5.0, help="of each run, on two cores"
    )
    parser.add_argument("--iterations", type=int, help="instead of minutes")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--table", action="store_true", help="print what is there")
    args = parser.parse_args()
    known = [pair.name for pair in PAIRS]
    if unknown := [name for name in args.only if name not in known]:
        parser.error(f"no pair {', '.join(unknown)}; there are {', '.join(known)}")
    args.data, args.output = args.data.resolve(), args.output.resolve()
    return args


def main() -> int:
    args = arguments()
    place = args.output / "results.json"
    results = json.loads(place.read_text("utf-8")) if place.exists() else {}
    print(HEADER)
    behind = 0
    for pair in PAIRS:
        key = f"{pair.name}-{args.seed}"
        if args.only and pair.name not in args.only:
            continue
        if key not in results and not args.table:
            try:
                results[key] = trained(pair, args)
            except subprocess.CalledProcessError as error:
                print(f"{pair.name}: {error.cmd}\n{error.output}", file=sys.stderr)
                behind += 1
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(results), "utf-8")
        if key in results:
            print(row(pair, results[key]), flush=True)
            behind += compared(pair, results[key])["low"] <= 0
    return 1 if behind else 0


if __name__ == "__main__":
    sys.exit(main())
