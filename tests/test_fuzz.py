"""Any bytes are a job or diagnostics, and whatever a job holds stays data.

`make test` draws some forty jobs, `make soak` 20,000 through check and render and 300
through the whole build.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import miswritten
import pytest
import strategies
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from proof import assert_data
from repairs import check_fixed, check_repairs

from specc import cli
from specc.build import analyze
from specc.commands.report import report
from specc.diagnostics import JobError
from specc.emit.render import render
from specc.language.load import load, unread
from specc.plan.page import plan

PIECES, JOBS, BUILDS, TEXTS = 40, 500, 300, 500  # JOBS and TEXTS are those of a piece


def drawn(count: int, number: int):
    """`count` examples of a seed: the same ones in every run."""

    def decorate(test):
        limits = settings(
            max_examples=count,
            deadline=None,
            database=None,
            phases=[Phase.generate],  # the seed repeats a failure as it is
            suppress_health_check=list(HealthCheck),
        )
        return seed(number)(limits(test))

    return decorate


def said(data: bytes) -> tuple | None:
    """The passes to check; None where they found errors, which can be shown."""
    source, findings = unread(data), []
    try:
        source = load(data)
        job, graph, findings = analyze(data)
    except JobError as error:
        findings = error.diagnostics
        assert findings and any(finding.is_error for finding in findings)
    for form in ("text", "json", "github") if findings else ():
        assert report(findings, source, "job.json", form, color=False)
    if any(finding.is_error for finding in findings):
        return None
    return job, graph


def check_and_render(value: object, counts: Counter):
    """One job: diagnostics, or code in which its texts are constants."""
    counts["jobs"] += 1
    found = said(json.dumps(value).encode())
    if found is None:
        counts["refused"] += 1
        return
    files = render(plan(*found))
    assert all(Path(name).name == name for name in files)
    assert_data(files, strategies.MARK, strategies.texts(value))


def run_jobs(count: int, number: int) -> Counter:
    """A third of the jobs is damaged; of the others most can be built."""
    counts = Counter()
    kinds = st.one_of(strategies.jobs(), strategies.jobs(), strategies.nearly_valid())

    @drawn(count, number)
    @given(kinds)
    def test(value):
        check_and_render(value, counts)

    test()
    return counts


def run_texts(count: int, number: int) -> Counter:
    counts = Counter()

    @drawn(count, number)
    @given(st.one_of(strategies.damaged_texts(), st.binary(max_size=200)))
    def test(data):
        counts["texts"] += 1
        counts["refused"] += said(data) is None

    test()
    return counts


def run_builds(count: int, number: int, place: Path) -> Counter:
    """Through the command line, as users build; `place` is the current folder."""
    counts = Counter()

    @drawn(count, number)
    @given(strategies.jobs())
    def test(value):
        folder = place / str(counts["jobs"])
        counts["jobs"] += 1
        folder.mkdir()
        (folder / "job.json").write_bytes(json.dumps(value).encode())
        before = standing(place)
        code = cli.run_cli(
            ["build", "--tests", str(folder / "job.json"), "-o", str(folder / "out")]
        )
        assert code in (0, 1)
        new = standing(place) - before
        assert all(path.is_relative_to(folder / "out") for path in new)
        assert bool(new) == (code == 0)
        counts["built"] += code == 0
        if code == 0:
            assert check_built(folder / "out", value)

    test()
    return counts


def run_repairs(count: int, number: int, place: Path) -> Counter:
    """Jobs with mistakes: each certain edit removes its finding and adds none, and so
    do all of them, in their order."""
    counts = Counter()
    kinds = st.one_of(miswritten.jobs(), miswritten.jobs(), strategies.nearly_valid())

    @drawn(count, number)
    @given(kinds, st.sampled_from([None, 2, "\t"]))
    def test(value, indent):
        counts["jobs"] += 1
        path = place / "job.json"
        path.write_text(json.dumps(value, indent=indent), encoding="utf-8")
        findings = check_repairs(path, counts)
        errors = [one for one in findings if one["severity"] == "error"]
        left = check_fixed(path, findings)
        left_errors = [one for one in left if one["severity"] == "error"]
        counts["wrong"] += bool(errors)
        counts["mended"] += bool(errors) and not left_errors
        left = check_fixed(path, left, "--unsafe")
        left_errors = [one for one in left if one["severity"] == "error"]
        counts["mended with --unsafe"] += bool(errors) and not left_errors

    test()
    return counts


def check_built(folder: Path, value: object) -> int:
    modules = {path.name: path.read_text("utf-8") for path in folder.glob("*.py")}
    assert_data(modules, strategies.MARK, strategies.texts(value))
    return len(modules)


def standing(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


# ---- A sample ----


@pytest.mark.slow
def test_a_job_gives_diagnostics_or_code():
    counts = run_jobs(24, 0)
    assert counts["jobs"] - counts["refused"] >= 5  # else little was rendered


@pytest.mark.slow
def test_any_bytes_give_diagnostics_or_a_job():
    # What is drawn depends on the modules that the process has imported before.
    assert run_texts(120, 0)["refused"] >= 60


@pytest.mark.slow
def test_a_build_writes_into_its_folder_alone(place, monkeypatch):
    monkeypatch.setenv("SPECC_DEBUG", "1")  # an unexpected exception comes through
    assert run_builds(2, 0, place)["built"] >= 1


@pytest.mark.slow
def test_the_repair_loop(place, monkeypatch):
    monkeypatch.setenv("SPECC_DEBUG", "1")
    counts = run_repairs(40, 0, place)
    print(dict(counts))
    assert counts["jobs"] >= 40
    assert counts["certain"] >= 20 and counts["mended"] >= 4


# ---- As many as were asked for ----


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, PIECES + 1))
def test_twenty_thousand_jobs(number):
    counts = run_jobs(JOBS, number)
    print(dict(counts))
    assert counts["jobs"] >= JOBS and counts["refused"] < 0.9 * counts["jobs"]


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, PIECES + 1))
def test_twenty_thousand_texts(number):
    assert run_texts(TEXTS, number)["texts"] >= TEXTS


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, 11))
def test_three_hundred_builds(number, place, monkeypatch):
    monkeypatch.setenv("SPECC_DEBUG", "1")
    counts = run_builds(BUILDS // 10, number, place)
    assert counts["jobs"] >= BUILDS // 10 and counts["built"] > counts["jobs"] // 4


@pytest.mark.soak
@pytest.mark.parametrize("number", range(1, 21))
def test_two_thousand_repairs(number, place, monkeypatch):
    monkeypatch.setenv("SPECC_DEBUG", "1")
    counts = run_repairs(100, number, place)
    print(dict(counts))
    assert counts["jobs"] >= 100 and counts["certain"] >= 50
