"""ImageNet weights, proposed to who writes a job: `specc init` never writes them unasked,
as they need a network, or a file of this machine."""

from __future__ import annotations

import json
from typing import Any

import click

from specc.backbones import TABLES
from specc.build import analyze
from specc.datasets.levels import is_legal
from specc.plan.train import HUB

POINTER = "/trainer/initialization"


def say_weights(job: dict[str, Any]) -> None:
    """Prints the edit of a job with which it starts from ImageNet weights, and the
    command for a local file."""
    name = analyze(json.dumps(job).encode())[0].backbone.name
    edit = {"kind": "imagenet"}
    if not is_legal(job, [(POINTER, edit)]):
        return
    file = f"{name}.bin"
    local = edit | {"weights": file}
    click.echo(
        "  weights      at random; from ImageNet, which a run downloads, or a file:"
    )
    click.echo(f"    = edit: set {POINTER} to {json.dumps(edit)}")
    click.echo(f"    = edit: set {POINTER} to {json.dumps(local)}")
    click.echo(f"      curl -L -o {file} {HUB.format(TABLES[name].weights)}")


def say_export() -> None:
    """Prints the edit of a job with which its folder can export to ONNX."""
    click.echo("  export       none; to one ONNX file, compared with model.py:")
    click.echo("    = edit: set /export to true")
