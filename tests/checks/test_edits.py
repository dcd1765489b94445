"""The edits of findings over all rejects: which there are, and what they do.

`tests/rejects/edits.txt` holds them. `SPECC_UPDATE=1 pytest tests/checks/test_edits.py`
writes it anew: read the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
from repairs import check_fixed, check_repairs, checked

from specc.diagnostics import JobError
from specc.language.load import load

REJECTS = Path(__file__).parents[1] / "rejects"
EDITS = REJECTS / "edits.txt"
# Those of timm take seconds each, and are not everywhere.
CASES = [path for path in sorted(REJECTS.glob("*.json")) if "-timm-" not in path.stem]


def is_a_job(path: Path) -> bool:
    try:
        load(path.read_bytes())
    except JobError:
        return False
    return True


# Of very many findings the first are shown: tests/mending mends such a job.
MANY = "E130-many"
JOBS = [
    pytest.param(path, id=path.stem)
    for path in CASES
    if is_a_job(path) and path.stem != MANY
]


def lines(case: Path, findings: list[dict]):
    for one in findings:
        if one["patch"]:
            kind = "certain" if one["certain"] else "likely"
            patch = json.dumps(one["patch"], ensure_ascii=False)
            yield f"{case.stem} {one['pointer']} {kind} {patch}"


@pytest.mark.slow
def test_the_edits(tmp_path):
    said = []
    for case in CASES:
        said += [*lines(case, checked(case))][:8]
    text = "\n".join(said) + "\n"
    if os.environ.get("SPECC_UPDATE"):
        EDITS.write_text(text, encoding="utf-8")
    assert text == EDITS.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("case", JOBS)
def test_a_certain_edit_removes_its_finding_and_adds_none(case, tmp_path):
    path = Path(shutil.copy(case, tmp_path / "job.json"))
    findings = check_repairs(path, Counter())
    left = check_fixed(path, findings)
    check_fixed(path, left, "--unsafe")


@pytest.mark.parametrize("case", [x for x in CASES if not is_a_job(x)])
def test_what_is_no_job_is_left_alone(case, tmp_path):
    path = Path(shutil.copy(case, tmp_path / "job.json"))
    (finding,) = checked(path, "--fix", "--unsafe")
    assert finding["code"] in case.stem and finding["patch"] == []
    assert path.read_bytes() == case.read_bytes()
