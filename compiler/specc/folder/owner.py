"""The owner of an output folder: specc writes only where it wrote, and for one job."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from specc.diagnostics import fail
from specc.folder import record
from specc.folder.judge import Output, is_same_file
from specc.folder.record import Record


def refuse_foreign(output: Output, known: Sequence[Record]) -> None:
    """Raises E402 if the folder holds a file that specc does not know.

    The job file, a schema for the editor and hidden files are allowed.
    """
    folder = output.folder
    if not folder.exists() or known or record.exists(folder):
        return
    if not folder.is_dir():
        fail(
            "E404",
            f"the output folder `{folder}` is a file",
            help="move the file away, or choose another folder with -o",
        )
    found = sorted(path for path in folder.iterdir() if not _is_harmless(path, output))
    if found:
        lost = (folder / "job.json").is_file()
        adopt = f"; if specc wrote it and its record was lost: `specc adopt {folder}`"
        fail(
            "E402",
            f"the output folder `{folder}` is not empty, and specc did not write it",
            note=f"it holds {_listed([path.name for path in found])}",
            help="choose an empty folder with -o, or move these files away"
            + (adopt if lost else ""),
        )


def refuse_other_job(output: Output, known: Sequence[Record]) -> None:
    """Raises E438 if another job than this one was built into the folder.

    The folder's own `job.json` is always its job, also under a new name.
    """
    copy, name = output.folder / "job.json", output.job["name"]
    names = {
        x.job["name"] for x in known if isinstance(x.job, dict) and "name" in x.job
    }
    if not names and known == ():
        names = _name_in(copy)
    if not names or name in names or is_same_file(copy, output.source):
        return
    other = sorted(map(str, names))[0]
    fail(
        "E438",
        f"the output folder `{output.folder}` holds the job `{other}`, not `{name}`",
        note=f"its job is `{copy}`",
        help="choose another folder with -o; if the job has a new name, copy it to "
        f"`{copy}`, and build that with -o {output.folder}",
    )


def _name_in(path: Path) -> set[str]:
    try:
        return {json.loads(path.read_bytes())["name"]}
    except (OSError, ValueError, TypeError, KeyError):
        return set()


def _is_harmless(path: Path, output: Output) -> bool:
    hidden = path.name.startswith(".")
    own = path.name == "job.schema.json" or is_same_file(path, output.source)
    return hidden or own


def _listed(names: Sequence[str], limit: int = 5) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:limit])
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown
