"""Runs an output folder's evaluate.py on its validation images, beside the
labels."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
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
    samples: list
    words: list[dict[str, list[dict]]]  # predictions of detectors
    evidence: list[dict]  # input of the metrics for each sample
    of_segments: set[str]  # heads that divide an image into things and stuff


def find(
    folder: Path, weights: Path, root: Path, device: str | None, workers: int | None
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
    module, words, judged = _imported(folder), [], []
    evidence = []
    if not hasattr(module, "to_annotations"):
        raise click.ClickException(
            f"{folder}/evaluate.py has no `to_annotations`: an earlier specc wrote it,"
            " or you renamed it; build the folder again"
        )
    to_annotations = module.to_annotations

    def kept(*arguments: Any) -> dict:
        of_image = to_annotations(*arguments)
        objects = {x: y for x, y in of_image.items() if isinstance(y, list)}
        words.append(objects)
        return of_image

    def scored(samples: list, known: list[dict], *_: Any) -> dict:
        judged.extend(samples)
        evidence.extend(known)
        return {}

    module.to_annotations, module.score = kept, scored
    given = ["--weights", str(weights), "--data", str(root)]
    given += ["--device", device] if device else []
    given += ["--workers", str(workers)] if workers is not None else []
    parser = module.command_line(module.__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data", type=Path)
    parser.set_defaults(confusion=None, test=False)
    with contextlib.redirect_stdout(io.StringIO()):  # evaluate.py prints metrics
        module.run(module.main, parser.parse_args(given))
    names = {head["name"]: tuple(head.get("categories") or ()) for head in heads}
    of_segments = {head["name"] for head in heads if "things" in head}
    return Found(module, names, judged, words[: len(judged)], evidence, of_segments)


def _imported(folder: Path) -> ModuleType:
    """The folder's evaluate.py, and the modules beside it, which it imports by name."""
    for name in (path.stem for path in folder.glob("*.py")):
        sys.modules.pop(name, None)
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("evaluate")
    finally:
        sys.path.remove(str(folder))
