"""`specc build --verify`: compares the emitted model with the level graph.

The model runs on torch's meta device: nothing is computed and no weight is allocated;
only names and shapes are compared.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from specc.build import Compiled
from specc.diagnostics import fail
from specc.graph.cost import Summary
from specc.resources import install
from specc.timm.models import is_timm

_PROBE = Path(__file__).with_name("probe.py")
_NO_TORCH = 3  # the probe's exit code without torch


class Mismatch(Exception):
    """The emitted model is not what the level graph says: specc's own fault."""


def verify(compiled: Compiled) -> None:
    """Raises Mismatch with every difference; JobError E408 without torch."""
    found = _probe(compiled)
    differences = compare(compiled.summary, found)
    if differences:
        raise Mismatch(
            "the emitted model is not the graph's: " + "; ".join(differences)
        )


def differences_of(compiled: Compiled, model: Path) -> list[str]:
    """Differences between the level graph and a model.py that was edited, in words.

    Raises JobError E408 without torch.
    """
    texts = compiled.files | {"model.py": model.read_text(encoding="utf-8")}
    try:
        return compare(compiled.summary, _probe(replace(compiled, files=texts)))
    except Mismatch as reason:
        return [str(reason)]


def compare(summary: Summary, found: dict) -> list[str]:
    """Returns the differences in words; `found` is the JSON that probe.py prints."""
    differences = []
    if found["parameters"] != summary.parameters:
        differences.append(
            f"parameters: graph {summary.parameters:,}, model {found['parameters']:,}"
        )
    expected = {key: list(shape) for key, shape in summary.state.items()}
    differences += _unequal("state dict", expected, found["state"])
    differences += _unequal(
        "outputs", _named_outputs(summary), _found_outputs(summary, found["outputs"])
    )
    return differences


def _probe(compiled: Compiled) -> dict:
    height, width = compiled.job.data.resolution
    arguments = [str(value) for value in (height, width, compiled.job.data.channels)]
    if is_timm(compiled.job.backbone.name):
        arguments.append("timm")
    with tempfile.TemporaryDirectory() as folder:
        for path, text in compiled.files.items():
            place = Path(folder, path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        model = str(Path(folder, "model.py"))
        done = subprocess.run(
            [
                sys.executable,
                "-B",
                str(_PROBE),
                model,
                compiled.model_class,
                *arguments,
            ],
            capture_output=True,
            text=True,
        )
    if done.returncode == _NO_TORCH:
        fail(
            "E408",
            "--verify imports the emitted model.py, and torch is not installed here",
            help=f"{install('train')}, or build without --verify",
        )
    if done.returncode:
        raise Mismatch(f"the emitted model.py does not run:\n{done.stderr.rstrip()}")
    return json.loads(done.stdout.splitlines()[-1])


def _named_outputs(summary: Summary) -> dict[str, list[int]]:
    return {
        f"{head}.{name}": list(shape)
        for head, named in summary.outputs.items()
        for name, shape in named.items()
    }


def _found_outputs(summary: Summary, outputs: dict | list) -> dict[str, list[int]]:
    """Returns the model's outputs under the graph's names; outputs that the graph does
    not have are left out."""
    heads = list(summary.outputs)
    by_head = {heads[0]: outputs} if len(heads) == 1 else outputs
    found = {}
    for head, named in summary.outputs.items():
        for name in named:
            value = by_head.get(head)
            value = _leaves(value).get(name) if isinstance(value, dict) else value
            if value is not None:
                found[f"{head}.{name}"] = value
    return found


def _leaves(outputs: dict) -> dict[str, list]:
    """Returns shapes by name, including those nested under the name of a head."""
    found = {}
    for name, value in outputs.items():
        found |= _leaves(value) if isinstance(value, dict) else {name: value}
    return found


def _unequal(what: str, expected: dict, found: dict) -> list[str]:
    keys = [*expected, *(key for key in found if key not in expected)]
    wrong = [key for key in keys if expected.get(key) != found.get(key)]
    shown = [
        f"{what} `{key}`: graph {expected.get(key, 'none')}, model {found.get(key, 'none')}"
        for key in wrong[:5]
    ]
    if len(wrong) > 5:
        shown.append(f"{what}: {len(wrong) - 5} more")
    return shown
