"""`specc bench`: finds the engines of a folder, measures them, prints the table."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import click

from specc.bench.rounds import Means, measure, ratio
from specc.bench.workers import Engine, Worker
from specc.commands.report import harmless
from specc.diagnostics import fail
from specc.resources import install
from specc.timm.models import is_timm
from specc.words import number_of

EAGER = "eager"
RUNTIMES = {"ONNX Runtime": "onnxruntime", "OpenVINO": "openvino"}
SUFFIXES = ("", ".fp16", ".int8")  # export.py puts them before .onnx


def bench(
    folder: Path,
    form: str,
    *,
    weights: Path | None,
    files: tuple[Path, ...],
    image: tuple[int, int] | None,
    batch: int,
    rounds: int,
    threads: int | None,
    compiled: bool,
    device: str,
) -> int:
    """Prints how fast each engine is. Raises JobError E446, E447."""
    job = _job(folder)
    for path in (*files, *filter(None, [weights])):
        if not path.is_file():
            fail("E447", f"there is no file `{path}`", help="name a file that is there")
    files = files or _files(job["name"], folder, weights)
    setup = _setup(folder, job, weights, image)
    setup |= {"threads": threads or _cores(), "device": device}
    with ExitStack() as stack:
        workers = []
        for engine in _engines(files, compiled):
            workers.append(Worker(engine, setup))
            stack.callback(workers[-1].end)
            if workers[0].failed or workers[0].skipped:
                _refuse(folder, workers[0])
        single = measure(workers, batch=1, rounds=rounds, tell=_tell)
        several = measure(workers, batch=batch, rounds=rounds, tell=_tell)
    if EAGER not in single or EAGER not in several:
        _refuse(folder, workers[0])
    facts = {"folder": str(folder), "job": job["name"], "device": device}
    facts |= {"threads": setup["threads"], "image": setup["image"][1:]}
    facts |= {"batch": batch, "rounds": rounds}
    facts["engines"] = [_row(one, single, several, batch) for one in workers]
    facts["files"] = [str(path) for path in files]
    click.echo(json.dumps(facts, indent=2) if form == "json" else _table(facts))
    return 0


def _setup(
    folder: Path,
    job: dict[str, Any],
    weights: Path | None,
    image: tuple[int, int] | None,
) -> dict[str, Any]:
    """Returns what engine.py has to know of the model and of its images."""
    return {
        "folder": str(folder.absolute()),
        "weights": str(weights or ""),
        "model": job["model"],
        "timm": is_timm(job["model"]["backbone"]["name"]),
        "image": [
            job["data"].get("channels", 3),
            *(image or job["data"]["resolution"]),
        ],
    }


def _tell(what: str) -> None:
    click.echo(what, err=True)


def _job(folder: Path) -> dict[str, Any]:
    """Returns the resolved job of a folder. Raises JobError E446."""
    try:
        job = json.loads((folder / "resolved.json").read_text("utf-8"))
        assert job["name"] and job["model"]["heads"] and job["data"]["resolution"]
        assert (folder / "model.py").is_file()
        return job
    except (OSError, ValueError, LookupError, TypeError, AssertionError):
        fail(
            "E446",
            f"`{folder}` is no folder of emitted code: it lacks model.py or a "
            "resolved.json that can be read",
            help="name a folder that `specc build` wrote",
        )


def _files(name: str, folder: Path, weights: Path | None) -> tuple[Path, ...]:
    """Returns the files of export.py by their usual names, the first of each name."""
    places = (Path(), folder, weights.parent if weights else folder)
    found = []
    for suffix in SUFFIXES:
        paths = [place / f"{name}{suffix}.onnx" for place in places]
        found += [path for path in paths if path.is_file()][:1]
    return tuple(found)


def _cores() -> int:
    usable = getattr(os, "sched_getaffinity", lambda _: range(os.cpunumber_of() or 1))
    return len(usable(0))


def _engines(files: tuple[Path, ...], compiled: bool) -> list[Engine]:
    """Returns the engines, eager first: the others are compared with it."""
    engines = [Engine(EAGER, EAGER)]
    engines += [Engine("compiled", "compiled")] * compiled
    for path in files:
        for title, kind in RUNTIMES.items():
            name = f"{title}, {path.name}" if len(files) > 1 else title
            engines.append(Engine(name, kind, path))
    return engines


def _refuse(folder: Path, worker: Worker) -> None:
    """Raises JobError E447: without eager there is nothing to compare with."""
    fail(
        "E447",
        f"the model of `{folder}` does not run: {worker.skipped or worker.failed}",
        help=f"{install('train')} brings PyTorch; weights have to be of this model.py",
    )


def _row(worker: Worker, single: Means, several: Means, batch: int) -> dict[str, Any]:
    """Returns what was measured of an engine; "skipped" or "failed" says why not."""
    row: dict[str, Any] = {"engine": worker.name, "version": worker.version or None}
    row |= {"skipped": worker.skipped or None, "failed": worker.failed or None}
    row |= {"latency": None, "throughput": None}
    if worker.name in single:
        row["latency"] = {
            "milliseconds": 1000 * median(single[worker.name]),
            "ratio": ratio(of=single[worker.name], to=single[EAGER]),
        }
    if worker.name in several:
        row["throughput"] = {
            "images_per_second": batch / median(several[worker.name]),
            # Images a second are as the inverse of seconds a batch.
            "ratio": ratio(of=several[EAGER], to=several[worker.name]),
        }
    return row


# ---- The table ----


def _table(facts: dict[str, Any]) -> str:
    height, width = facts["image"]
    head = ("", "ms", "of eager's", "images/s", "of eager's")
    rows = [head, *map(_cells, facts["engines"])]
    widths = [max(map(len, column)) for column in zip(*rows)]
    threads, rounds = (number_of(facts[f"{x}s"], x) for x in ("thread", "round"))
    images = number_of(facts["batch"], "image")
    lines = [
        f"{facts['job']}: images of {height}x{width} on the {facts['device']}, "
        f"{threads}; {rounds}, in turn",
        f"latency of one image, throughput of {images} a call;"
        " ratios with their 95 % interval",
        "",
    ]
    for cells in rows:
        texts = [cells[0].ljust(widths[0])]
        texts += [cell.rjust(size) for cell, size in zip(cells[1:], widths[1:])]
        lines.append("  ".join(texts).rstrip())
    for row in facts["engines"]:
        for word in ("skipped", "failed"):
            if row[word]:
                lines.append(f"{row['engine']} {word}: {harmless(row[word])}")
    if not facts["files"]:
        lines.append(
            "ONNX Runtime and OpenVINO skipped: there is no file of export.py, or "
            '--onnx names it; a job with "export": true emits export.py'
        )
    return "\n".join(lines)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    cells = [row["engine"]]
    if latency := row["latency"]:
        cells += [f"{latency['milliseconds']:.2f}", _told(latency["ratio"])]
    else:
        cells += ["-", "-"]
    if throughput := row["throughput"]:
        rate = throughput["images_per_second"]
        cells += [f"{rate:.1f}", _told(throughput["ratio"])]
    else:
        cells += ["-", "-"]
    return tuple(cells)


def _told(values: dict[str, float]) -> str:
    return f"{values['median']:.2f} [{values['low']:.2f}, {values['high']:.2f}]"
