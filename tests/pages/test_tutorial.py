"""The commands of README and of the tutorial lead from a folder to predictions."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import cv2
import pytest
from processes import python
from test_readme import commands

from specc.cli import run_cli
from specc.shapes.dataset import draw_dataset

FAST = ("--max-iterations", "2", "--workers", "0")
# Other ways than that of the dataset which is drawn here.
ELSEWHERE = ("specc import", "specc demo", "pip install")


@pytest.fixture
def traffic(place) -> Path:
    """The current folder, with a dataset and with photos of no dataset."""
    draw_dataset(place / "traffic", train=16, validation=4)
    (place / "photos").mkdir()
    for number, path in enumerate(sorted((place / "traffic/val/images").iterdir())):
        cv2.imwrite(f"photos/{number}.jpg", cv2.imread(str(path)))
    cv2.imwrite("image.jpg", cv2.imread("photos/0.jpg"))
    return place


def lines_of(page: str) -> list[str]:
    """Returns the commands that a page shows in lines of their own."""
    text = Path(__file__).parents[2].joinpath(page).read_text("utf-8")
    shown = [x.strip() for x in text.splitlines() if x.startswith("    ")]
    known = [shlex.join(words) for words in commands(page)]
    shown = [x for x in shown if shlex.join(shlex.split(x, comments=True)) in known]
    return [x for x in shown if not x.startswith((*ELSEWHERE, "make "))]


def run(line: str) -> str:
    """Runs a command, a training for a few steps; returns what it says."""
    program, *words = shlex.split(line)
    words = [x for y in words for x in (map(str, Path().glob(y)) if "*" in y else [y])]
    if words[0].endswith("train.py"):
        words += FAST
    words = ["-m", "specc.cli", *words] if program == "specc" else words
    done = python(*words)
    assert done.returncode == 0, (line, done.stdout + done.stderr[-2000:])
    return done.stdout


def test_the_first_command_names_the_folders_of_the_others(traffic):
    first = lines_of("README.md")[0]
    assert run_cli(shlex.split(first)[1:]) == 0
    name = json.loads(Path("job.json").read_text())["name"]
    for page in ("README.md", "docs/tutorial.md"):
        scripts = [x for x in lines_of(page) if x.startswith("python ")]
        assert scripts and all(
            x.startswith(f"python generated/{name}/") for x in scripts
        )


@pytest.mark.soak
@pytest.mark.parametrize("page", ["README.md", "docs/tutorial.md"])
def test_the_commands_run_in_their_order(page, traffic):
    lines = lines_of(page)
    assert len(lines) >= 5
    for line in lines:
        run(line)
    found = [json.loads(x.read_text()) for x in traffic.rglob("predictions.json")]
    assert any("image.jpg" in str(x) or "photos" in str(x) for x in found)
    assert list(traffic.rglob("best.pt"))
