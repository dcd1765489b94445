"""Runs an output folder's evaluate.py on its validation images, beside the
labels."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import inspect
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import click


@dataclass(frozen=True)
class Found:
    """Samples, and by head the predictions for each, as evaluate.py gives them."""

    evaluate: ModuleType
    heads: dict[str, tuple[str, ...]]  # their categories, if they have some
    samples: Sequence
    words: list[dict[str, list[dict]]]  # predictions of detectors
    evidence: list[dict]  # input of the metrics for each sample
    of_segments: set[str]  # heads that divide an image into things and stuff
    # Returns metrics from evidence, and predictions for samples.
    score: Callable[[Sequence, list[dict]], dict[str, float]]
    predict: Callable[[Sequence], list[dict]]


class Judging:
    """Hooks in a module evaluate.py that keep what passes by while its `main` runs."""

    def __init__(self, module: ModuleType):
        self.module, self.words, self.evidence = module, [], []
        self.samples: Sequence = ()
        self._model = self._device = None
        self._given: dict[str, Any] = {}
        self._hooks = {
            "to_annotations": self._to_annotations,
            "predict_samples": self._predict_samples,
            "score": self._score,
        }
        self._own = {name: getattr(module, name) for name in self._hooks}

    def run(self, arguments: argparse.Namespace) -> None:
        """Raises SystemExit as evaluate.py does."""
        vars(self.module).update(self._hooks)
        try:
            with contextlib.redirect_stdout(
                io.StringIO()
            ):  # evaluate.py prints metrics
                self.module.run(self.module.main, arguments)
        finally:
            vars(self.module).update(self._own)

    def score(self, samples: Sequence, evidence: list[dict]) -> dict[str, float]:
        """Returns the metrics of some of the samples."""
        given = {"samples": samples, "found": evidence}
        own = self._own["score"]
        kept = {name: given.get(name, value) for name, value in self._given.items()}
        return own(**kept)

    def predict(self, samples: Sequence) -> list[dict]:
        """Returns all that is predicted for some of the samples."""
        return self._own["predict_samples"](self._model, samples, self._device)

    def _to_annotations(self, *arguments: Any) -> dict:
        of_image = self._own["to_annotations"](*arguments)
        self.words.append({x: y for x, y in of_image.items() if isinstance(y, list)})
        return of_image

    def _predict_samples(self, model, samples: Sequence, device, *more, **how) -> list:
        self._model, self.samples, self._device = model, samples, device
        return self._own["predict_samples"](model, samples, device, *more, **how)

    def _score(self, *arguments: Any) -> dict:
        """Keeps what the metrics are made of; their signature depends on the heads."""
        signature = inspect.signature(self._own["score"])
        self._given = dict(signature.bind(*arguments).arguments)
        self.evidence = self._given["found"]
        return {}


def find(
    folder: Path,
    weights: Path,
    root: Path,
    device: str | None,
    workers: int | None,
    test: bool = False,
) -> Found:
    """Runs the folder's evaluate.py as its command line does, and keeps what passes by.

    Raises ClickException where the folder is none of specc's; SystemExit as evaluate.py
    does.
    """
    path = folder / "resolved.json"
    if not (folder / "evaluate.py").exists() or not path.exists():
        raise click.ClickException(
            f"{folder} has no evaluate.py and resolved.json; name a folder that"
            " `specc build` wrote"
        )
    heads = json.loads(path.read_text("utf-8"))["model"]["heads"]
    module = imported(folder, "evaluate")
    if not hasattr(module, "to_annotations"):
        raise click.ClickException(
            f"{folder}/evaluate.py has no `to_annotations`: an earlier specc wrote it,"
            " or you renamed it; build the folder again"
        )
    judging = Judging(module)
    given = ["--weights", str(weights), "--data", str(root)]
    given += ["--device", device] if device else []
    given += ["--workers", str(workers)] if workers is not None else []
    judging.run(_arguments(module, given, test))
    names = {head["name"]: tuple(head.get("categories") or ()) for head in heads}
    of_segments = {head["name"] for head in heads if "things" in head}
    return Found(
        module,
        names,
        judging.samples,
        judging.words[: len(judging.samples)],
        judging.evidence,
        of_segments,
        judging.score,
        judging.predict,
    )


def _arguments(module: ModuleType, given: list[str], test: bool) -> argparse.Namespace:
    """Returns what the command line of an evaluate.py gives to its `main`."""
    parser = module.command_line(module.__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data", type=Path)
    parser.set_defaults(confusion=None, test=test, onnx=None)
    return parser.parse_args(given)


def imported(folder: Path, name: str) -> ModuleType:
    """Returns a module of a folder, imported anew, as those beside it are that it
    imports; of a package, by the package's name."""
    for other in (path.stem for path in folder.glob("*.py")):
        sys.modules.pop(other, None)
    package = Path(os.path.abspath(folder)).name
    return beside(folder, package if (folder / "__init__.py").exists() else "", name)


def beside(folder: Path, package: str, name: str) -> ModuleType:
    """Returns a module of a folder, of which others may be imported already."""
    place = Path(os.path.abspath(folder))
    place, name = (place.parent, f"{package}.{name}") if package else (place, name)
    sys.path.insert(0, str(place))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(place))
