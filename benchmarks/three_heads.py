"""Three heads on one trunk against three models of one head each, equal iterations.

    python benchmarks/three_heads.py --folder /tmp/three-heads --iterations 1000

The job is generated/shapes-and-scenes (boxes, a map and a category), at another
resolution and with AdamW; each of the three others is this job with one of its heads
alone. All train on the drawn shapes with one seed. Prints each head's primary metric in
both, and their ratio; the bar is a loss of 5 % at most. A folder keeps what was trained.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from specc.build import compile_job
from specc.language.schema import head as head_schema
from specc.shapes.dataset import draw_dataset

ROOT = Path(__file__).resolve().parents[1]
JOB = ROOT / "generated" / "shapes-and-scenes" / "job.json"
BAR = 0.95
IMAGES = {"train": 400, "validation": 200}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=1000)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--category-weight", type=float, help="the job's if absent")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    draw_dataset(args.folder / "shapes", **IMAGES)
    heads = json.loads(JOB.read_text())["model"]["heads"]
    if args.category_weight is not None:
        heads[-1]["loss_weight"] = args.category_weight
    together = run("together", heads, args)
    apart = {}
    for head in heads:
        apart |= run(f"{head['name']}-alone", [head | {"loss_weight": 1.0}], args)
    print(f"{'metric':24}{'together':>10}{'alone':>10}{'ratio':>8}")
    worst = 1.0
    for head in heads:
        name = f"{head['name']}/{head_schema(head['task'])['x-metrics'][0]}"
        ratio = together[name] / apart[name]
        worst = min(worst, ratio)
        print(f"{name:24}{together[name]:>10.3f}{apart[name]:>10.3f}{ratio:>8.3f}")
    print(f"{'bar':24}{'':>20}{BAR:>8}")
    return int(worst < BAR)


def run(name: str, heads: list[dict], args: argparse.Namespace) -> dict[str, float]:
    """The metrics at the end of a training; those of an earlier call are kept."""
    code, output = args.folder / name, args.folder / "runs" / name
    if not (output / "metrics.jsonl").exists():
        build(code, heads, args)
        flags = ("--data", args.folder, "--output", output, "--seed", args.seed)
        cores = ("--workers", 0, "--threads", 1)  # equal for all runs at once
        command = [sys.executable, code / "train.py", *flags, *cores]
        # Emitted code runs without specc.
        quiet = os.environ | {"PYTHONPATH": "", "OMP_NUM_THREADS": "1"}
        subprocess.run([str(word) for word in command], check=True, env=quiet)
    rows = (output / "metrics.jsonl").read_text().splitlines()
    told = [row for row in map(json.loads, rows) if row["split"] == "validation"]
    return told[-1]


def build(code: Path, heads: list[dict], args: argparse.Namespace) -> None:
    job = json.loads(JOB.read_text())
    job["name"] = code.name
    job["data"]["resolution"] = [args.side, args.side]
    job["model"] |= {"heads": heads}
    if len(heads) == 1 and "level" in head_schema(heads[0]["task"])["properties"]:
        job["model"]["neck"] = {"kind": "none"}  # no head would read a neck
    job["trainer"] = {
        "max_iterations": args.iterations,
        "validations": 1,
        "batch_size": args.batch_size,
        "gradient_clipping": 10.0,
        "optimizer": {"kind": "adamw", "learning_rate": 1e-3},
    }
    code.mkdir(parents=True, exist_ok=True)
    for path, text in compile_job(json.dumps(job).encode()).files.items():
        (code / path).write_text(text, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
