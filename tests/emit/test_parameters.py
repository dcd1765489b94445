"""Functions of emitted readers and metrics take nothing that they do not use."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from specc.build import compile_job

GENERATED = Path(__file__).parents[2] / "generated"


@pytest.mark.slow
@pytest.mark.sample("rooms")
@pytest.mark.parametrize("name", ["documents", "rooms", "flowers", "micrographs"])
def test_readers_and_metrics_use_their_parameters(name):
    job = (GENERATED / name / "job.json").read_bytes()
    unused = []
    for file in ("dataset.py", "evaluate.py", "data.py", "draw.py", "model.py"):
        for one in ast.walk(ast.parse(compile_job(job).files[file])):
            if isinstance(one, ast.FunctionDef):
                read = {x.id for x in ast.walk(one) if isinstance(x, ast.Name)}
                given = {x.arg for x in one.args.args} - {"self", "cls", "_"}
                unused += [(file, one.name, x) for x in given - read]
    assert not unused
