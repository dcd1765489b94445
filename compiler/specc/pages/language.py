"""Pages on the job language, made from the schema, the heads' records, the conversions
and the explain pages."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from textwrap import fill

from specc.diagnostics import Path, pointer_of
from specc.language.patch import parts_of
from specc.language.places import ANY, Place, also, places, plain
from specc.language.schema import bundled, head, part
from specc.language.validate import interval
from specc.resources import names, read_text
from specc.words import listed, quoted

WIDTH = 100  # columns of a page
OF_A_HEAD = 4  # length of the path of a head's option


def tasks() -> list[str]:
    """Returns the tasks of heads."""
    return part("head")["properties"]["task"]["enum"]


def tasks_called(name: str) -> list[str]:
    """Returns the tasks that other tools call so."""
    return [x for x in tasks() if plain(name) in map(plain, (x, *also(head(x))))]


def formats() -> list[str]:
    """Returns the formats of datasets."""
    return [x for x in part("common")["$defs"]["format"]["enum"] if x is not None]


def pointer(place: Place) -> str:
    """Returns the pointer of a place, with `*` for any index."""
    return pointer_of(place.path)


def job_page() -> str:
    """Returns the page on all of a job but the options of the tasks."""
    whole = bundled()
    lines = [
        f"# {whole['title']}: the job language",
        "",
        *_wrapped(whole["description"]),
    ]
    lines += ["", "A job is one JSON object. `specc schema` prints its JSON Schema."]
    lines += _options(options_of_job())
    lines += [
        "",
        "A head has the options of its task, which has a page of its own:",
        "",
    ]
    width = max(map(len, tasks()))
    lines += [f"    {x:{width}}  {head(x)['title']}" for x in tasks()]
    return _page(lines)


def task_page(task: str, method: str, native: str) -> str:
    """Returns the page on a task; `method` is what its page says of method and results,
    `native` the page on the native layout."""
    schema = head(task)
    lines = [f"# {schema['title']}", "", *_wrapped(schema["description"]), ""]
    lines += _facts(task_facts(task))
    lines += ["", method.strip()]
    lines += _options(options_of_task(task))
    if section := native_section(task, native):
        lines += ["", "## The native layout", "", section]
    return _page([*lines, *_findings([task])])


def task_facts(task: str) -> dict[str, str]:
    """Returns what is to be known of a task, by the names of the facts."""
    from specc.heads import TASKS
    from specc.heads.conversions import sources_of

    schema = head(task)
    lower = schema.get("x-lower-is-better", [])
    metrics = [
        f"{x} (lower is better)" if x in lower else x for x in schema["x-metrics"]
    ]
    facts = {
        "task": quoted(task),
        "other tools": listed(also(schema)),
        "formats": ", ".join(schema["x-formats"]),
        "converted from": ", ".join(sources_of(task)),
        "metrics": ", ".join(metrics),
        "best.pt": f"has the best {schema['x-metrics'][0]}, unless /trainer/best"
        " names another metric",
        "model returns": TASKS[task].returns,
    }
    return {name: text for name, text in facts.items() if text}


def native_section(task: str, native: str) -> str:
    """Returns the section on a task of the page on the native layout, or ""."""
    from specc.heads import TASKS

    title = TASKS[task].described_as or TASKS[task].title
    for section in re.findall(r"^## (.+\n(?:(?!^## ).*\n?)*)", native, re.MULTILINE):
        heading, _, text = section.partition("\n")
        if title in heading.split(", "):
            return text.strip()
    return ""


def format_title(form: str) -> str:
    """Returns what the schema says of a format in a few words."""
    text = part("data")["properties"]["format"]["description"]
    found = re.search(rf"\b{form} \(((?:[^()]|\([^()]*\))*)\)", text)
    return found[1] if found else form


def format_page(form: str) -> str:
    """Returns the page on a format of datasets."""
    lines = [f"# The format {form}", "", *_wrapped(format_title(form)), ""]
    lines += _facts(format_facts(form))
    layout, own = options_of_format(form)
    if layout:
        lines += ["", *_wrapped(LAYOUT_NOTE)]
    return _page([*lines, *_options(layout + own), *_findings([form])])


LAYOUT_NOTE = (
    "Where a dataset differs from what the format expects, /data/layout says so, or the"
    " layout in the data of a head; specc init writes it."
)


def format_facts(form: str) -> dict[str, str]:
    """Returns what is to be known of a format, by the names of the facts."""
    from specc.datasets.find import LOOKED_FOR

    train = part("data")["properties"]["train"]["description"]
    return {
        "format": quoted(form),
        "found by": f"specc init TASK --data DIR, which looks for {LOOKED_FOR[form]}",
        "tasks": ", ".join(x for x in tasks() if form in head(x)["x-formats"]),
        "train": train[0].lower() + train[1:],
    }


def options_of_format(form: str) -> tuple[list[Place], list[Place]]:
    """Returns the options of `layout`, and those of heads, that a format reads."""
    layout = [
        x for x in places() if x.path[:2] == ("data", "layout") and len(x.path) == 3
    ]
    own = [x for x in places() if "heads" in x.path and len(x.path) == 4]
    return (
        [x for x in layout if form in x.schema.get("x-formats", ())],
        [x for x in own if form in x.schema.get("x-formats", ())],
    )


def options_of_job() -> list[Place]:
    """Returns all options but those of the tasks."""
    return [x for x in places() if "heads" not in x.path or len(x.path) < 3]


def options_of_task(task: str) -> list[Place]:
    """Returns the options of a head; /model/heads/*/data has its own page."""
    chosen = (("model", "heads", ANY, "task"), task)
    return [x for x in places() if chosen in x.chosen and len(x.path) == OF_A_HEAD]


def option_page(wanted: str) -> str:
    """Returns the page on an option and what is in it, by its pointer, in which an index
    stands for any; empty where there is no such option."""
    parts = parts_of(wanted.rstrip("/"))
    path = tuple(ANY if x.isdecimal() else x for x in parts)
    if path[-1:] == (ANY,):
        path = path[:-1]
    found = [x for x in places() if x.path == path]
    if not found:
        return ""
    inside = [x for x in places() if x.path[: len(path)] == path and x.path != path]
    if ANY in (*(key for x in inside for key in x.path[len(path) :]),):
        inside = [x for x in inside if ANY not in x.path[len(path) :]]
    lines = [f"# {pointer_of(path)}", ""]
    for schema, owners in _grouped(found):
        lines += _option(schema, owners)
    lines += _options(inside)
    if path == ("model", "heads"):
        lines += ["", *_wrapped(f"A head has a task: {', '.join(tasks())}.")]
    return _page([*lines, *_findings([path[-1]])])


# ---- lines ----


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def _facts(facts: dict[str, str]) -> Iterator[str]:
    for name, text in facts.items():
        yield from _wrapped(f"{name:15}{text}", " " * 15)


def _options(found: Iterable[Place]) -> Iterator[str]:
    """Yields the lines on options, each with its pointer."""
    for path, groups in by_path(found).items():
        yield from ("", pointer_of(path))
        for schema, owners in groups:
            yield from ("    " + line for line in _option(schema, owners))


def by_path(found: Iterable[Place]) -> dict[Path, list[tuple[dict, list[str]]]]:
    """Returns the schemas of options by their paths; a schema that several kinds or
    tasks share stands once, with these."""
    same: dict[Path, list[Place]] = {}
    for place in found:
        same.setdefault(place.path, []).append(place)
    return {path: _grouped(places) for path, places in same.items()}


def _grouped(same: list[Place]) -> list[tuple[dict, list[str]]]:
    """Returns the schemas of the places of one path, each with the kinds or tasks that
    have it."""
    groups: dict[str, tuple[dict, list[str]]] = {}
    for place in same:
        key = json.dumps(
            [place.schema.get(x) for x in ("description", "default", "enum")]
        )
        chosen = [quoted(x) for _, x in place.chosen[-1:] if x is not None]
        groups.setdefault(key, (place.schema, []))[1].extend(chosen)
    if len(groups) == 1:  # a task's own page names no task
        ((schema, owners),) = groups.values()
        return [(schema, owners if len(owners) < len(same) or len(same) > 1 else [])]
    return list(groups.values())


def _option(schema: dict, owners: list[str]) -> list[str]:
    lines = [*_wrapped(form_of(schema, owners)), *_wrapped(schema["description"])]
    if names := also(schema):
        lines += _wrapped(f"other tools: {', '.join(names)}")
    return lines


def form_of(schema: dict, owners: list[str]) -> str:
    """Returns the type of an option in words, with its range and default, and the kinds
    or tasks that have the option, if others do not."""
    return _form(schema) + (f"; of {', '.join(owners)}" if owners else "")


def _form(schema: dict) -> str:
    types = schema.get("type", [])
    types = [x for x in ([types] if isinstance(types, str) else types) if x != "null"]
    choices = schema.get("enum") or schema.get("else", {}).get("enum") or []
    choices = [quoted(x) for x in choices if x is not None]
    if "const" in schema:
        text = quoted(schema["const"])
    elif choices:
        other = schema.get("else", {}).get("x-other")
        text = listed(choices + ([quoted(other)] if other else []), "or")
    else:
        text = " or ".join(_NAMES[x] for x in types) or "an object"
        if {"integer", "number"} & {*types}:
            text += f" {interval(schema)}"
        if "array" in types:
            least, most = schema["minItems"], schema["maxItems"]
            text += f" of {least}" + f" to {most:,}" * (most != least)
    if "default" not in schema:
        return text if "const" in schema else f"{text}; required"
    usual = "null" if schema["default"] is None else json.dumps(schema["default"])
    return f"{text}; default {usual}"


_NAMES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "number": "a number",
    "object": "an object",
    "string": "a text",
}


def _wrapped(text: str, indent: str = "") -> list[str]:
    whole = fill(
        text,
        WIDTH - 4,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return whole.splitlines()


# ---- findings ----


def _findings(words: list[str]) -> Iterator[str]:
    if found := findings_on(words):
        yield from ("", "Findings, which `specc explain CODE` explains:", "")
        yield from (f"    {title}" for title in found)


def findings_on(words: list[str]) -> list[str]:
    """Returns the titles of findings whose pages name one of the words as code."""
    return [
        title
        for title, text in explained().items()
        if any(f"`{x}`" in text or f'"{x}"' in text for x in words)
    ]


@lru_cache(maxsize=None)
def explained() -> dict[str, str]:
    """Returns the explain pages by their titles."""
    pages = [read_text(f"explain/{name}") for name in names("explain")]
    return {page.splitlines()[0].lstrip("# "): page for page in pages}
