"""The sources of the documentation site, in Markdown for Sphinx: docs/make_pages.py
writes them from a checkout, and docs/conf.py has the settings.

Prose is copied from docs/ and its links are moved; what comes from the schema, the
commands, the explain pages and the examples is made anew.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

import click

from specc.pages import gallery, language, markdown, usage
from specc.resources import PACKAGE

CHECKOUT = PACKAGE.parent.parent
LINK = re.compile(r"(?<!\!)\[([^\]]*)\]\(([^)\s#]+)(#[^)\s]*)?\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
MERMAID = re.compile(r"^```mermaid\n.*?^```$", re.MULTILINE | re.DOTALL)
SHOWN = "blood-cells"  # the example whose graph a page shows as a diagram in Mermaid
PAGES = {  # path in the checkout, which links name, -> page of the site
    "README.md": "index.md",
    "SKILL.md": "agents.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "benchmarks.md",
    "benchmarks": "benchmarks.md",
    "generated": "gallery.md",
    "schema": "job-language.md",
    "docs/ci": "ci.md",
    "docs/tasks": "tasks/index.md",
    "compiler/specc/explain": "diagnostics.md",
}
CONTENTS = {  # caption -> pages, in the order of the menu
    "Start": ("tutorial", "jobs", "gallery"),
    "Data": ("datasets", "formats", "native"),
    "From the folder to the product": (
        "emitted",
        "training",
        "using",
        "export",
        "vendoring",
        "ci",
    ),
    "Reference": (
        "tasks/index",
        "job-language",
        "formats/index",
        "commands",
        "diagnostics",
        "glossary",
    ),
    "About": (
        "how-it-works",
        "reproducibility",
        "performance",
        "benchmarks",
        "limits",
        "agents",
        "contributing",
        "changelog",
    ),
}


def pages(group: click.Group) -> dict[str, str]:
    """Returns the pages of the site by their paths, with links as in the checkout, but
    for those between made pages. `group` has the commands of specc."""
    native = _read("docs/native.md")
    found = {f"{x.stem}.md": _read(f"docs/{x.name}") for x in _prose()}
    found |= {page: _read(path) for path, page in PAGES.items() if path.endswith(".md")}
    found["index.md"] += _contents()
    picture = gallery.graph_of(CHECKOUT, SHOWN)
    found["emitted.md"] = MERMAID.sub(lambda _: picture, found["emitted.md"])
    found["agents.md"] = re.sub(
        r"\A---\n.*?\n---\n\n", "", found["agents.md"], flags=re.S
    )
    found["commands.md"] += "\n" + usage.sections(group)
    found["gallery.md"] += _menu([f"gallery/{x}" for x in gallery.names(CHECKOUT)])
    found["ci.md"] = _ci_page()
    found["job-language.md"] = markdown.job_page()
    found["diagnostics.md"] = markdown.diagnostics_page()
    found["diagnostics.md"] += _menu([f"explain/{x}" for x in markdown.codes()])
    for code in markdown.codes():
        found[f"explain/{code}.md"] = markdown.explain_page(code)
    for task in language.tasks():
        method = _read(f"docs/tasks/{task}.md")
        shown = gallery.links(CHECKOUT, task)
        found[f"tasks/{task}.md"] = markdown.task_page(task, method, native, shown)
    found["tasks/index.md"] = markdown.tasks_page() + _menu(language.tasks())
    for form in language.formats():
        found[f"formats/{form}.md"] = markdown.format_page(form, found["formats.md"])
    found["formats/index.md"] = markdown.formats_page() + _menu(language.formats())
    for name in gallery.names(CHECKOUT):
        found[f"gallery/{name}.md"] = gallery.page(CHECKOUT, name)
    return found


def sources() -> dict[str, str]:
    """Returns the paths in the checkout of pages that are copied, by their pages."""
    copied = {page: path for path, page in PAGES.items() if path.endswith(".md")}
    return copied | {f"{x.stem}.md": f"docs/{x.name}" for x in _prose()}


def write(place: Path, group: click.Group) -> None:
    """Writes all pages, and the files that they show, into a folder of their own; what
    has not changed is left as it is, so that Sphinx does not read it again."""
    copied, files = sources(), set()
    texts = {
        page: moved(text, page, copied.get(page), files).encode()
        for page, text in pages(group).items()
    }
    shown = {f"files/{name}": CHECKOUT / name for name in files}
    shown |= {path.name: path for path in (CHECKOUT / "docs").glob("*.png")}
    texts |= {name: path.read_bytes() for name, path in shown.items()}
    for path in place.rglob("*"):
        if path.is_file() and path.relative_to(place).as_posix() not in texts:
            path.unlink()
    for name, text in texts.items():
        path = place / name
        if not path.is_file() or path.read_bytes() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)


def moved(text: str, page: str, source: str | None, files: set[str]) -> str:
    """Returns a page whose links lead to pages of the site. What else they name in the
    checkout joins `files`, which are copied below `files/`. `source` is the path from
    which links in the text begin; None: they are those of the site, already."""
    if source is None:
        return text
    up = "../" * page.count("/")

    def link(match: re.Match) -> str:
        words, target, anchor = match[1], match[2], match[3] or ""
        if "://" in target:
            return match[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        return f"[{words}]({up}{_place_of(path, files)}{anchor})"

    pieces, end = [], 0
    for fence in FENCED.finditer(text):
        pieces += [LINK.sub(link, text[end : fence.start()]), fence[0]]
        end = fence.end()
    whole = "".join([*pieces, LINK.sub(link, text[end:])])
    return whole.replace("](docs/predictions.png)", f"]({up}predictions.png)")


def _place_of(path: str, files: set[str]) -> str:
    """Returns where the site has what stands at a path of the checkout."""
    if path in PAGES:
        return PAGES[path]
    if example := re.fullmatch(r"generated/([\w-]+)(/job\.json)?", path):
        return f"gallery/{example[1]}.md"
    if prose := re.fullmatch(r"docs/([\w-]+\.md)", path):
        return prose[1]
    files.add(path)
    return f"files/{path}"


def _contents() -> str:
    """Returns the menus of the first page, which it does not show itself."""
    return "".join(_menu(names, caption) for caption, names in CONTENTS.items())


def _menu(names: list[str] | tuple[str, ...], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    lines = ["", "```{toctree}", *options, "", *names, "```", ""]
    return "\n".join(lines)


def _ci_page() -> str:
    lines = ["# Pull requests", "", "Two files to copy: they check the jobs of a pull"]
    lines += [
        "request, check that folders are up to date, and comment what the changes"
    ]
    lines += ["mean for weights and for callers."]
    for name, title in (("github.yml", "GitHub"), ("gitlab.yml", "GitLab")):
        text = _read(f"docs/ci/{name}").rstrip()
        lines += ["", f"## {title}", "", "```yaml", text, "```"]
    hooks = _read(".pre-commit-hooks.yaml").rstrip()
    lines += ["", "## pre-commit", "", "```yaml", hooks, "```", ""]
    return "\n".join(lines)


def _prose() -> list[Path]:
    return sorted((CHECKOUT / "docs").glob("*.md"))


def _read(path: str) -> str:
    return (CHECKOUT / path).read_text("utf-8")
