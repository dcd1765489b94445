"""Runs a job's own code on its dataset: the emitted reader, decoder and drawings,
imported from a temporary folder."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from specc.build import analyze
from specc.datasets.files import require
from specc.diagnostics import JobError
from specc.graph.cost import Summary, summarize
from specc.heads import tasks_of
from specc.job import Job

MODULES = ("model", "dataset", "data", "draw")


@dataclass(frozen=True)
class Emitted:
    """A job, and modules of its emitted code."""

    job: Job
    summary: Summary
    # The calls that look at labels before a run; they read `samples`, `use`
    checks: tuple[str, ...]
    model: ModuleType
    dataset: ModuleType
    data: ModuleType
    draw: ModuleType

    def most_broken(self, images: int) -> float:
        """Returns how many broken images a training set of this size may have."""
        return max(self.dataset.MOST_BROKEN, self.dataset.BROKEN_SHARE * images)


@dataclass
class Reading:
    """The outcome of reading a dataset; ``fatal`` if the reader could not go on."""

    training: list = field(default_factory=list)  # training samples
    validation: list = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # few broken training images
    counts: Counter = field(default_factory=Counter)
    fatal: str = ""
    test: list = field(default_factory=list)  # samples of the test set
    untested: str = ""  # why the test set could not be read
    hopeless: list[str] = field(default_factory=list)  # reasons why no run would begin


def load(data: bytes) -> Emitted:
    """Compiles a job and imports its code. Raises JobError."""
    require("numpy", "cv2", "PIL", "yaml", "torch", "tqdm", "matplotlib")
    from specc.emit.render import render
    from specc.plan.page import plan

    job, graph, findings = analyze(data)
    errors = [finding for finding in findings if finding.is_error]
    if errors:
        raise JobError(errors)
    data = replace(job.data, cache=None, keep_samples=False)  # writes no files
    plain = replace(job, data=data)
    page = plan(plain, graph)
    with TemporaryDirectory() as folder:
        for name, text in render(page).items():
            Path(folder, name).write_text(text, "utf-8")
        modules = _imported(folder)
    checks = (*page.values["checks"], *page.values["map_checks"])
    return Emitted(job, summarize(job, graph), checks, *modules)


def _imported(folder: str) -> list[ModuleType]:
    """Returns the modules, which import one another by their names."""
    own = [path.stem for path in Path(folder).glob("*.py")]
    before = {name: sys.modules.pop(name, None) for name in own}
    keeps_bytecode, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        return [importlib.import_module(name) for name in MODULES]
    finally:
        sys.path.remove(folder)
        sys.dont_write_bytecode = keeps_bytecode
        for name in own:
            sys.modules.pop(name, None)
            if before[name] is not None:
                sys.modules[name] = before[name]


def read(emitted: Emitted, root: Path) -> Reading:
    """Reads both sets of a job by its own reader, which here goes on after a fault."""
    reading, dataset = Reading(), emitted.dataset
    labeled = "labeled " * any(not task.unlabeled for task in tasks_of(emitted.job))

    def note(
        where: Path,
        samples: list,
        problems: list,
        counts: Counter,
        training: bool = False,
    ) -> None:
        """Takes the place of `report`, and is as patient with broken images."""
        broken = [one for one in problems if isinstance(one[1], dataset.BrokenImage)]
        few = training and len(broken) <= emitted.most_broken(len(samples))
        left_out = broken if few and samples else []
        for name, error in problems:
            listed = reading.left_out if (name, error) in left_out else reading.problems
            listed.append(f"{where}: {name}: {error}")
        if not samples and not problems:
            reading.hopeless.append(f"{where}: no {labeled}images")
        reading.counts.update({what: n for what, n in counts.items() if n})

    dataset.report = note
    try:
        reading.training, reading.validation = dataset.read_datasets(root)
    except SystemExit as error:
        reading.fatal = str(error)
    except Exception as error:  # nothing that a dataset holds may end in a traceback
        reading.fatal = f"{type(error).__name__}: {error}"
    else:
        reading.hopeless += check(emitted, reading)
        if hasattr(dataset, "read_test_set"):
            _read_test_set(dataset, root, reading)
    return reading


def _read_test_set(dataset: ModuleType, root: Path, reading: Reading) -> None:
    """Reads the test set, which training does without."""
    dataset.report = lambda *_: None
    try:
        reading.test = dataset.read_test_set(root)
    except SystemExit as error:
        reading.untested = str(error)
    except Exception as error:  # nothing that a dataset holds may end in a traceback
        reading.untested = f"{type(error).__name__}: {error}"


def check(emitted: Emitted, reading: Reading) -> list[str]:
    """Runs the checks of labels on both sets; returns the messages with which train.py
    would end."""
    said = []
    known = {**vars(emitted.model), **vars(emitted.dataset), **vars(emitted.data)}
    for use, samples in (("train", reading.training), ("validate", reading.validation)):
        if not samples:
            continue  # the reader has told the reason
        for call in emitted.checks:  # text of specc; names of the job are literals
            try:
                eval(call, known | {"use": use, "samples": samples})
            except SystemExit as error:
                said.append(str(error))
    return said


def words_of(emitted: Emitted, sample: Any) -> dict[str, Any]:
    """Returns head -> label of a sample, maps decoded. Raises ValueError."""
    try:
        return emitted.draw.labels_of(sample)
    except Exception as error:  # a broken file can raise any exception
        raise ValueError(str(error)) from None
