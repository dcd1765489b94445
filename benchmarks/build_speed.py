"""Processor time of `specc build` and `specc check`, in processes of their own.

    python benchmarks/build_speed.py
    python benchmarks/build_speed.py --pairs 20 --jobs 200 path/to/job.json

Rows: a cold build against black alone on the same files; a rebuild with nothing to do
and `specc check`, each interleaved with a bare interpreter for scale; the cost per job
of many jobs in one call.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pairs import command_cost, differences, interleave, parser, ratios, report

ROOT = Path(__file__).resolve().parents[1]
JOB = ROOT / "generated" / "blood-cells" / "job.json"
SPECC = [sys.executable, "-m", "specc.cli"]
BARE = [sys.executable, "-c", "pass"]


def main() -> int:
    arguments = parser(__doc__)
    arguments.add_argument("job", nargs="?", type=Path, default=JOB)
    arguments.add_argument(
        "--jobs", type=int, default=200, help="jobs in one call (0: leave out)"
    )
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        # Stamps and black's cache of earlier runs must not help.
        folder = Path(scratch)
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        os.environ["BLACK_CACHE_DIR"] = str(folder / "black")
        kept = [
            cold_build(options.job, folder, options.pairs),
            no_torch(options.job, folder),
            rebuild(options.job, folder, options.pairs),
            check(options.job, options.pairs),
        ]
        if options.jobs:
            kept.append(many_jobs(options.job, folder, options.jobs))
    return 0 if all(kept) else 1


def cold_build(job: Path, folder: Path, pairs: int) -> bool:
    """A build into an empty folder against black on a fresh copy of its files."""
    numbers = itertools.count()
    sample = folder / "sample"
    subprocess.run(
        [*SPECC, "build", job, "-o", sample], check=True, capture_output=True
    )

    def build() -> float:
        # Without the stamps of the build before: the first build of a user.
        shutil.rmtree(folder / "cache", ignore_errors=True)
        return command_cost([*SPECC, "build", job, "-o", folder / f"{next(numbers)}"])

    def black() -> float:
        shutil.rmtree(folder / "black", ignore_errors=True)
        copy = folder / f"{next(numbers)}"
        copy.mkdir()
        files = [shutil.copy(path, copy) for path in sorted(sample.glob("*.py"))]
        command = [sys.executable, "-m", "black", "--quiet", "--workers", "1"]
        return command_cost([*command, *files])

    built, blackened = interleave(build, black, pairs)
    report("black alone", blackened, "s")
    report("build, cold process", built, "s")
    return report("build - black", differences(built, blackened), "s", at_most=1.0)


def no_torch(job: Path, folder: Path) -> bool:
    """Whether a build does without torch."""
    command = [sys.executable, "-X", "importtime", "-m", "specc.cli", "build", job]
    result = subprocess.run(
        [*command, "-o", folder / "imports"], check=True, capture_output=True, text=True
    )
    modules = {line.rpartition("|")[2].strip() for line in result.stderr.splitlines()}
    imported = "torch" in modules
    print(f"build imports torch: {'yes: MISSED' if imported else 'no'}")
    return not imported


def rebuild(job: Path, folder: Path, pairs: int) -> bool:
    """A build where nothing changed since the last."""
    command = [*SPECC, "build", job, "-o", folder / "rebuilt"]
    subprocess.run(command, check=True, capture_output=True)
    costs, bare = interleave(
        lambda: command_cost(command), lambda: command_cost(BARE), pairs
    )
    report("rebuild / bare interpreter", ratios(costs, bare))
    return report("rebuild, nothing changed", costs, "s", at_most=0.25)


def check(job: Path, pairs: int) -> bool:
    """`specc check`, beside the imports that it cannot do without."""
    imports = [sys.executable, "-c", "import networkx, jsonschema"]
    costs, imported = interleave(
        lambda: command_cost([*SPECC, "check", job]),
        lambda: command_cost(imports),
        pairs,
    )
    report("imports of networkx and jsonschema", imported, "s")
    return report("check", costs, "s", at_most=0.7)


def many_jobs(job: Path, folder: Path, count: int) -> bool:
    """Cost per job against the count; cores in use over the largest call."""
    per_job = []
    for size in sorted({1, max(1, count // 10), count}):
        jobs = write_jobs(job, folder / f"jobs{size}", size)
        start = time.perf_counter()
        cost = command_cost([*SPECC, "build", *jobs, "-o", folder / f"built{size}"])
        wall = time.perf_counter() - start
        per_job.append(wall / size)
        label = f"{size} jobs in one call"
        print(f"{label:<46} {wall / size:8.3f} s/job   {cost / wall:.2f} cores")
    falls = per_job == sorted(per_job, reverse=True)
    print(f"cost per job falls with the count: {'yes' if falls else 'no: MISSED'}")
    return falls


def write_jobs(job: Path, folder: Path, count: int) -> list[Path]:
    """Copies of a job that differ in name, each in a file of its own."""
    value = json.loads(job.read_text("utf-8"))
    value.pop("$schema", None)  # the path is relative to the original
    folder.mkdir()
    paths = []
    for index in range(count):
        path = folder / f"{index}.json"
        name = f"{value['name']}-{index}"
        path.write_text(json.dumps({**value, "name": name}, indent=2), "utf-8")
        paths.append(path)
    return paths


if __name__ == "__main__":
    sys.exit(main())
