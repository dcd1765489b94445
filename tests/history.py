"""Renders of jobs by earlier commits of this repository, each run with its own code."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

from processes import environment

CHECKOUT = Path(__file__).parent.parent
PARTS = ("compiler", "schema", "templates")
# Builds jobs in one process, each into the folder of its own beside it.
BUILDS = """
import sys
from pathlib import Path
from specc.cli import cli
for job in map(Path, sys.argv[1:]):
    try:
        cli.main(["build", "-o", str(job.with_suffix("")), str(job)], standalone_mode=False)
    except Exception as error:
        print(job, error, file=sys.stderr)
"""


@dataclass(frozen=True)
class Render:
    """The files that a commit emits for a job."""

    commit: str
    job: str
    folder: Path

    @property
    def files(self) -> dict[str, bytes]:
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        named = {path.relative_to(self.folder).as_posix(): path for path in found}
        return {
            name: path.read_bytes()
            for name, path in sorted(named.items())
            if not name.startswith(".specc/")
        }


@lru_cache(maxsize=None)
def commits() -> tuple[str, ...]:
    """Returns the commits that changed templates, the oldest first; none where the
    history is not there."""
    call = ["git", "-C", str(CHECKOUT), "log", "--reverse", "--format=%H"]
    call += ["--", "templates"]
    try:
        done = subprocess.run(call, capture_output=True, text=True)
    except OSError:
        return ()
    return tuple(done.stdout.split()) if done.returncode == 0 else ()


def spread(count: int) -> list[str]:
    """Returns so many commits, at equal distances, the oldest and the newest of them
    included."""
    known = commits()
    return [known[round(i * (len(known) - 1) / (count - 1))] for i in range(count)]


def render(commit: str, jobs: dict[str, str], folder: Path) -> list[Render]:
    """Builds jobs, texts by name, as the commit does; a job whose language the commit
    does not know yet has no render."""
    unpack(commit, folder / "code")
    paths = []
    for name, text in jobs.items():
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(text)
    code = folder / "code" / "compiler"
    path = os.pathsep.join([str(code), *sys.path])
    subprocess.run(
        [sys.executable, "-c", BUILDS, *map(str, paths)],
        env=environment(PYTHONPATH=path, XDG_CACHE_HOME=str(folder / "cache")),
        capture_output=True,
        cwd=folder,
    )
    built = [path.with_suffix("") for path in paths]
    return [
        Render(commit, place.name, place)
        for place in built
        if (place / "model.py").exists()
    ]


def unpack(commit: str, folder: Path) -> None:
    """Writes specc as of a commit."""
    call = ["git", "-C", str(CHECKOUT), "archive", commit, *PARTS]
    done = subprocess.run(call, capture_output=True, check=True)
    with tarfile.open(fileobj=BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
