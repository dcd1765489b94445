"""Sets for validation: which ones `specc init` uses, and that it tells of the others."""

from __future__ import annotations

import json
from pathlib import Path

import layouts
from test_init import CLASSES, DETECTION, head_of, init


def test_a_validation_set_of_one_class_is_found(place, capsys):
    layouts.as_folders(place / "set")
    for path in (place / "set" / "val" / "b").iterdir():
        path.unlink()
    (place / "set" / "val" / "b").rmdir()
    job, code = init(CLASSES, "--data", "set")
    assert code == 0 and head_of(job)["categories"] == ["a", "b"]
    assert job["data"]["validation"] == "set/val"
    (place / "set" / "val" / "a").rename(place / "set" / "val" / "unsorted")
    job, code = init(CLASSES, "--data", "set", "--force")
    assert code == 0 and "validation" not in job["data"]
    unused = Path("set", "val")
    assert f"({unused} has none of these categories)" in capsys.readouterr().out


def test_a_validation_set_without_annotations_is_told(place, capsys):
    layouts.as_coco(place / "set")
    path = place / "set" / "val.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"annotations": []}))
    job, code = init(DETECTION, "--data", "set")
    assert code == 0 and "validation" not in job["data"]
    unused = Path("set", "val.json")
    assert f"({unused} has no such annotations)" in capsys.readouterr().out


def test_identities_to_validate_on_may_be_others(place, capsys):
    """One image of a face finds another, whoever it is."""
    layouts.as_folders(place / "set")
    for name in "ab":
        path = place / "set" / "val" / name
        path.rename(path.with_name(f"other-{name}"))
    job, code = init("metric_learning", "--data", "set")
    assert code == 0 and job["data"]["validation"] == "set/val"
    assert head_of(job)["identities"] == ["a", "b"]
    assert "has none of" not in capsys.readouterr().out
