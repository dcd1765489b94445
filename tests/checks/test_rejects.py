"""Wrong jobs, each with the exact words that a user reads.

A file `rejects/<code>-<what>.json` is a case by existing; the `.txt` beside it is what
`specc check job.json` says. `SPECC_UPDATE=1 pytest tests/checks/test_rejects.py` writes the
texts anew: read the difference before you commit it.
"""

import os
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from specc.build import analyze
from specc.commands.report import report
from specc.diagnostics import JobError
from specc.language.load import LARGEST_FILE, load, unread
from specc.resources import PACKAGE, names, read_text

REJECTS = Path(__file__).parents[1] / "rejects"
OF_TIMM = (
    pytest.mark.skipif(
        find_spec("timm") is None, reason="timm is not installed: pip install timm"
    ),
    pytest.mark.slow,
)
CASES = [
    pytest.param(path, id=path.stem, marks=OF_TIMM if "-timm-" in path.stem else ())
    for path in sorted(REJECTS.glob("*.json"))
]
CODE = re.compile(r"\b[DEW][1-9][0-9]{2}\b")
# No job can break these as long as our own backbones and necks keep them: the cases are
# graphs, in test_check.py.
UNWRITTEN = {"E201", "E202"}
# Too large to keep as a file.
LARGE = b'{"name": "' + b"x" * LARGEST_FILE + b'"}'


@cache
def findings_of(data):
    try:
        _, _, findings = analyze(data)
    except JobError as error:
        return error.diagnostics
    return findings


def words(data):
    try:
        source = load(data)
    except JobError:
        source = unread(data)
    return report(findings_of(data), source, "job.json")


def codes_in_source():
    """Every code that the compiler can report, as its source spells them."""
    texts = [path.read_text("utf-8") for path in PACKAGE.rglob("*.py")]
    quoted = re.compile(r"[\"']([DEW][1-9][0-9]{2})[\"']")
    return sorted({code for text in texts for code in quoted.findall(text)})


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_words(case):
    said = words(case.read_bytes())
    expected = case.with_suffix(".txt")
    if os.environ.get("SPECC_UPDATE"):
        expected.write_text(said, encoding="utf-8")
    assert said == expected.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES)
def test_the_case_shows_its_code(case):
    code = case.stem.split("-")[0]
    assert code in {finding.code for finding in findings_of(case.read_bytes())}


def test_a_file_that_is_too_large():
    (finding,) = findings_of(LARGE)
    assert (finding.code, finding.position) == ("E107", (1, 1))
    assert "limit is 1,048,576" in finding.message
    assert max(map(len, words(LARGE).splitlines())) < 130


def test_every_code_about_a_job_has_a_case():
    kept = {case.id.split("-")[0] for case in CASES} | {"E107"} | UNWRITTEN
    about_a_job = {code for code in codes_in_source() if not re.match("E4|D", code)}
    assert about_a_job <= kept


@pytest.mark.parametrize("code", codes_in_source())
def test_every_code_has_a_page(code):
    page = read_text(f"explain/{code}.md")
    title, blank, *body = page.splitlines()
    assert title.startswith(f"# {code}: ")
    assert blank == ""
    assert "```" in page
    assert CODE.findall(title) == [code]


def test_every_page_has_a_code():
    assert {Path(name).stem for name in names("explain")} == set(codes_in_source())


@pytest.mark.parametrize("case", CASES)
def test_messages_keep_to_the_house_style(case):
    for finding in findings_of(case.read_bytes()):
        for text in (finding.message, finding.help, finding.note):
            assert not text.endswith("."), text
            assert "\n" not in text
        assert not re.match("[A-Z][a-z]", finding.message), finding.message
        assert finding.message
        assert finding.help, finding
