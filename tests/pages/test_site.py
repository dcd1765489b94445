"""The sources of the documentation site: nothing is missing, and every link leads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from specc.cli import cli
from specc.language.places import places
from specc.language.schema import part
from specc.pages import site
from specc.resources import names

TASKS = part("head")["properties"]["task"]["enum"]
FORMATS = [x for x in part("common")["$defs"]["format"]["enum"] if x]
EXAMPLES = [x.parent.name for x in site.CHECKOUT.glob("generated/*/job.json")]
FENCED = re.compile(r"^```(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s#]*)(?:#([^)\s]+))?\)")


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "pages"
    site.write(folder, cli)
    return folder


@pytest.fixture(scope="module")
def pages(written) -> dict[str, str]:
    """Returns the texts of all pages by their paths."""
    return {
        path.relative_to(written).as_posix(): path.read_text("utf-8")
        for path in written.rglob("*.md")
        if not path.is_relative_to(written / "files")
    }


def anchors(text: str) -> set[str]:
    """Returns the anchors of the headings of a page, as GitHub and MyST make them."""
    headings = re.findall(r"^#+ (.+)$", FENCED.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", x).lower().replace(" ", "-") for x in headings}


def test_there_is_a_page_for_everything(pages):
    wanted = {f"tasks/{x}.md" for x in TASKS} | {f"formats/{x}.md" for x in FORMATS}
    wanted |= {f"explain/{x}" for x in names("explain")}
    wanted |= {f"gallery/{x}.md" for x in EXAMPLES}
    assert len(EXAMPLES) > 15 and wanted <= {*pages}
    prose = {x.name for x in (site.CHECKOUT / "docs").glob("*.md")}
    assert prose <= {*pages} and len(prose) > 12


def test_the_menus_lead_to_every_page_once(pages):
    listed = []
    for page, text in pages.items():
        for kind, body in FENCED.findall(text):
            if kind == "{toctree}":
                entries = [x for x in body.splitlines() if x and x[0] != ":"]
                home = Path(page).parent
                listed += [f"{(home / entry).as_posix()}.md" for entry in entries]
    assert sorted([*listed, "index.md"]) == sorted(pages)


def test_every_link_leads_to_a_page_or_a_file(written, pages):
    seen = 0
    for page, text in pages.items():
        for target, anchor in LINK.findall(FENCED.sub("", text)):
            if "://" in target or not (target or anchor):
                continue
            path = (written / page).parent / target if target else written / page
            assert path.is_file(), (page, target)
            assert not anchor or anchor in anchors(path.read_text("utf-8")), (
                page,
                target,
                anchor,
            )
            seen += 1
    assert seen > 300


def test_what_is_shown_lies_in_the_site(written, pages):
    """No page is shown by what lies outside: pictures and files are copied."""
    for page, text in pages.items():
        for picture in re.findall(r"!\[[^\]]*\]\(([^)\s]+)", FENCED.sub("", text)):
            assert (written / page).parent.joinpath(picture).is_file(), (page, picture)
        assert not LOADED.search(FENCED.sub("", text)), page
    assert (written / "predictions.png").read_bytes()[1:4] == b"PNG"
    files = [x for x in (written / "files").rglob("*") if x.is_file()]
    assert any(x.name == "train.py" for x in files)
    for path in files:
        original = site.CHECKOUT / path.relative_to(written / "files")
        assert path.read_bytes() == original.read_bytes()


def test_the_page_of_the_job_language_has_every_option(pages):
    page = pages["job-language.md"]
    for place in places():
        if "heads" not in place.path or len(place.path) < 3:
            assert f"# `/{'/'.join(place.path)}`\n" in page
            assert place.schema["description"].split("https:")[0] in page


@pytest.mark.parametrize("task", TASKS)
def test_the_page_of_a_task_has_options_method_and_results(pages, task):
    page = pages[f"tasks/{task}.md"]
    for place in places():
        if (("model", "heads", "*", "task"), task) in place.chosen:
            assert len(place.path) != 4 or f"`/{'/'.join(place.path)}`" in page
    assert "## Method and loss\n" in page and "## Results\n" in page


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_page_of_an_example_has_job_graph_and_code(pages, name):
    page, folder = pages[f"gallery/{name}.md"], site.CHECKOUT / "generated" / name
    for file in ("job.json", "model.py"):
        assert (folder / file).read_text("utf-8").rstrip() in page
    assert page.count("<svg ") == page.count("</svg>") == 1
    assert "\n\n" not in page[page.index("<svg ") : page.index("</svg>")]  # one block
    assert "```mermaid" not in page  # Mermaid needs a script


@pytest.mark.parametrize("form", FORMATS)
def test_the_page_of_a_format_says_what_the_set_names(pages, form):
    """The page on all formats has a row for each: its own page has that row alone."""
    page, rows = pages[f"formats/{form}.md"], pages["formats.md"].splitlines()
    (row,) = [x for x in rows if x.startswith(f"| `{form}` |")]
    named = row.split(" | ")[1].replace("](#", "](../formats.md#")
    assert f"| **`data.train`** | {named} |" in page


def test_the_menu_of_findings_has_the_order_of_their_list(pages):
    text = pages["diagnostics.md"]
    listed = re.findall(r"^- \[([EWD]\d+)\]", text, re.MULTILINE)
    assert re.findall(r"^explain/(\w+)$", text, re.MULTILINE) == listed
    assert len(listed) > 100 and listed[0] == "E101" and listed[-1].startswith("D3")


def test_every_command_is_there_with_its_flags(pages):
    page = pages["commands.md"]
    for name, command in cli.commands.items():
        section = page.partition(f"### `specc {name}`")[2].partition("\n### ")[0]
        for option in command.params:
            for flag in option.opts if option.param_type_name == "option" else ():
                assert flag in section, (name, flag)


@pytest.mark.slow
def test_a_second_write_leaves_what_has_not_changed(written):
    page, stale = written / "glossary.md", written / "old.md"
    stale.write_text("# Old\n")
    before = page.stat().st_mtime_ns
    site.write(written, cli)
    assert page.stat().st_mtime_ns == before and not stale.exists()


# ---- The site itself ----

LOADED = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=[\"']?([^\"'\s>]+)"
    r"|<link\b(?![^>]*\brel=[\"']?(?:canonical|search|index|next|prev))[^>]*\bhref="
    r"[\"']?([^\"'\s>]+)|<object\b[^>]*\bdata=[\"']?([^\"'\s>]+)"
)
STYLED = re.compile(r"@import\s+[^;]+;|url\(\s*[\"']?((?:https?:)?//[^)]*)\)")


@pytest.mark.soak
def test_the_site_is_built_without_a_warning_and_loads_nothing(written, tmp_path):
    """Sphinx is in the extra `docs`, which `make docs` installs."""
    application = pytest.importorskip(
        "sphinx.application", reason="the extra `docs` is not installed"
    )
    pytest.importorskip("furo", reason="the extra `docs` is not installed")
    html = tmp_path / "html"
    application.Sphinx(
        str(written),
        str(site.CHECKOUT / "docs"),
        str(html),
        str(tmp_path / "trees"),
        "html",
        status=None,
        warningiserror=True,
    ).build()
    shown = sorted(html.rglob("*.html"))
    assert len(shown) > 200
    for path in shown:
        text = path.read_text("utf-8")
        found = [next(filter(None, x)) for x in LOADED.findall(text)]
        assert found
        assert "\N{EN DASH}" not in text, path  # flags have two hyphens
        assert 'role="heading">' not in text, path  # a heading tells its level
        for target in found:
            local = target.startswith("data:") or "//" not in target
            assert local, (path, target)
    for path in html.rglob("*.css"):
        assert not STYLED.search(path.read_text("utf-8")), path
    index = (html / "searchindex.js").read_text("utf-8")
    for word in ("batch_size", "pyramid", "e203", "letterbox"):
        assert word in index


@pytest.mark.parametrize(
    "text, found",
    [
        ('<script async src="https://cdn.example/x.js">', True),
        ('<link rel="stylesheet" href="//fonts.example/a.css">', True),
        ('<link rel="preload" as="font" href="https://a.example/b.woff2">', True),
        ('<a href="https://arxiv.org/abs/1904.01355">', False),
        ('<link rel="canonical" href="https://example.org/">', False),
    ],
)
def test_what_a_page_would_load_is_recognized(text, found):
    loaded = [next(filter(None, x)) for x in LOADED.findall(text)]
    assert bool([x for x in loaded if "//" in x]) == found
