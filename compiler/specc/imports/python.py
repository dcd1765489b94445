"""The Python that has datumaro, whose pinned OpenCV and Pillow are not those of
training: the user's, or one in an environment that specc makes in the user's cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import venv
from contextlib import suppress
from pathlib import Path

import click

from specc.diagnostics import fail

DATUMARO = "1.13.12"  # the release whose records are tested
SCRIPTS = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")


def python_with_datumaro(given: Path | None) -> Path:
    """Returns the path of a Python that imports datumaro; makes an environment with
    one, and says so, unless one is given or there. Raises JobError E425."""
    if given is not None:
        if not _has_datumaro(given):
            help = f"install it there: {given} -m pip install datumaro=={DATUMARO}"
            fail("E425", f"`{given}` is no Python with datumaro", help=help)
        return given
    home = environment()
    python = home.joinpath(*SCRIPTS)
    if not _has_datumaro(python):
        _make(home)
    return python


def environment() -> Path:
    """Returns the folder of the environment, in the user's cache."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "specc" / f"datumaro-{DATUMARO}"


def _has_datumaro(python: Path) -> bool:
    try:
        call = [str(python), "-c", "import datumaro"]
        return subprocess.run(call, capture_output=True).returncode == 0
    except OSError:
        return False


def _make(home: Path) -> None:
    """Makes the environment anew, where a killed attempt may have left one without
    datumaro. Raises JobError E425."""
    click.echo(
        f"specc import: making an environment with datumaro {DATUMARO} in {home},"
        " once; it takes about 600 MB",
        err=True,
    )
    with suppress(OSError):
        shutil.rmtree(home)
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        venv.create(home, with_pip=True)
        pip = [str(home.joinpath(*SCRIPTS)), "-m", "pip", "install", "--quiet"]
        done = subprocess.run([*pip, f"datumaro=={DATUMARO}"], stderr=subprocess.PIPE)
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        made = done.returncode == 0 and _has_datumaro(home.joinpath(*SCRIPTS))
    except (OSError, subprocess.CalledProcessError) as error:
        made, reason = False, [str(error)]
    if not made:
        shutil.rmtree(home, ignore_errors=True)
        help = (
            f"name a Python by --python that has it: pip install datumaro=={DATUMARO}"
        )
        what = f"no environment with datumaro {DATUMARO} could be made in `{home}`"
        fail("E425", what, note="; ".join(reason), help=help)
