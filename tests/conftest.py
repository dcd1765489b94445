"""Settings of all tests, and fixtures that several files share.

Modules that take seconds to import are imported by the fixtures that need them.
"""

from __future__ import annotations

import gc
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from emitted_jobs import (
    DETECTION,
    GENERATED,
    Emitted,
    detecting,
    load,
    load_data,
    make,
    make_reader,
)

CACHES = itertools.count()

pytest.register_assert_rewrite("outputs", "runs")  # asserts show values


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config, items: list[pytest.Item]) -> None:
    """A soak test is slow too: `-m "not slow"` is the quick part. Files that take long
    come first, so that no process of several ends with one alone."""
    mark_beside_samples(items, whole="::" not in "".join(config.args))
    weights = Counter()
    for item in items:
        if item.get_closest_marker("soak"):
            item.add_marker("slow")
        elif item.get_closest_marker("slow"):
            weights[item.path] += 1
    items.sort(key=lambda item: -weights[item.path])


def mark_beside_samples(items: list[pytest.Item], whole: bool) -> None:
    """Marks the cases of tests with a `sample`: cases that it does not name are soak, or
    what its `rest` says; of those named all but the `quick` ones are slow, where there
    are such.
    Raises UsageError where `whole` files lack a case that is named."""
    named, found = {}, defaultdict(set)
    for item in items:
        if sample := item.get_closest_marker("sample"):
            place = item.nodeid.partition("[")[0]
            named[place] = set(sample.args)
            found[place].add(item.callspec.id)
            if item.callspec.id not in sample.args:
                item.add_marker(sample.kwargs.get("rest", "soak"))
            elif item.callspec.id not in sample.kwargs.get("quick", sample.args):
                item.add_marker("slow")
    for place, cases in named.items():
        if whole and cases - found[place]:
            raise pytest.UsageError(f"{place}: no cases {cases - found[place]}")


def pytest_collection_finish() -> None:
    """Keeps garbage collection from looking through what was imported and collected."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """A cache of its own, not there yet: no test reads or writes the user's."""
    folder = tmp_path_factory.getbasetemp() / "caches" / str(next(CACHES))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys, place, monkeypatch) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line in an empty folder: exit code, stdout, stderr."""
    from specc import cli

    monkeypatch.delenv("SPECC_DEBUG", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        return cli.run_cli([*arguments]), *capsys.readouterr()

    return run


# ---- Output folders ----


@pytest.fixture
def source(tmp_path) -> Path:
    """A job's file."""
    from outputs import JOB

    path = tmp_path / "cells.json"
    path.write_bytes(JOB)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Returns the output folder, which does not exist yet."""
    return tmp_path / "out" / "cells"


# ---- Emitted modules ----


@pytest.fixture(scope="module")
def one_thread():
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def detector(tmp_path_factory) -> ModuleType:
    """A model.py whose one head, `cells`, detects the categories a, b and c."""
    made = tmp_path_factory.mktemp("detector")
    return load(make(made, [detecting("a", "b", "c", name="cells")]) / "model.py")


@pytest.fixture(scope="module")
def classifier() -> ModuleType:
    return load(GENERATED / "photos" / "model.py")


@pytest.fixture(scope="module", params=["blood-cells", "shapes-and-scenes"])
def golden(request) -> ModuleType:
    """A model.py with a detection head."""
    return load(GENERATED / request.param / "model.py")


@pytest.fixture(scope="session")
def emitted(tmp_path_factory) -> Callable[..., Emitted]:
    """Compiles and imports: emitted(*heads, **data) -> modules, once for each job."""
    made: dict[str, Emitted] = {}

    def get(*heads: dict, **data) -> Emitted:
        key = json.dumps([heads, data])
        if key not in made:
            folder = tmp_path_factory.mktemp("emitted")
            made[key] = load_data(make_reader(folder, heads, data))
        return made[key]

    return get


@pytest.fixture
def dataset(emitted) -> ModuleType:
    """The dataset.py of a detector."""
    return emitted(DETECTION, validation="val").dataset


@pytest.fixture
def data(emitted) -> ModuleType:
    """The data.py beside it."""
    return emitted(DETECTION, validation="val").data


# ---- Emitted runs ----


@pytest.fixture(scope="session")
def world(tmp_path_factory) -> Path:
    """A folder with a dataset, in which jobs stand side by side."""
    from specc.shapes.dataset import draw_dataset

    folder = tmp_path_factory.mktemp("world")
    draw_dataset(folder / "shapes", train=16, validation=4)
    return folder


@pytest.fixture(scope="session")
def whole(world) -> Path:
    """The output of a run that nothing interrupted."""
    import runs

    runs.train(runs.make(world / "detector", runs.SHAPES), "runs/whole", curves=True)
    return world / "runs" / "whole"
