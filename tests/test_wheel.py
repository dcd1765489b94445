"""Installed without the checkout, or editable from it: specc builds a job anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
JOB = {
    "name": "cells",
    "data": {"train": "data/train", "resolution": [256, 256]},
    "model": {"heads": [{"task": "object_detection", "categories": ["a"]}]},
}


def call(*arguments, folder: Path) -> str:
    """Run a command away from the checkout and its settings; its stdout."""
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    environment = {k: v for k, v in os.environ.items() if k not in hidden}
    environment["XDG_CACHE_HOME"] = str(folder / "cache")
    done = subprocess.run(
        [*map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def python(tmp_path: Path) -> Path:
    """A new environment with what this one has, but for specc."""
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    interpreter = tmp_path / "venv" / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(call(interpreter, "-c", code, folder=tmp_path).strip())
    # A plain path line: .pth files over there, such as specc's own, are not read.
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (site / "libraries.pth").write_text("\n".join(sorted(libraries)) + "\n")
    return interpreter


@pytest.mark.slow
@pytest.mark.parametrize(
    "editable",
    [False, pytest.param(True, marks=pytest.mark.soak)],
    ids=["wheel", "editable"],
)
def test_an_installed_specc_builds_in_an_empty_folder(python, tmp_path, editable):
    install = [python, "-m", "pip", "install", "--quiet", "--no-deps"]
    install += ["--no-build-isolation", "--ignore-installed"]
    if editable:
        call(*install, "--editable", CHECKOUT, folder=tmp_path)
    else:
        wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps"]
        wheel += ["--no-build-isolation", "--wheel-dir", tmp_path / "wheels", CHECKOUT]
        call(*wheel, folder=tmp_path)
        (built,) = (tmp_path / "wheels").glob("specc_torch-*.whl")
        call(*install, built, folder=tmp_path)

    code = "import specc; print(specc.__file__)"
    home = CHECKOUT if editable else tmp_path
    assert Path(call(python, "-c", code, folder=tmp_path).strip()).is_relative_to(home)

    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "job.json").write_text(json.dumps(JOB))
    specc = python.with_name("specc")
    assert "ok" in call(specc, "check", "job.json", folder=empty)
    call(specc, "build", "job.json", folder=empty)
    assert (empty / "generated" / "cells" / "model.py").is_file()
    assert "up to date" in call(specc, "build", "--check", "job.json", folder=empty)
    assert "E403" in call(specc, "explain", folder=empty)
    assert "$schema" in call(specc, "schema", folder=empty)
    skill = (CHECKOUT / "SKILL.md").read_text("utf-8")
    assert call(specc, "docs", "skill", folder=empty) == skill
    assert "## Method and loss" in call(specc, "docs", "regression", folder=empty)
    assert "pip install" in call(specc, "docs", "tutorial", folder=empty)
