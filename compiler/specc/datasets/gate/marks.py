"""Marks in COCO files that the emitted readers take no notice of."""

from __future__ import annotations

import mmap
import re
from collections import Counter
from pathlib import Path

from specc.datasets.files import Unreadable
from specc.datasets.finders.coco_boxes import ignored_in
from specc.datasets.parts import reader
from specc.job import Job, source_of

IGNORED = re.compile(rb'"ignore"\s*:\s*"?1')
SETS = ("train", "validation", "test")


def unread_marks_of(job: Job, root: Path) -> Counter:
    """Returns how many annotations of a job's COCO files have `ignore` 1, by what that
    means. Only files in which a search finds such a mark are parsed."""
    sources = [source_of(job, head) for head in job.heads]
    given = [getattr(x, name) for x in sources if x.format == "coco" for name in SETS]
    counts: Counter = Counter()
    for path in dict.fromkeys(root / name for name in given if isinstance(name, str)):
        if _is_marked(path):
            what = f"{path.name}: annotations with `ignore` 1, learned as any other"
            counts[f"{what}; with `iscrowd` 1, they are ignored"] = _marked(path)
    return +counts


def _is_marked(path: Path) -> bool:
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return IGNORED.search(content) is not None
    except (
        OSError,
        ValueError,
    ):  # none is there, or it is empty: the reader refuses it
        return False


def _marked(path: Path) -> int:
    try:
        content = reader().read_json(path)
    except Unreadable:
        return 0
    items = content.get("annotations") if isinstance(content, dict) else None
    items = items if isinstance(items, list) else []
    return len(ignored_in([item for item in items if isinstance(item, dict)]))
