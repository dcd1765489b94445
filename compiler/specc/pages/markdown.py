"""The pages of `specc docs` that are made from the schema, in Markdown for the site:
headings, links and tables in place of aligned columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from specc.diagnostics import pointer_of
from specc.language.places import Place, also
from specc.language.schema import bundled, head
from specc.pages import language
from specc.resources import read_text

URL = re.compile(r"https?://[^\s),;]+")
COMMAND = re.compile(r"specc init TASK --data DIR|specc init|(?<!\S)/[a-z/]+")
KINDS = {  # first characters of codes -> what their findings have in common
    "E1": "Files that are no job: syntax and schema",
    "E2": "Levels and shapes that contradict each other",
    "E3": "Values and sets that contradict each other",
    "E4": "Files, folders, datasets and weights",
    "W2": "Warnings about a job",
    "D1": "Data that training would refuse",
    "D2": "Warnings about data",
    "D3": "Notes about data",
}
MENU_DEPTH = "---\ntocdepth: 2\n---"  # levels of headings in the menu of a page


def job_page() -> str:
    """Returns the page on all of a job but the options of the tasks."""
    whole = bundled()
    lines = [MENU_DEPTH, "", "# The job language", "", whole["description"], ""]
    lines += [
        "A job is one JSON object; `specc schema` prints its JSON Schema. Below is"
    ]
    lines += ["every option by its pointer: type, range and default, then its meaning."]
    lines += _headed(language.options_of_job())
    lines += ["", "## Options of the tasks", ""]
    lines += [f"- [{head(x)['title']}](tasks/{x}.md)" for x in language.tasks()]
    return _page(lines)


def task_page(task: str, method: str, native: str, examples: list[str]) -> str:
    """Returns the page on a task. `method` is what its page says of method and results,
    `native` the page on the native layout; `examples` are Markdown links."""
    schema = head(task)
    facts = language.task_facts(task)
    if examples:
        facts["examples"] = ", ".join(examples)
    lines = [f"# {schema['title']}", "", linked(schema["description"])]
    lines += [*_table(_facts(facts)), "", linked(method.strip()), "", "## Options"]
    lines += _options(language.options_of_task(task))
    if section := language.native_section(task, native):
        lines += ["", "## The native layout", "", section]
    return _page([*lines, *_findings([task])])


def format_page(form: str, prose: str) -> str:
    """Returns the page on a format of datasets. `prose` is the page on all formats: a
    row of its first table says what `data.train` names."""
    (named,) = re.findall(rf"^\| `{form}` \| (.+) \| .+ \|$", prose, re.MULTILINE)
    named = named.replace("](#", "](../formats.md#")
    facts = language.format_facts(form) | {"`data.train`": named}
    del facts["train"]
    lines = [f"# The format `{form}`"]
    lines += _table(_facts(facts))
    layout, own = language.options_of_format(form)
    if layout or own:
        lines += ["", "## Options", "", _marked(language.LAYOUT_NOTE) if layout else ""]
    lines += _options(layout + own)
    return _page([*lines, *_findings([form])])


def tasks_page() -> str:
    """Returns the list of the tasks."""
    lines = [
        "# Tasks",
        "",
        "A job has one head or several, each for a task. A page has",
    ]
    lines += ["its method and loss, metrics, formats, options and findings.", ""]
    lines += ["| task | metric that chooses best.pt | formats |", "|---|---|---|"]
    for task in language.tasks():
        schema = head(task)
        formats = ", ".join(schema["x-formats"])
        title = f"[{schema['title']}]({task}.md)"
        lines.append(f"| {title} | `{schema['x-metrics'][0]}` | {formats} |")
    return _page(lines)


def formats_page() -> str:
    """Returns the list of the formats."""
    lines = [
        "# Formats, one by one",
        "",
        "Each page has what `specc init` looks for, the",
    ]
    lines += [
        "tasks, and the options of `layout` that the format reads. The whole story"
    ]
    lines += ["is in [data formats](../formats.md).", ""]
    for form in language.formats():
        lines.append(f"- [{form}]({form}.md): {language.format_title(form)}")
    return _page(lines)


def diagnostics_page() -> str:
    """Returns the list of all findings, by their kinds."""
    lines = ["# Diagnostics", "", "Each finding has a code, and a page that"]
    lines += ["`specc explain CODE` prints, too: a case that fails, and the edit that"]
    lines += ["mends it."]
    for kind, words in KINDS.items():
        lines += ["", f"## {words} ({kind}..)", ""]
        lines += [_finding(x) for x in _explained(kind)]
    return _page(lines)


def codes() -> list[str]:
    """Returns the codes of all findings, in the order of their list."""
    return [x.partition(":")[0] for kind in KINDS for x in _explained(kind)]


def _explained(kind: str) -> list[str]:
    return sorted(x for x in language.explained() if x.startswith(kind))


def explain_page(code: str) -> str:
    """Returns the page on a finding."""
    return read_text(f"explain/{code}.md")


# ---- lines ----


def _page(lines: Iterable[str]) -> str:
    return "\n".join(lines).rstrip() + "\n"


def _table(facts: dict[str, str]) -> Iterator[str]:
    yield from ("", "| fact | value |", "|---|---|")
    for name, text in facts.items():
        yield f"| **{name}** | {text} |"


def _facts(facts: dict[str, str]) -> dict[str, str]:
    """Returns facts whose names of tasks and formats lead to their pages."""
    linked = dict(facts)
    for name, folder in (("formats", "formats"), ("tasks", "tasks")):
        if words := facts.get(name):
            names = words.split(", ")
            linked[name] = ", ".join(f"[{x}](../{folder}/{x}.md)" for x in names)
    for name in ("metrics", "converted from", "task", "format"):
        if words := facts.get(name):
            linked[name] = ", ".join(_code(x) for x in words.split(", "))
    for name in ("best.pt", "found by"):
        if words := facts.get(name):
            linked[name] = _marked(words)
    return linked


def _marked(text: str) -> str:
    """Returns words for a terminal with their commands and pointers as code."""
    return COMMAND.sub(lambda match: f"`{match[0]}`", text)


def _code(words: str) -> str:
    first, *rest = words.strip('"').split(" ", 1)
    return " ".join([f"`{first}`", *rest])


def _options(found: Iterable[Place]) -> Iterator[str]:
    """Yields a list of options."""
    for path, groups in language.by_path(found).items():
        for schema, owners in groups:
            first, *rest = _meaning(schema, owners)
            yield from ("", f"`{pointer_of(path)}`", f": {first}")
            yield from (f"  {x}".rstrip() for x in rest)


def _headed(found: Iterable[Place]) -> Iterator[str]:
    """Yields a section for each option, to which a search and a link may lead."""
    for path, groups in language.by_path(found).items():
        yield from ("", f"{'##' if len(path) == 1 else '###'} `{pointer_of(path)}`")
        for schema, owners in groups:
            yield from ("", *_meaning(schema, owners))


def _meaning(schema: dict, owners: list[str]) -> list[str]:
    form = f"*{language.form_of(schema, owners)}*"
    lines = [form, "", linked(schema["description"])]
    if names := also(schema):
        lines += ["", f"Other tools call it {', '.join(f'`{x}`' for x in names)}."]
    return lines


def linked(text: str) -> str:
    """Returns text whose addresses are links."""
    return URL.sub(lambda match: f"<{match[0]}>", text)


def _findings(words: list[str]) -> Iterator[str]:
    if found := language.findings_on(words):
        yield from ("", "## Findings", "")
        yield from (_finding(title, "../") for title in found)


def _finding(title: str, up: str = "") -> str:
    code, _, words = title.partition(": ")
    return f"- [{code}]({up}explain/{code}.md): {words}"
