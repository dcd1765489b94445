"""`specc sweep`: the jobs of a grid, from one job and values for some of its fields."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import click

from specc.commands.jobs import say_findings
from specc.diagnostics import Diagnostic, JobError, fail, likely, pointer_of, put
from specc.diagnostics import Path as Place
from specc.folder import jobfiles
from specc.language.load import load
from specc.language.patch import parts_of, patch_of
from specc.language.rewrite import rewritten
from specc.words import clip, number_of

MOST_JOBS = 1000
LONGEST = 64  # characters of a name


class Setting(NamedTuple):
    """A field and the values that it takes."""

    place: Place
    values: list[Any]


class Made(NamedTuple):
    """A job of the grid, and the file that it is written to."""

    path: Path
    data: bytes


def sweep(job: str, given: Sequence[str], output: Path | None, force: bool) -> int:
    """Writes all jobs, or none: where one is wrong the exit code is 1.

    Raises JobError E401, E405, E449, E450, and what the reader finds in the job.
    """
    data = jobfiles.read(job)
    value = load(data).value
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(name, str):
        say_findings(findings_of(data), data, job)
        return 1
    settings = [_setting(text, value) for text in given]
    _refuse_twice(settings)
    folder = output or Path(f"{name}-sweep")
    made = list(_grid(data, value, settings, folder))
    _refuse_equal_names(made)
    if _are_wrong(made):
        click.echo("nothing is written: these are jobs of the grid", err=True)
        return 1
    new = _new(made, force)
    _write(folder, new)
    jobs = number_of(len(new), "job")
    click.echo(f"{folder}: {jobs} written, {len(made) - len(new):,} as before")
    for one in made:
        click.echo(f"  {one.path.name}")
    click.echo(f"next: specc build {shlex.quote(str(folder))}/*.json")
    return 0


# ---- The grid ----


def _setting(text: str, job: dict[str, Any]) -> Setting:
    """Returns the field and the values that `--set` names. Raises JobError E449."""
    field, equals, values = text.partition("=")
    if not equals or not field or not values:
        help = "write FIELD=VALUE,VALUE, such as trainer.batch_size=8,16"
        fail("E449", f"`--set {clip(text)}` names no field and values", help=help)
    keys = parts_of(field) if field.startswith("/") else field.split(".")
    return Setting(_place(keys, job), _values(values))


def _place(keys: list[str], job: Any) -> Place:
    """Returns the path of a field; a head is named, or counted from 0. Raises JobError
    E449."""
    path: list[str | int] = []
    inside = job
    for key in keys:
        if isinstance(inside, list):
            named = {str(i): i for i in range(len(inside))}
            named |= {name_of(x): i for i, x in enumerate(inside) if name_of(x)}
            if key not in named:
                known = ", ".join(named)
                place = f"{pointer_of(tuple(path))}/{key}"
                help = f"name one of {known}"
                fail("E449", f"the job has nothing at `{place}`", help=help)
            path.append(named[key])
        else:
            path.append(key)
        inside = _inside(inside, path[-1])
    return tuple(path)


def name_of(head: Any) -> str | None:
    """Returns the name of a head, which is its task where the job gives it none."""
    names = (head.get("name"), head.get("task")) if isinstance(head, dict) else ()
    return next((name for name in names if isinstance(name, str)), None)


def _inside(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) else None


def _values(text: str) -> list[Any]:
    """Returns the values of a list without brackets: JSON, or texts without quotes."""
    try:
        return json.loads(f"[{text}]")
    except ValueError:
        return [_value(one) for one in _split(text)]


def _split(text: str) -> list[str]:
    """Returns the parts between the commas that are in no brackets."""
    depth, parts = 0, [""]
    for char in text:
        depth += (char in "[{") - (char in "]}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _refuse_twice(settings: Sequence[Setting]) -> None:
    """Raises JobError E449 for a field that is set twice, and for too many jobs."""
    places = [setting.place for setting in settings]
    for place in places:
        if places.count(place) > 1:
            pointer = pointer_of(place)
            help = "give all its values in one --set"
            fail("E449", f"`{pointer}` is set more than once", help=help)
    count = 1
    for setting in settings:
        count *= len(setting.values)
    if count > MOST_JOBS:
        help = "name fewer fields, or fewer values"
        fail("E449", f"a grid of {count:,} jobs; the limit is {MOST_JOBS:,}", help=help)


def _grid(
    data: bytes, job: dict[str, Any], settings: Sequence[Setting], folder: Path
) -> Iterator[Made]:
    """Yields the jobs, written as the first one is but for name and values. Raises
    JobError E449."""
    for values in itertools.product(*(setting.values for setting in settings)):
        pairs = [(one.place, value) for one, value in zip(settings, values)]
        name = _name(job["name"], pairs)
        edit = likely(
            *(put(place, value) for place, value in pairs), put(("name",), name)
        )
        patch = patch_of(edit, job)
        if not patch:
            places = " or ".join(f"`{pointer_of(place)}`" for place, _ in pairs)
            help = "name a field of the job language: `specc docs job` lists them"
            fail("E449", f"the job can hold no value at {places}", help=help)
        yield Made(folder / f"{name}.json", rewritten(data, patch))


def _name(name: str, pairs: Sequence[tuple[Place, Any]]) -> str:
    """Returns the name of a job, which tells its values: with the initials of fields
    where their names are too long. Raises JobError E449."""
    for spelled in (str, _initials):
        parts = [f"{spelled(str(place[-1]))}_{_spelled(x)}" for place, x in pairs]
        made = "-".join([name, *parts])
        made = re.sub(r"[^a-z0-9_-]+", "_", made.lower())
        if len(made) <= LONGEST:
            return made
    help = f"names have at most {LONGEST} characters: sweep fewer fields, or rename it"
    fail("E449", f"the name `{clip(made)}` would be too long", help=help)


def _initials(text: str) -> str:
    return "".join(word[:1] for word in text.split("_"))


def _spelled(value: Any) -> str:
    """Returns a value as a name can have it: 0.001 is 1e-3, as names have no points."""
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "null"}[value]
    if isinstance(value, float):
        _, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
        number = "".join(map(str, digits))
        return f"{'-' * (value < 0)}{number}" + f"e{exponent}" * bool(exponent)
    if isinstance(value, list):
        return "x".join(map(_spelled, value))
    if isinstance(value, dict):
        return "_".join(_spelled(one) for one in value.values())
    return str(value)


# ---- What is refused, and what is written ----


def _refuse_equal_names(made: Sequence[Made]) -> None:
    """Raises JobError E449."""
    paths = [one.path for one in made]
    for path in paths:
        if paths.count(path) > 1:
            help = "name each value once; values that differ in signs alone, apart"
            fail("E449", f"two jobs of the grid would be `{path.name}`", help=help)


def _are_wrong(made: Sequence[Made]) -> bool:
    """Reports what `specc check` finds in the jobs, once where it finds the same in
    several; returns whether any has an error."""
    seen, wrong = set(), False
    for path, data in made:
        findings = findings_of(data)
        wrong |= any(finding.is_error for finding in findings)
        new = [one for one in findings if (one.path, one.message) not in seen]
        seen |= {(one.path, one.message) for one in new}
        say_findings(new, data, str(path))
    return wrong


def findings_of(data: bytes) -> list[Diagnostic]:
    from specc.build import analyze

    try:
        return analyze(data)[2]
    except JobError as error:
        return error.diagnostics


def _new(made: Sequence[Made], force: bool) -> list[Made]:
    """Returns the jobs that are not there yet. Raises JobError E450."""
    new = []
    for path, data in made:
        try:
            if path.read_bytes() == data:
                continue
        except FileNotFoundError:
            pass
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            fail("E450", f"cannot read `{path}`: {reason}", help="name another folder")
        else:
            if not force:
                help = "name another folder by -o, or add --force"
                fail("E450", f"`{path}` is there already, and differs", help=help)
        new.append(Made(path, data))
    return new


def _write(folder: Path, made: Sequence[Made]) -> None:
    """Writes each file beside its place first. Raises JobError E405."""
    staged: list[tuple[Path, Path]] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, data in made:
            temporary = path.with_name(f".{path.name}.tmp")
            staged.append((temporary, path))
            temporary.write_bytes(data)
        for temporary, path in staged:
            os.replace(temporary, path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        help = "name a folder by -o that can be written to"
        fail("E405", f"cannot write to `{folder}`: {reason}", help=help)
    finally:
        for temporary, _ in staged:
            with suppress(OSError):
                temporary.unlink()
