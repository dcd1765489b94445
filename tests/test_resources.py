"""The distribution and its extras are named as they are, by the way of installing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from specc import resources
from specc.resources import DISTRIBUTION, install

CHECKOUT = Path(__file__).parent.parent
PROJECT = (CHECKOUT / "pyproject.toml").read_text("utf-8")
EXTRAS = re.findall(
    r"^(\w+) = \[", PROJECT.partition("[project.optional-dependencies]")[2], re.M
)
TEXTS = ("*.md", "docs/**/*", "compiler/specc/explain/*.md", "schema/**/*.json")


def test_the_distribution_is_the_project_s():
    assert f'name = "{DISTRIBUTION}"' in PROJECT
    assert 'specc = "specc.cli:main"' in PROJECT  # the command keeps its name


def test_a_checkout_names_itself():
    assert install("train") == f"pip install -e '{CHECKOUT}[train]'"


def test_what_was_installed_by_name_names_the_distribution(tmp_path, monkeypatch):
    package = tmp_path / "site-packages" / "specc"
    (package / "data").mkdir(parents=True)
    monkeypatch.setattr(resources, "PACKAGE", package)
    assert install("train") == "pip install 'specc-torch[train]'"


def test_every_extra_that_the_code_names_is_the_project_s():
    named = set()
    for path in (CHECKOUT / "compiler").rglob("*.py"):
        named.update(re.findall(r"\binstall\([\"'](\w+)", path.read_text("utf-8")))
    assert {"train", "data", "timm"} <= named <= {*EXTRAS}


@pytest.mark.parametrize("pattern", [*TEXTS, "compiler/specc/**/*.py"])
def test_no_text_names_another_distribution(pattern):
    """`pip install specc` would bring a project of other people."""
    seen = 0
    for path in CHECKOUT.glob(pattern):
        if path.is_file() and path.suffix in (".md", ".json", ".py", ".yml"):
            text, seen = path.read_text("utf-8"), seen + 1
            wrong = r"specc\[[a-z,]+\]|pip install [^\n`]*\bspecc\b(?!-torch)"
            assert not re.search(wrong, text), path
            for extras in re.findall(r"specc-torch\[([a-z,]+)\]", text):
                assert {*extras.split(",")} <= {*EXTRAS}, path
    assert seen
