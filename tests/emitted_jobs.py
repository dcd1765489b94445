"""Small jobs whose emitted code is tested, and ways to import what is emitted."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

from specc.build import Compiled, analyse
from specc.diagnostics import JobError
from specc.emit.render import render
from specc.graph.cost import summarize
from specc.language.schema import head as head_schema
from specc.plan.extras import PLAIN, Extras
from specc.plan.page import plan

GENERATED = Path(__file__).parent.parent / "generated"
MODEL_SIZE = 96, 160  # height and width, where model.py is tested
DATA_SIZE = 64, 96  # where dataset.py and data.py are tested
FPN = {"kind": "fpn", "bottom_level": 3, "top_level": 6, "channels": 32}
NAMES = ("a", "b", "no")
DETECTION = {"name": "cells", "task": "object_detection", "categories": NAMES}
CLASSES = {"name": "kind", "task": "multiclass_classification", "categories": NAMES}


def write(compiled: Compiled, folder: Path) -> Path:
    for name, text in compiled.files.items():
        (folder / name).write_text(text, "utf-8")
    return folder


def compile_raw(data: bytes, extras: Extras = PLAIN) -> Compiled:
    """As compile_job, but without black, which takes most of its time: for tests of what
    code does, not of how it looks."""
    job, graph, findings = analyse(data)
    if any(finding.is_error for finding in findings):
        raise JobError(findings)
    page, summary = plan(job, graph, extras), summarize(job, graph)
    return Compiled(job, render(page), tuple(findings), summary, page.model_class)


def build(job: dict, folder: Path) -> Path:
    """The folder, with all files of a job."""
    return write(compile_raw(json.dumps(job).encode()), folder)


def reads_levels(heads: Iterable[dict]) -> bool:
    """Whether a head reads several levels, which a neck makes."""
    options = [head_schema(head["task"])["properties"] for head in heads]
    return any("bottom_level" in of_head for of_head in options)


def make(folder: Path, heads: list[dict], resolution=MODEL_SIZE, **data) -> Path:
    """The folder of a job with a neck that reaches level 6, where a head needs one."""
    model = {"backbone": {"name": "resnet18"}, "heads": heads}
    job = {
        "name": "tested",
        "data": {"train": "train", "resolution": resolution} | data,
        "model": model | ({"neck": FPN} if reads_levels(heads) else {}),
    }
    return build(job, folder)


def make_reader(folder: Path, heads: tuple[dict, ...], data: dict) -> Path:
    """The folder of a job with batches of four, and these options of its data."""
    neck = {"kind": "fpn", "bottom_level": 3, "top_level": 5, "channels": 32}
    job = {
        "name": "tested",
        "data": {"train": "train", "resolution": DATA_SIZE} | data,
        "model": {
            "heads": heads,
            "neck": neck if reads_levels(heads) else {"kind": "none"},
        },
        "trainer": {"batch_size": 4},
    }
    return build(job, folder)


def detecting(*categories: str, **options) -> dict:
    return {"task": "object_detection", "categories": categories} | options


def load(path: Path) -> ModuleType:
    """A module of a file, under a name that is the file's own."""
    name = f"emitted_{abs(hash(path))}"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Emitted(NamedTuple):
    """Modules of one folder; each may import those before it."""

    dataset: ModuleType
    data: ModuleType


def load_data(folder: Path) -> Emitted:
    """The dataset.py and data.py of a folder, which import the model.py beside them."""
    modules = load_all(folder, "dataset", "data")
    return Emitted(modules.dataset, modules.data)


def load_all(folder: Path, *names: str) -> SimpleNamespace:
    """Modules of a folder by name; they import one another."""
    own = [path.stem for path in folder.glob("*.py")]
    before = {name: sys.modules.pop(name, None) for name in own}
    sys.path.insert(0, str(folder))
    try:
        return SimpleNamespace(**{n: importlib.import_module(n) for n in names})
    finally:
        sys.path.remove(str(folder))
        for name in own:
            sys.modules.pop(name, None)
            if before[name] is not None:
                sys.modules[name] = before[name]
