"""The pages of the examples: job, level graph and code of each folder in generated/."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from specc.build import analyze
from specc.commands.show import table
from specc.graph.cost import summarize
from specc.graph.drawing import svg

CODE = ("model.py", "train.py")  # modules that a page shows; it links to the others


def names(checkout: Path) -> list[str]:
    """Returns the names of the examples."""
    return sorted(path.parent.name for path in checkout.glob("generated/*/job.json"))


def links(checkout: Path, task: str) -> list[str]:
    """Returns links to the examples of a task, from the folder of another page."""
    return [
        f"[{name}](../gallery/{name}.md)"
        for name in names(checkout)
        if task in (head["task"] for head in _job(checkout, name)["model"]["heads"])
    ]


def page(checkout: Path, name: str) -> str:
    """Returns the page on an example."""
    folder = checkout / "generated" / name
    source = (folder / "job.json").read_text("utf-8")
    job, graph, _ = analyze(source.encode())
    head = ast.get_docstring(ast.parse((folder / "model.py").read_text("utf-8")))
    tasks = dict.fromkeys(x.task for x in job.heads)
    lines = [f"# {name}", "", " ".join(head.split("\n\n")[0].split()), ""]
    lines += [f"*{_shown(checkout, name)}*", ""]
    lines += ["Tasks: " + ", ".join(f"[{x}](../tasks/{x}.md)" for x in tasks) + ".", ""]
    lines += ["## The level graph", "", _framed(svg(graph)), ""]
    lines += ["```text", table(summarize(job, graph)).rstrip(), "```", ""]
    lines += ["## `job.json`", "", "```json", source.rstrip(), "```", ""]
    for module in CODE:
        text = (folder / module).read_text("utf-8").rstrip()
        lines += [f"## `{module}`", "", "```python", text, "```", ""]
    return "\n".join(lines)


def graph_of(checkout: Path, name: str) -> str:
    """Returns the picture of an example's level graph."""
    source = (checkout / "generated" / name / "job.json").read_bytes()
    return _framed(svg(analyze(source)[1]))


def _framed(picture: str) -> str:
    return f'<div class="graph">\n{picture}</div>'


def _shown(checkout: Path, name: str) -> str:
    """Returns what the list of the examples says that one shows."""
    text = (checkout / "docs" / "gallery.md").read_text("utf-8")
    (row,) = re.findall(rf"^\| \[{re.escape(name)}\].*\| (.+) \|$", text, re.MULTILINE)
    return row[0].upper() + row[1:] + "."


def _job(checkout: Path, name: str) -> dict:
    text = (checkout / "generated" / name / "job.json").read_text("utf-8")
    return json.loads(text)
