"""The fields of a job by their pointers: value, origin, the schema's text, and the rule
of the compiler that derived them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

from specc.diagnostics import Path, fail
from specc.differences.fields import DEFAULT, DERIVED, GIVEN, NO_FIELDS
from specc.job import Job
from specc.language.schema import bundled, fill, follow
from specc.plan.resolved import as_job
from specc.resolve import RULES

KIND = {"kind"}  # option of an object that decides which others it has
MOST_NEAR = 3  # pointers that a message names


@dataclass(frozen=True)
class Option:
    """A field that a job has, whether it is given or not.

    `pointer` tells heads apart by their names, `path` by their places; `schema` is the
    field's own, `home` that of the object around it.
    """

    pointer: str
    path: Path
    schema: dict
    home: dict
    value: Any  # None: absent
    origin: str
    is_required: bool

    @property
    def is_given(self) -> bool:
        return self.origin == GIVEN

    @property
    def decides(self) -> bool:
        """Whether the value decides which other options the object has."""
        return self.path[-1] in ("kind", "task")

    @property
    def description(self) -> str:
        return self.schema.get("description", "")

    @property
    def rule(self) -> str:
        """The rule that derived the value; empty for a value that is not derived."""
        if self.origin != DERIVED:
            return ""
        found = [rule for key, rule in RULES.items() if fnmatchcase(self.pointer, key)]
        return place_of(found[0]) if found else ""


def place_of(function: Any) -> str:
    """Returns the name, the file and the line of a function of the compiler."""
    code = function.__code__
    file = f"compiler/{function.__module__.replace('.', '/')}.py"
    return f"{function.__name__}, {file}:{code.co_firstlineno}"


def options_of(job: Job, given: dict) -> dict[str, Option]:
    """Returns pointer -> field, of all fields that the job may have as it is."""
    heads, resolved = [head.name for head in job.heads], as_job(job)
    # Left out beside a validation set (E305), and if off, though the job has them.
    resolved["data"].setdefault("validation_fraction", job.data.validation_fraction)
    resolved["data"].setdefault("keep_samples", job.data.keep_samples)
    if job.data.augmentation:
        resolved["data"]["augmentation"] = asdict(job.data.augmentation)
    resolved.setdefault("export", job.export)
    found = _options(bundled(), resolved, given, fill(given), (), heads)
    return {option.pointer: option for option in found}


def _options(
    home: dict, resolved: dict, given: Any, filled: Any, path: Path, heads: list[str]
) -> Iterator[Option]:
    schema = follow(home, resolved)
    for name, field in schema.get("properties", {}).items():
        if not path and name in NO_FIELDS:
            continue
        value, here = resolved.get(name), (*path, name)
        written, default = _at(given, name), _at(filled, name)
        own = follow(field, value)
        if here == ("model", "heads"):
            for index, head in enumerate(value):
                parts = (head, _at(written, index), default[index], (*here, index))
                yield from _options(own["items"], *parts, heads)
            continue
        nested = isinstance(value, dict) and "properties" in own
        if not nested or _is_optional(field, own):
            required = name in schema.get("required", ())
            origin = _origin(value, written, default)
            pointer = pointer_of(here, heads)
            yield Option(pointer, here, own, home, value, origin, required)
        if nested:
            default = default or fill({k: value[k] for k in value.keys() & KIND}, own)
            yield from _options(field, value, written, default, here, heads)


def _is_optional(field: dict, own: dict) -> bool:
    """Returns whether a job may do without an object: not so of one with a kind, as
    one of the kinds is none."""
    if "kind" in own["properties"]:
        return False
    return field.get("default", {}) is None or "boolean" in own["type"]


def _at(value: Any, key: Any) -> Any:
    """Returns a part of a value; None where there is none."""
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def _origin(value: Any, written: Any, default: Any) -> str:
    if written is not None:
        return GIVEN
    return DEFAULT if _plain(value) == _plain(default) else DERIVED


def _plain(value: Any) -> Any:
    """Returns a value as JSON has it, without nulls."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(x) for key, x in value.items() if x is not None}
    return value


def pointer_of(path: Path, heads: list[str]) -> str:
    """Returns the pointer of a path, with the names of heads."""
    keys = list(path)
    if len(keys) > 2 and isinstance(keys[2], int):
        keys[2] = heads[keys[2]]
    return "".join(f"/{str(k).replace('~', '~0').replace('/', '~1')}" for k in keys)


def find(pointer: str, options: dict[str, Option], job: Job) -> list[Option]:
    """Returns the field of a pointer, or all fields below it. A head may stand in it
    by its name or by its place. Raises JobError E417."""
    keys = pointer.rstrip("/").split("/")
    heads = [head.name for head in job.heads]
    if keys[1:3] == ["model", "heads"] and len(keys) > 3 and keys[3].isdecimal():
        if int(keys[3]) < len(heads):
            keys[3] = heads[int(keys[3])]
    wanted = "/".join(keys)
    below = [one for key, one in options.items() if key.startswith(f"{wanted}/")]
    if wanted in options:
        return [options[wanted], *below]
    if below and pointer.startswith("/"):
        return below
    near = _near(wanted, list(options))
    fail(
        "E417",
        f"the job has no field `{pointer}`",
        help=(
            f"did you mean {' or '.join(f'`{one}`' for one in near)}?"
            if near
            else "give a JSON Pointer such as `/trainer/batch_size`"
        ),
    )


def _near(pointer: str, known: list[str]) -> list[str]:
    """Returns pointers that are written alike, or that end alike."""
    last = pointer.rsplit("/", 1)[-1]
    ends = {one: one.rsplit("/", 1)[-1] for one in known}
    same = [one for one, end in ends.items() if last in (end, _initials(end))]
    alike = get_close_matches(pointer, known, n=MOST_NEAR)
    by_end = {one.rsplit("/", 1)[-1]: one for one in reversed(known)}
    by_last = [by_end[one] for one in get_close_matches(last, by_end, n=1)]
    return list(dict.fromkeys([*same, *alike, *by_last]))[:MOST_NEAR]


def _initials(name: str) -> str:
    """Returns the letters that a name is often cut to: lr of learning_rate."""
    return "".join(word[:1] for word in name.split("_"))
