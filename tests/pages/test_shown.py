"""Commands that a page shows with their output: in their order they print just that.

SPECC_UPDATE=1 writes the output anew; read it before you commit it.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from specc.cli import run_cli

CHECKOUT = Path(__file__).resolve().parents[2]
CONSOLE = re.compile(r"(?<=^```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
PAGES = [
    path
    for path in sorted(CHECKOUT.glob("docs/**/*.md"))
    if CONSOLE.search(path.read_text("utf-8"))
]


def test_pages_show_commands():
    assert {"vendoring", "jobs"} <= {path.stem for path in PAGES}


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_commands_print_what_is_shown(path, place, capfd):
    shutil.copytree(CHECKOUT / "generated" / "blood-cells", "generated/blood-cells")
    text = path.read_text("utf-8")
    blocks = CONSOLE.findall(text)
    made = iter(["".join(outputs(block, capfd)) for block in blocks])
    found = CONSOLE.sub(lambda _: next(made), text)
    if os.environ.get("SPECC_UPDATE"):
        path.write_text(found, "utf-8")
    assert found == text


def outputs(block: str, capfd):
    """Yields the commands of a block, each with what it prints."""
    for line in block.splitlines():
        if line.startswith("$ "):
            program, *words = shlex.split(line[2:])
            if program == "specc":
                run_cli(words)
            else:
                subprocess.run([program, *words], check=True)
            out, err = capfd.readouterr()
            yield f"{line}\n{out}{err}"


@pytest.mark.soak
@pytest.mark.skipif("SPECC_TEST_DATA" not in os.environ, reason="real images")
def test_what_is_said_of_real_images_is_shown(place, capfd):
    """COCO's first 128 images, as the page on datasets has them."""
    data = Path(os.environ["SPECC_TEST_DATA"]) / "coco128_yolo"
    assert run_cli(["init", "object_detection", "--data", str(data)]) == 0
    run_cli(["data", "job.json"])
    said = capfd.readouterr().out
    text = (CHECKOUT / "docs" / "datasets.md").read_text("utf-8")
    ((table, finding),) = re.findall(r"```\n(level .*?)\n\n(warning.*?)```", text, re.S)
    assert table in said and finding in said
