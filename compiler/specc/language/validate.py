"""Validates a job against the schema: findings with code, both sides of the fact,
edit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from jsonschema.exceptions import ValidationError

from specc.diagnostics import Diagnostic, Path
from specc.language.load import Source
from specc.language.mends import linked, with_edit
from specc.language.patch import with_certain
from specc.language.rules import validator
from specc.language.schema import follow
from specc.words import clip, did_you_mean, label, listed, name_of, number_of, quoted

MOST_FINDINGS = 50  # findings that a report shows
MOST_MENDED = 100  # findings that are looked at for an edit
MOST_CHOICES = 8  # most choices that a message lists; a note lists all
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "object": "an object",
    "string": "a text in quotes",
}


def validate(source: Source) -> list[Diagnostic]:
    """Returns all findings E120..E129 of the schema, in the order of the file. Only
    the first MOST_MENDED are told in full: there may be thousands."""
    errors = _by_path(source.value)
    paths = sorted(errors, key=lambda path: source.locate_key(path)[:2])
    found = _described({path: errors[path] for path in paths}, source.value)
    found += _behind(found, source.value)
    return sorted(found, key=lambda one: source.locate_key(one.path)[:2])


def fits(value: Any, schema: dict) -> bool:
    """Returns whether a part of the schema allows a value."""
    return next(validator().evolve(schema=schema).iter_errors(value), None) is None


def findings_of(value: Any) -> list[Diagnostic]:
    """Returns the same findings about a value without a file."""
    found = _described(_by_path(value), value)
    return found + _behind(found, value)


def _behind(found: list[Diagnostic], value: Any) -> list[Diagnostic]:
    """Returns the findings that others hide: those about the options of a head, for
    instance, whose task has a short name. They stand once the certain edits are made.
    """
    known, behind = {(one.code, one.path) for one in found}, []
    while 0 < len(found) <= MOST_MENDED:
        value = with_certain(value, found)
        found = [
            one
            for one in _described(_by_path(value), value)
            if (one.code, one.path) not in known
        ]
        known |= {(one.code, one.path) for one in found}
        behind += found
    return behind


def _by_path(value: Any) -> dict[Path, ValidationError]:
    errors: dict[Path, ValidationError] = {}
    for path, error in _errors(value):
        errors.setdefault(path, error)  # one finding a value
    return errors


def _described(errors: dict[Path, ValidationError], value: Any) -> list[Diagnostic]:
    found = []
    for path, error in errors.items():
        if len(found) < MOST_MENDED:
            told = with_edit(_describe(path, error), error, value)
        else:
            told = Diagnostic(_DESCRIPTIONS[error.validator][0], "", path)
        found.append(told)
    return linked(found)


def shown(findings: list[Diagnostic]) -> list[Diagnostic]:
    """Returns the findings as a report has them: the first ones, if they are many."""
    hidden = findings[MOST_FINDINGS:]
    if not hidden:
        return findings
    more = number_of(len(hidden), "more finding")
    follow = "follows, which is" if len(hidden) == 1 else "follow, which are"
    message = f"{more} {follow} not shown"
    help = "mend the findings above, then check again"
    rest = Diagnostic("E130", message, hidden[0].path, help=help)
    return [*findings[:MOST_FINDINGS], rest]


def _errors(value: Any) -> Iterator[tuple[Path, ValidationError]]:
    for error in validator().iter_errors(value):
        path = tuple(error.absolute_path)
        for part in _culprits(error):
            yield (*path, *part), error


def _culprits(error: ValidationError) -> list[Path]:
    """Returns the paths that one error of jsonschema is about, relative to its own
    path."""
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        return [(key,) for key in error.instance if key not in known]
    if error.validator == "required":
        return [(key,) for key in error.validator_value if key not in error.instance]
    return [()]


# ---- words ----


def _describe(path: Path, error: ValidationError) -> Diagnostic:
    return _DESCRIPTIONS[error.validator][1](path, error)


def _unknown(path: Path, error: ValidationError) -> Diagnostic:
    known, owner = list(error.schema["properties"]), error.schema["title"]
    help = did_you_mean(path[-1], known) or f"{owner} has the options {listed(known)}"
    message = f"{label(path[:-1])} has no option `{clip(path[-1])}`"
    return Diagnostic("E120", message, path, help=help, at_key=True)


def _missing(path: Path, error: ValidationError) -> Diagnostic:
    description = follow(error.schema["properties"][path[-1]])["description"]
    message = f"{label(path[:-1])} lacks the required `{path[-1]}`"
    note = f"`{path[-1]}`: {description.rstrip('.')}"
    return Diagnostic("E121", message, path, note=note, help=f"add `{path[-1]}`")


def _type(path: Path, error: ValidationError) -> Diagnostic:
    value, wanted = error.instance, error.validator_value
    wanted = [wanted] if isinstance(wanted, str) else wanted
    wanted = [name for name in wanted if name != "null"]
    words = " or ".join(_TYPES[name] for name in wanted)
    if wanted == ["object", "boolean"]:
        words = "an object or false"  # another rule refuses true
    message = f"{label(path)} must be {words}, found {_found(value)}"
    help = _conversion(value, wanted) or f"write {words}"
    return Diagnostic("E122", message, path, help=help)


def _conversion(value: Any, wanted: list[str]) -> str:
    """Returns the edit that turns a value of the wrong type into one of the right
    type."""
    if isinstance(value, float) and wanted == ["integer"]:
        return f"write {round(value)}" if abs(value) < 1e15 else ""
    if isinstance(value, str) and wanted in (["integer"], ["number"]):
        is_number = re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", value)
        return f"write {value} without quotes" if is_number else ""
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return f"write {value.lower()} without quotes"
    if isinstance(value, (str, int, float)) and wanted == ["array"]:
        return "put it in brackets: [ ]"
    if isinstance(value, (int, float)) and wanted == ["string"]:
        return f'write "{json.dumps(value)}"'
    return ""


def _range(path: Path, error: ValidationError) -> Diagnostic:
    message = f"{label(path)} must be {interval(error.schema)}"
    return Diagnostic(
        "E123",
        f"{message}, found {quoted(error.instance)}",
        path,
        help=_nearest(error),
    )


def interval(schema: dict) -> str:
    """Returns the legal numbers of a schema in words, with their unit."""
    unit = f" {schema['x-unit']}" if "x-unit" in schema else ""
    if "minimum" in schema and "maximum" in schema:
        return f"from {schema['minimum']} to {schema['maximum']}{unit}"
    parts = []
    if "minimum" in schema:
        parts.append(f"at least {schema['minimum']}")
    if "exclusiveMinimum" in schema:
        parts.append(f"more than {schema['exclusiveMinimum']}")
    if "maximum" in schema:
        parts.append(f"at most {schema['maximum']}")
    if "exclusiveMaximum" in schema:
        parts.append(f"less than {schema['exclusiveMaximum']}")
    return " and ".join(parts) + unit


def _nearest(error: ValidationError) -> str:
    bound = error.validator_value
    if error.validator in ("minimum", "maximum"):
        return f"write {bound}"
    return f"write a number {'above' if 'Min' in error.validator else 'below'} {bound}"


def _multiple(path: Path, error: ValidationError) -> Diagnostic:
    value, factor = error.instance, error.validator_value
    below = max(value // factor * factor, error.schema["minimum"])
    above = min(below + factor, error.schema["maximum"])
    message = f"{label(path)} must be a multiple of {factor}, found {value}"
    help = f"write {below} or {above}"
    return Diagnostic("E123", message, path, help=help)


def _choice(path: Path, error: ValidationError) -> Diagnostic:
    value = error.instance
    choices = [quoted(one) for one in error.validator_value if one is not None]
    if path == ("version",):
        message = f"the job's version is {_found(value)}, specc reads {choices[-1]}"
        help = f"write {choices[-1]}, or install a newer specc"
        return Diagnostic("E129", message, path, help=help)
    others = [quoted(error.schema["x-other"])] if "x-other" in error.schema else []
    words, note = listed(choices + others, "or"), ""
    if len(choices) > MOST_CHOICES:
        words, note = f"one of {len(choices)} names", f"they are {listed(choices)}"
        words += f" or {others[0]}" if others else ""
    message = f"{label(path)} must be {words}, found {quoted(value)}"
    names = [one for one in error.validator_value if isinstance(one, str)]
    close = did_you_mean(value, names, mark='"') if isinstance(value, str) else ""
    help = close or _other(error) or f"write {choices[0]}"
    return Diagnostic("E124", message, path, help=help, note=note)


def _other(error: ValidationError) -> str:
    """Returns the edit for a choice with unlisted values (`x-other`), if one was
    meant."""
    other, value = error.schema.get("x-other"), error.instance
    if not other or not isinstance(value, str) or not re.fullmatch(r"[\w.]+", value):
        return ""
    return f"write {quoted(other.replace('<name>', value))} if you mean that one"


def _text(path: Path, error: ValidationError) -> Diagnostic:
    value, limit = error.instance, error.validator_value
    if error.validator == "minLength":
        message = f"{label(path)} is empty"
    elif error.validator == "maxLength":
        message = f"{label(path)} has {len(value):,} characters, the limit is {limit}"
    else:
        message = f"{label(path)} is {quoted(value)}, which has not the required form"
    note = error.schema["description"].split(". ")[0].rstrip(".")
    return Diagnostic("E125", message, path, note=note, help=_legal_text(error))


def _legal_text(error: ValidationError) -> str:
    value, pattern = error.instance, error.schema["pattern"]
    if pattern.startswith("^[a-z]"):
        name = re.sub("[^a-z0-9_]+", "-", value[:64].lower()).strip("-0123456789_")
        return f'write "{name}"' if re.search(pattern, name) else "write such a name"
    if error.validator == "pattern" and "examples" in error.schema:
        return f"write a name such as {quoted(error.schema['examples'][0])}"
    edits = {"minLength": "write at least one character", "maxLength": "shorten it"}
    return edits.get(error.validator, "write it without control characters")


def _count(path: Path, error: ValidationError) -> Diagnostic:
    least, most = error.schema["minItems"], error.schema["maxItems"]
    wanted = f"{least}" if least == most else f"{least} to {most:,}"
    count = len(error.instance)
    message = f"{label(path)} must have {wanted} items, found {count:,}"
    few = error.validator == "minItems"
    help = f"add {least - count}" if few else f"remove {count - most:,}"
    return Diagnostic("E126", message, path, help=help)


def _duplicate(path: Path, error: ValidationError) -> Diagnostic:
    item = error.instance[path[-1]]
    first = label((*path[:-1], error.instance.index(item)))
    message = f"{label(path)} is {quoted(item)}, and so is {first}"
    return Diagnostic("E127", message, path, help="remove or rename one of the two")


def _forbidden(path: Path, error: ValidationError) -> Diagnostic:
    if error.validator_value == {"const": True}:
        message = f"{label(path)} must be an object or false, found true"
        help = "leave it out: it is on by default"
        return Diagnostic("E124", message, path, help=help)
    name = error.instance
    reason = "Python or `torch.nn.ModuleDict` uses it"
    if name in ("height", "width"):
        reason = "it names a side of the image beside the heads in predictions.json"
    message = f"`{name}` cannot name a head: {reason}"
    return Diagnostic("E128", message, path, help=f'write "{name}_head"')


def _found(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return name_of(value)
    kind = "the text " if isinstance(value, str) else ""
    return f"{kind}{quoted(value)}"


_DESCRIPTIONS = {
    "additionalProperties": ("E120", _unknown),
    "required": ("E121", _missing),
    "type": ("E122", _type),
    "minimum": ("E123", _range),
    "maximum": ("E123", _range),
    "exclusiveMinimum": ("E123", _range),
    "exclusiveMaximum": ("E123", _range),
    "multipleOf": ("E123", _multiple),
    "enum": ("E124", _choice),
    "minLength": ("E125", _text),
    "maxLength": ("E125", _text),
    "pattern": ("E125", _text),
    "minItems": ("E126", _count),
    "maxItems": ("E126", _count),
    "uniqueItems": ("E127", _duplicate),
    "not": ("E128", _forbidden),
}
