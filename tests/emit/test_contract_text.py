"""The text of the contract that `specc build --tests` emits."""

from __future__ import annotations

import json

from emitted_jobs import GENERATED
from proof import strings_in_code
from test_templates import HOSTILE, MARK, hostile_job

from specc.build import analyse
from specc.emit.render import render
from specc.plan.extras import CONTRACT, Extras
from specc.plan.page import plan


def test_strings_of_the_job_are_constants():
    job = hostile_job(HOSTILE)
    job["model"]["heads"][0]["name"] = "zq-import-os"  # names are letters and digits
    found, graph, _ = analyse(json.dumps(job).encode())
    text = render(plan(found, graph, Extras(tests=True)))[CONTRACT]
    strings = strings_in_code({CONTRACT: text}, MARK)
    assert strings == {"zq-import-os", "zq-import-os.yaml"}


def test_it_stands_without_specc_and_on_a_few_screens():
    for name in ("blood-cells", "shapes-and-scenes"):
        text = (GENERATED / name / CONTRACT).read_text()
        assert "specc" not in text and len(text.splitlines()) <= 350
