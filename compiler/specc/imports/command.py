"""`specc import`: reads a dataset with datumaro, and writes it in the native layout."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from specc.datasets import foreign, labelme
from specc.datasets.files import Unreadable, require
from specc.diagnostics import fail
from specc.imports.python import python_with_datumaro
from specc.words import listed, number_of

SCRIPT = Path(__file__).with_name("records.py")
ANY, UNKNOWN = "?", 3  # the script recognizes the format; exit code: it does not
WARNING = "WARNING:"  # begin of a line of datumaro on stderr


def import_dataset(
    source: Path,
    output: Path,
    form: str | None,
    tasks: tuple[str, ...],
    python: Path | None,
    copied: bool,
) -> int:
    """Writes the dataset, and prints what it holds. Raises JobError E421, E424 to
    E430."""
    require("cv2", "numpy", "PIL", "yaml")
    if not source.exists():
        help = "name the folder of a dataset, or the file that describes it"
        fail("E421", f"there is no `{source}`", help=help)
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        help = "name another folder by -o, or remove this one"
        fail("E430", f"`{output}` is there already, and not an empty folder", help=help)
    files = labelme.files_in(source) if form in (None, labelme.FORM) else []
    if not files:
        python = python_with_datumaro(python)
    output.parent.mkdir(parents=True, exist_ok=True)
    # The dataset is written beside its place, and moved there once it is whole.
    with TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        made = Path(scratch) / "read"
        made.mkdir()
        if files:
            records = labelme.records(source, files, made)
        else:
            _read(python, source, form, made)
            records = _records(made / "records.jsonl")
        native = Path(scratch) / "native"
        entries = _write(source, records, made, native, tasks, copied)
        if output.exists():
            output.rmdir()
        shutil.move(native, output)
    _say_next(output, entries)
    return 0


def _read(python: Path, source: Path, form: str | None, folder: Path) -> None:
    """Runs the script that writes the records. Raises JobError E426, E427."""
    place = str(source.absolute())
    call = [str(python), str(SCRIPT), place, form or ANY, str(folder)]
    done = subprocess.run(call, capture_output=True, text=True, errors="replace")
    lines = done.stdout.strip().splitlines()
    if done.returncode == UNKNOWN and lines:
        widest = min(lines, key=len)  # reads all that its variants read
        if all(line.startswith(widest) for line in lines):
            return _read(python, source, widest, folder)
        message = f"`{source}` fits {len(lines)} layouts: {listed(lines, 'and')}"
        fail("E426", message, help=f"add --from {' or --from '.join(lines)}")
    if done.returncode == UNKNOWN and (known := foreign.recognized(source)):
        return _read(python, source, known, folder)
    if done.returncode == UNKNOWN:
        message = f"datumaro recognizes no layout in `{source}`"
        help = "name its format by --from (docs: datumaro's formats), or another folder"
        fail("E426", message, help=help)
    warned = [line for line in done.stderr.splitlines() if line.startswith(WARNING)]
    for line in dict.fromkeys(warned):
        said = line.removeprefix(WARNING).removeprefix("root:")
        click.echo(f"{source}: datumaro: {said}", err=True)
    if done.returncode:
        said = lines or done.stderr.strip().splitlines() or ["no reason given"]
        message = f"datumaro cannot read `{source}`" + f" as {form}" * bool(form)
        help = "mend what the note names, or name another format by --from"
        fail("E427", message, note=said[-1][:500], help=help)


def _write(
    source: Path,
    records: Iterator[dict],
    made: Path,
    folder: Path,
    tasks: tuple[str, ...],
    copied: bool,
) -> list[dict]:
    """Writes the native dataset; tells what is in it, and what is left out. Raises
    JobError E427."""
    from specc.imports import native

    images = native.Images(folder, copied, made)
    try:
        sets = native.gathered(records, images)
    except Unreadable as error:
        fail("E427", f"`{source}`: {error}", help="mend that file")
    if not sets.pictures:
        left = "; ".join(native.counted(sets.counts))
        message = f"`{source}` holds no image that can be read, as {sets.form}"
        fail(
            "E427", message, note=left, help="unpack the images beside the annotations"
        )
    entries = native.write(sets, folder, tasks or (*native.LISTS, *native.MAPS))
    click.echo(f"{click.style(str(source), bold=True)}: read as {sets.form}")
    for split, pictures in sets.pictures.items():
        click.echo(f"  {split:11}  {number_of(len(pictures), 'image')}")
    for entry in entries:
        names = entry.get("categories") or entry.get("labels") or entry.get("keypoints")
        held = f": {', '.join(names):.100}" if names else ""
        click.echo(f"  {'holds':11}  {entry['task']}{held}")
    if not entries:
        click.echo("  holds        images alone: no annotation has a counterpart")
    if images.unlinked:
        click.echo(f"{source}: images copied, links are not possible", err=True)
    for line in native.counted(sets.counts):
        click.echo(f"{source}: left out: {line}", err=True)
    return entries


def _records(path: Path) -> Iterator[dict]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _say_next(output: Path, entries: list[dict]) -> None:
    click.echo(f"wrote {output}")
    task = entries[0]["task"].replace(" ", "_") if entries else "autoencoding"
    click.echo(f"next: specc init {task} --data {shlex.quote(str(output))}")
