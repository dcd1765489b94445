"""docs/native.md: each of its examples is a dataset from which a job learns."""

from __future__ import annotations

import json
import re
from pathlib import Path

import layouts
import numpy as np
import pytest
import yaml
from PIL import Image
from readings import started

from specc.cli import run_cli
from specc.datasets import native
from specc.heads import TASKS
from specc.resources import read_text

PAGE = read_text("docs/native.md")
SECTIONS = dict(re.findall(r"^## (.+)\n((?:(?!^## ).*\n?)*)", PAGE, re.M))
EXAMPLES = {title: text for title, text in SECTIONS.items() if "```" in text}
RED = (0, 0, 0), (255, 0, 0)


def files_of(text: str) -> dict[str, str]:
    """The files of an example by their names, which stand in their first lines."""
    blocks = re.findall(r"```yaml\n# ([\w.]+)[^\n]*\n(.*?)```", text, re.S)
    return dict(blocks)


def write(folder: Path, title: str) -> None:
    """Writes an example with its images, and maps as the text describes them."""
    files = files_of(EXAMPLES[title])
    for name, text in files.items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    entry = yaml.safe_load(files["metadata.yaml"])
    others = [
        yaml.safe_load(text) for name, text in files.items() if "meta" not in name
    ]
    images = [name for other in others for name in other] or ["one.jpg", "two.jpg"]
    for number, name in enumerate(images):
        layouts.save(folder / "images" / name, number + len(str(folder)))
    colors = [
        np.full((30, 40, 3), c, np.uint8) for c in entry.get("colors", {}).values()
    ]
    for name in images if title.endswith(("segmentation", "estimation")) else ():
        pages, suffix = colors, ".tif"
        if title == "semantic segmentation":
            pages[0][:15], suffix = pages[1][:15], ".png"
            pages = pages[:1]
        elif title == "panoptic segmentation":
            pages = [colors[1], np.ones((30, 40), np.uint8)]
        elif title == "depth estimation":
            ramp = np.linspace(1, 65535, 1200).reshape(30, 40)
            pages, suffix = [ramp.astype(np.uint16)], ".png"
        path = folder / entry["annotations"] / Path(name).with_suffix(suffix)
        path.parent.mkdir(exist_ok=True)
        first, *rest = map(Image.fromarray, pages)
        more = {"save_all": True, "append_images": rest} if suffix == ".tif" else {}
        first.save(path, **more)
    if "masks" in entry:
        mask = Image.fromarray(np.full((30, 40), 255, np.uint8))
        (folder / entry["masks"]).mkdir()
        mask.save(folder / entry["masks"] / "bad.png")


@pytest.mark.slow
@pytest.mark.sample(
    "keypoint detection",
    "instance segmentation",
    "semantic segmentation",
    "depth estimation",
    "metric learning",
    "anomaly detection",
)
@pytest.mark.parametrize("title", EXAMPLES)
def test_an_example_is_a_dataset(place, title):
    write(Path("val"), title)
    if title == "anomaly detection":
        layouts.save(Path("train/images/0.png"), 99)
        Path("train/metadata.yaml").write_text("task: anomaly detection")
    else:
        write(Path("train"), title)
    head, found = started(title.replace(" ", "_"))
    assert not found.fatal and found.problems == []
    entry = yaml.safe_load(files_of(EXAMPLES[title])["metadata.yaml"])
    options = {
        key: entry[key] for key in head.keys() & entry.keys() - {"task", "colors"}
    }
    assert {key: _plain(head[key]) for key in options} == options
    names = {path.name for path in Path("val/images").iterdir()} - {"three.jpg"}
    if title in ("multilabel classification", "metric learning"):
        names |= {"three.jpg"}
    assert {sample.path.name for sample in found.validation} == names


def _plain(value: object) -> object:
    return json.loads(json.dumps(value))


def test_every_task_and_every_key_stands_on_the_page():
    told = {name for title in SECTIONS for name in title.split(", ")}
    assert {task.described_as or task.title for task in TASKS.values()} <= told
    keys = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))
    assert keys == {"task", "annotations", "masks", *native.OPTIONS}


def test_the_command_prints_the_page_and_names_the_others(capsys):
    assert run_cli(["docs", "native"]) == 0
    assert capsys.readouterr().out == PAGE
    assert run_cli(["docs"]) == 0
    assert re.search("^native +The native layout$", capsys.readouterr().out, re.M)
    assert run_cli(["docs", "nativ"]) == 1
    said = capsys.readouterr().err
    assert "E429" in said and "native" in said
