"""Edited folders that every version of specc emitted, built anew: nothing is lost."""

from __future__ import annotations

import copy
import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import black
import pytest
from edits import OPEN, assert_nothing_is_lost, edit_folder, parses, views
from history import Render, commits, render, spread
from outputs import emitted, killed, tree

from specc.diagnostics import JobError
from specc.emit.format import MODE
from specc.folder.commit import is_pending, recover
from specc.folder.compare import compare
from specc.folder.texts import is_same
from specc.folder.write import Output, Written, write

CELLS = {"name": "cells", "task": "object_detection", "categories": ["a", "b", "c"]}
KIND = {"name": "kind", "task": "multiclass_classification", "categories": ["x", "y"]}
JOB = {
    "version": 1,
    "name": "detector",
    "data": {"train": "t", "validation": "v", "resolution": [128, 128]},
    "model": {
        "backbone": {"name": "resnet18"},
        "neck": {"kind": "fpn", "bottom_level": 3, "top_level": 5, "channels": 32},
        "heads": [CELLS],
    },
    "trainer": {"max_iterations": 40, "batch_size": 4},
}
CHANGES = {
    "first": {},
    "levels": {"neck": {"kind": "fpn", "bottom_level": 4, "top_level": 6}},
    "names": {"heads": [CELLS | {"categories": ["a", "d", "c", "e"]}]},
    "heads": {"heads": [CELLS, KIND]},
    "recipe": {"max_iterations": None, "max_hours": 2, "gradient_clipping": 5.0},
    "widths": {"backbone": {"name": "resnet34"}, "resolution": [192, 256]},
}
SIZES = [(5, 100, 20), (30, 1000, 200)]  # commits, edited folders, kills
UNRESOLVED = b'{"name": "detector"}'  # for the first commits, which emitted none
LEAST = 20  # commits of a history that is there
# The calls at which a build is killed: most while it puts files in their places.
CALLS = [("replace", 8), ("replace", 8), ("rename", 2), ("unlink", 2), ("fsync", 20)]


def jobs() -> dict[str, str]:
    """Returns a job with each set of changes, as text."""
    made = {}
    for name, changes in CHANGES.items():
        job = copy.deepcopy(JOB)
        for key, value in changes.items():
            homes = [job[part] for part in ("model", "data") if key in job[part]]
            (homes or [job["trainer"]])[0][key] = value
        made[name] = json.dumps(job, indent=2)
    return made


@pytest.fixture(scope="module", params=SIZES, ids=lambda size: f"{size[1]} edits")
def history(request, tmp_path_factory) -> tuple[list[list[Render]], int, int]:
    """The renders of each commit, the oldest first; how many edits and kills to try."""
    if len(commits()) < LEAST:
        pytest.skip(f"the history of {LEAST} commits is not here: a shallow clone?")
    count, edits, kills = request.param
    renders = []
    for number, commit in enumerate(spread(count)):
        folder = tmp_path_factory.mktemp(f"commit{number}")
        renders.append(render(commit, jobs(), folder))
        shutil.rmtree(folder / "code")
    renders = [found for found in renders if found]
    assert len(renders) >= count * 0.8  # some commits of branches are broken
    return renders, edits, kills


def output(render: Render, folder: Path, source: Path) -> Output:
    files = render.files
    job = json.loads(files.get("resolved.json", UNRESOLVED))
    return Output(folder, files, job, source)


def cases(renders: list[list[Render]], count: int) -> Iterator[tuple]:
    """Yields random numbers, and two renders, of which the first is not the newer."""
    for seed in range(count):
        rng = random.Random(seed)
        first, last = sorted(rng.choices(range(len(renders)), k=2))
        yield rng, rng.choice(renders[first]), rng.choice(renders[last])


def start(folder: Path, old: Render, rng: random.Random, source: Path) -> None:
    """Writes a folder as `old` has it, and edits it."""
    shutil.rmtree(folder, ignore_errors=True)
    write(output(old, folder, source))
    edit_folder(folder, rng)


@pytest.mark.soak
def test_no_edit_and_no_change_of_a_template_is_lost(history, tmp_path, source, capsys):
    renders, count, _ = history
    told = Counter()
    for rng, old, new in cases(renders, count):
        folder = tmp_path / "detector"
        start(folder, old, rng, source)
        before = tree(folder)
        wanted = output(new, folder, source)
        try:
            written = write(wanted)
        except JobError as error:
            assert {x.code for x in error.diagnostics} == {"E403"}
            assert tree(folder) == before
            told["refused"] += 1
            continue
        told += check(old.files, wanted, before, written)
        after = tree(folder)
        assert bool(write(wanted).conflicts) == bool(written.conflicts)
        assert tree(folder) == after
    with capsys.disabled():
        print(f"\n{len(renders)} commits, {count} folders: {dict(told)}")
    assert told["merged"] > count / 4 and told["conflict"] > count / 20


def check(
    old: dict[str, bytes], wanted: Output, before: dict, written: Written
) -> Counter:
    """Every file of both renders and of the user ends as it should; counts how."""
    told = Counter()
    new, folder = wanted.files, wanted.folder
    for path in old.keys() | new.keys():
        base, mine, text = old.get(path), before.get(path), read(folder / path)
        fresh = new.get(path)
        if mine is None and base is not None:
            assert text is None  # deleted by the user, and so it stays
            assert (path in written.not_landed) == (fresh not in (None, base))
            told["deleted"] += 1
        elif mine == base:
            assert text == fresh
            told["landed"] += base != fresh
        elif fresh is None and base is not None and is_same(path, mine, base):
            assert text is None  # an edit of the layout alone is none
            told["laid out"] += 1
        elif fresh is None or fresh == base:
            assert text == mine
            faults = {place.partition(":")[0] for place in written.faults}
            laid_out = base is not None and is_same(path, mine, base)
            assert path in {*written.kept, *faults} or laid_out
            assert fresh is None or parses(path, text.decode()) == (path not in faults)
            told["kept"] += 1
        else:
            told += check_merge(path, base, wanted, mine, written)
    for path in before.keys() - old.keys():  # the user's own
        if not path.startswith(".specc"):
            assert before[path] is None or read(folder / path) == before[path]
    compared = compare(wanted)
    assert not compared.stale and not compared.killed
    broken = {place.partition(":")[0] for place in compared.unfinished}
    for path in new:
        data = read(folder / path)
        assert data is None or path in broken or parses(path, data.decode())
    return told


def check_merge(path, base, wanted, mine, written) -> Counter:
    """Both sides changed the file, or have one of that name."""
    text = read(wanted.folder / path).decode()
    sides = [x.decode().splitlines(keepends=True) for x in (base, mine)]
    new = wanted.files[path].decode().splitlines(keepends=True)
    try:
        assert_nothing_is_lost(*sides, new, text)
    except AssertionError:  # where the user's layout is another, all get specc's
        assert path.endswith(".py") and OPEN not in text
        assert_nothing_is_lost(*map(in_one_layout, (*sides, new)), text)
    conflicts = {place.rpartition(":")[0] for place in written.conflicts}
    ours, theirs = views(text)
    if ours != theirs:
        assert path in conflicts
        return Counter(conflict=1)
    faults = {place.partition(":")[0] for place in written.faults}
    if path not in {*written.merged, *faults}:  # an edit of the layout alone stays
        assert path in {*written.written, *written.kept}
        assert is_same(path, text.encode(), wanted.files[path])
    assert parses(path, text) == (path not in faults)
    together = path in faults and all(parses(path, "".join(x)) for x in (sides[1], new))
    return Counter(merged=1, told_not_to_parse=path in faults, broke_together=together)


def in_one_layout(lines: list[str]) -> list[str]:
    mode = black.Mode(MODE.target_versions, magic_trailing_comma=False)
    return black.format_str("".join(lines), mode=mode).splitlines(keepends=True)


def read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


@pytest.mark.soak
def test_a_kill_at_any_instant_leaves_the_old_or_the_new(
    history, tmp_path, source, capsys
):
    renders, _, count = history
    told = Counter()
    for rng, old, new in cases(renders, count):
        folder, whole = tmp_path / "detector", tmp_path / "whole"
        start(folder, old, rng, source)
        shutil.rmtree(whole, ignore_errors=True)
        shutil.copytree(folder, whole)
        before, wanted = emitted(folder), output(new, folder, source)
        began = time.monotonic()
        try:
            write(output(new, whole, source))
        except JobError:
            continue
        took = time.monotonic() - began
        kill(wanted, rng, took)
        pending = is_pending(folder)
        assert pending or emitted(folder) in (before, tree(whole))
        assert compare(wanted).killed == pending
        recover(folder)
        after = tree(folder)
        assert after in (before, tree(whole))
        assert not pending or after == tree(whole)
        told["half way" if pending else "new" if after != before else "old"] += 1
        write(wanted)
        assert tree(folder) == tree(whole)
    with capsys.disabled():
        print(f"\n{count} kills left: {dict(told)}")
    assert told["half way"] > count / 10 and told["old"] > count / 10


def kill(wanted: Output, rng: random.Random, seconds: float) -> None:
    """Kills a build at a random call of the system, or at a random instant."""
    if rng.random() < 0.5:
        function, calls = rng.choice(CALLS)
        killed(wanted, function, rng.randrange(calls))
        return
    child = os.fork()
    if child == 0:
        write(wanted)
        os._exit(0)
    time.sleep(rng.uniform(0, seconds))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
