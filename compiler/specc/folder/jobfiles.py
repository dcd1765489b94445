"""Job files on the command line: read once, and each given its output folder."""

from __future__ import annotations

import json
import keyword
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from specc.diagnostics import fail
from specc.folder import record
from specc.folder.judge import is_same_file
from specc.folder.texts import is_same
from specc.plan.extras import CONTRACT, INIT, Extras

# Modules that an emitted folder may import: a package of the same name would hide them.
_TAKEN = sys.stdlib_module_names | {
    *("PIL", "cv2", "defusedxml", "faster_coco_eval", "matplotlib", "numpy", "pytest"),
    *("safetensors", "tensorboard", "timm", "torch", "torchvision", "tqdm", "yaml"),
}


@dataclass(frozen=True)
class JobFile:
    """A job file as read; ``name`` and ``folder`` are empty where the job is wrong.

    ``extras`` is the form of the folder.
    """

    path: str  # path as the user wrote it
    data: bytes
    name: str
    folder: Path | None
    extras: Extras


@dataclass(frozen=True)
class Wanted:
    """Flags of a build: True, False, or None for the form of the folder's last
    build."""

    tests: bool | None = None
    package: bool | None = None


def open_job(
    path: str, out: Path | None, several: bool, wanted: Wanted = Wanted()
) -> JobFile:
    """Reads a job and finds its output folder. Raises JobError E401, E407, E410."""
    data = read(path)
    name = _name(data)
    folder = _folder(path, name, out, several) if name else None
    return JobFile(path, data, name, folder, extras_of(folder, wanted))


def extras_of(folder: Path | None, wanted: Wanted = Wanted()) -> Extras:
    """Returns the form that the flags ask for, or else the form of the last build.

    Raises JobError E410.
    """
    if folder is None:  # the passes will report what is wrong with the job
        return Extras()
    tests, package = wanted.tests, wanted.package
    if tests is None:
        tests = record.emitted(folder, CONTRACT)
    if package is None:
        package = record.emitted(folder, INIT)
    return Extras(tests, _package_name(folder) if package else "")


def _package_name(folder: Path) -> str:
    """Returns the folder's name. Raises JobError E410 if Python cannot import it."""
    name = Path(os.path.abspath(folder)).name
    spelled = re.sub(r"\W", "_", name)
    if not name.isidentifier() or keyword.iskeyword(name):
        why = "Python cannot import a package of that name"
    elif name in _TAKEN:
        why = "Python would take it for the module of that name"
    else:
        return name
    other = spelled if spelled != name and spelled.isidentifier() else f"{name}_net"
    fail(
        "E410",
        f"`{name}` cannot be the folder of a package: {why}",
        help=f"choose a folder with -o, such as `{folder.parent / other}`",
    )


def read(path: str) -> bytes:
    """Returns the bytes of a job file. Raises JobError E401."""
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        if os.path.isdir(path) and os.path.exists(os.path.join(path, "job.json")):
            help = f"give the file: `{os.path.join(path, 'job.json')}`"
        else:
            help = "give the path of a job file, such as `job.json`"
        fail("E401", f"cannot read the job `{path}`: {reason}", help=help)


def one_for_each_folder(files: Sequence[JobFile]) -> list[JobFile]:
    """Returns the jobs without those that are the copy of another one in its output
    folder. Raises JobError E406 if two jobs would be written to one folder."""
    owners: dict[str, JobFile] = {}
    for file in files:
        place = os.path.realpath(file.folder or file.path)
        owner = owners.get(place)
        owners[place] = file if owner is None else _source(owner, file)
    return list(owners.values())


def _source(one: JobFile, other: JobFile) -> JobFile:
    """Returns the one of two jobs of a folder that the other one is a copy of. Raises
    JobError E406."""
    if is_same_file(Path(one.path), Path(other.path)):
        return one
    facts = {
        "help": "give the jobs different names, or build them one at a time with -o"
    }
    for copy, source in ((one, other), (other, one)):
        if not _is_copy(copy):
            continue
        texts = [source.data]
        texts += [x.texts.get("job.json") for x in record.sides(copy.folder)]
        if any(
            text is not None and is_same("job.json", copy.data, text) for text in texts
        ):
            return source
        facts = {
            "note": f"`{copy.path}` is the copy that a build leaves, and it was edited",
            "help": "copy the job that is right over the other one",
        }
    fail(
        "E406",
        f"`{one.path}` and `{other.path}` would both be written to `{one.folder}`",
        **facts,
    )


def _is_copy(file: JobFile) -> bool:
    """Returns whether a job is the one that a build keeps in its output folder."""
    return is_same_file(Path(file.path), file.folder / "job.json")


def _name(data: bytes) -> str:
    """Returns the job's name, without running any pass; empty where the job is
    wrong."""
    try:
        name = json.loads(data)["name"]
        return name if re.fullmatch("[a-z][a-z0-9_-]*", name) else ""
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _folder(path: str, name: str, out: Path | None, several: bool) -> Path:
    if out is not None:
        return out / name if several else out
    own = Path(os.path.abspath(path)).parent
    is_own = own.name == name and not _holds_data(own)
    is_own |= Path(path).name == "job.json" and record.exists(own)
    return Path(path).parent if is_own else Path("generated", name)


def _holds_data(folder: Path) -> bool:
    """Returns whether the folder holds folders and specc has not written it, as is so
    of the folder of a dataset."""
    inner = (path for path in folder.iterdir() if path.is_dir())
    written = record.exists(folder)
    return not written and any(not path.name.startswith(".") for path in inner)
